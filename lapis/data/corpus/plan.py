"""Which partitions a recipe's sources have: slices of files, named by what they hold and what is done to them.

A partition's name is a hash of its files' names, sizes and times, of its ranges, of the source's own settings, and of
the code and thresholds of the row-wise steps. So a new source, a new file or another recipe leaves the old ones as they
are, and nothing that is out of date can be taken for finished. Unusual: where small files are joined, the joint ends
at files that their own name picks, so that a file more changes the partitions around it alone.
"""

from __future__ import annotations

import glob
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from lapis import config
from lapis.data.sources.base import Form, Origin, Slice
from lapis.data.sources.forms import FORMS
from lapis.types import InputError

_OWN = ("part", "rows", "columns", "quick", "signatures", "minhash", "steps", "words")
CODE = tuple(f"corpus/{name}.py" for name in _OWN)
CODE = (*CODE, "store.py", "measure.py", "repeats.py", "topics.py", "linear.py", "steps/*.py", "sources/*.py")
"""What a partition's bytes depend on, below lapis/data."""
FULL = 0.25
"""Share of a partition from which it may end at a file whose name says so; one in four does."""


@dataclass(frozen=True, slots=True)
class Part:
    """A partition: slices of one source that are worked on, kept and resumed together."""

    source: str
    number: int
    """Place among the source's partitions."""
    name: str
    """What its files are called."""
    slices: tuple[Slice, ...]

    def file(self, folder: Path, ending: str) -> Path:
        """One of its files in the corpus' folder."""
        return folder / "parts" / self.source / f"{self.name}{ending}"


def parts(data: config.Data) -> list[Part]:
    """All partitions, sources in the recipe's order. Raises InputError for a source whose place has nothing."""
    size = int(data.corpus.slice_mb * 1e6)
    found: list[Part] = []
    for name, source in data.sources.items():
        settings = _settings(source, data.corpus)
        for number, group in enumerate(_groups(slices(name, source), size)):
            found.append(Part(name, number, _hash([settings, [identity(one) for one in group]]), tuple(group)))
    return found


def origin(name: str, source: config.Source) -> Origin:
    """A source as its form's reader sees it."""
    return Origin(name, source.kind, source.licence, source.lang, tuple(sorted(source.columns.items())))


def form(name: str, place: str) -> Form:
    """The form of that name. Raises InputError, with `place` before it, for one that there is not."""
    if name not in FORMS:
        raise InputError(f"{place}: no form {name!r}; there are {', '.join(FORMS)}")
    return FORMS[name]


def check(data: config.Data) -> None:
    """Raises InputError for a source's name that is taken or no file's name, and for a form that there is not."""
    for name, source in data.sources.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in TAKEN:
            raise InputError(f"data.sources.{name}: expected a name of its own, in small letters and digits")
        form(source.form, f"data.sources.{name}.form")


TAKEN = ("prose", "captions", "screens", "pages", "questions", "needles", "own")
"""Names of samples files that are not a source's."""


def slices(name: str, source: config.Source) -> list[Slice]:
    """Slices of a source in order. Raises InputError where there are none."""
    place = str(Path(source.place).expanduser())
    paths = [Path(one) for one in sorted(glob.glob(place, recursive=True))] or [Path(place)]
    cut = form(source.form, f"data.sources.{name}.form").slices
    try:
        return [one for path in paths for one in cut(path)]
    except InputError as error:
        raise InputError(f"data.sources.{name}.place: {error}") from None


def _groups(found: Iterable[Slice], size: int) -> Iterator[list[Slice]]:
    """Neighbouring slices of about `size` bytes together."""
    group: list[Slice] = []
    held = 0
    for one in found:
        group.append(one)
        held += _size(one)
        ends = held >= FULL * size and int(_hash(one.path.name), 16) % 4 == 0
        if held >= size or ends:
            yield group
            group, held = [], 0
    if group:
        yield group


def _size(one: Slice) -> int:
    """Bytes of a slice, as far as they can be told."""
    if not one.path.is_file():
        return 0
    total = one.path.stat().st_size
    return min(total, one.last - one.first) if one.last is not None and one.last > 4096 else total


def identity(one: Slice) -> list[Any]:
    """What a slice's content hangs on: names, sizes and times of its files, and its range."""
    if one.path.is_dir():
        below = one.path.rglob("*") if one.last is None else one.path.iterdir()
        files = sorted(path for path in below if path.is_file())
        return [[_stamp(path, one.path) for path in files], one.first, one.last]
    return [[_stamp(one.path, one.path.parent)] if one.path.exists() else str(one.path), one.first, one.last]


def _stamp(path: Path, root: Path) -> list[Any]:
    stat = path.stat()
    return [str(path.relative_to(root)), stat.st_size, stat.st_mtime_ns]


def _settings(source: config.Source, corpus: config.Corpus) -> str:
    told = {key: value for key, value in asdict(source).items() if key != "place"}
    steps = [corpus.skip, corpus.languages, asdict(corpus.quality), asdict(corpus.pictures), corpus.examples]
    near = [corpus.near.ngram, corpus.near.bands, corpus.near.rows]
    fitted = [corpus.classifiers.least, *(_fitted(corpus.classifiers, name) for name in ("quality", "subject"))]
    return _hash([told, steps, near, fitted, _code()])


def _fitted(classifiers: config.Classifiers, name: str) -> list[str]:
    """What a classifier is. Raises InputError for a folder without one."""
    folder = getattr(classifiers, name)
    if not folder:
        return []
    paths = [Path(folder).expanduser() / part for part in ("weights.safetensors", "classifier.json")]
    if missing := [path for path in paths if not path.is_file()]:
        where = f"data.corpus.classifiers.{name}: {missing[0]} is missing"
        raise InputError(f"{where}; `lapis data fit-quality` makes a classifier")
    return [hashlib.blake2b(path.read_bytes(), digest_size=10).hexdigest() for path in paths]


@cache
def _code() -> str:
    root = Path(__file__).parents[1]
    files = sorted({path for pattern in CODE for path in root.glob(pattern)})
    return _hash([path.read_text(encoding="utf-8") for path in files])


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=10).hexdigest()


def packed(one: Slice) -> dict[str, Any]:
    """A slice as JSON."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in _items(one)}


def _items(one: Slice) -> list[tuple[str, Any]]:
    return [(entry.name, getattr(one, entry.name)) for entry in fields(one)]


def unpacked(tree: dict[str, Any]) -> Slice:
    """A slice of its JSON."""
    known: dict[str, Any] = {name: Path(value) if isinstance(value, str) else value for name, value in tree.items()}
    return Slice(**known)
