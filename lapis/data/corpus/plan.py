"""Which partitions a recipe's sources have: slices of files, named by what they hold and what is done to them.

A partition's name is a hash of its files' names below the source's place, of their sizes and times, of its ranges, of
the source's own settings, and of the code and thresholds of the row-wise steps. So a new source, a new file or another
recipe leaves the old ones as they are, and nothing that is out of date can be taken for finished. Unusual: where small
files are joined, the joint ends at files that their own name and size pick, so that a file more changes the partitions
around it alone.
"""

from __future__ import annotations

import ast
import glob
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from lapis import config
from lapis.data.sources.base import Form, Origin, Slice
from lapis.data.sources.forms import FORMS
from lapis.data.sources.records import USUAL
from lapis.types import InputError

ROOT = Path(__file__).parents[1]
"""lapis/data."""
_OWN = ("part", "rows", "columns", "quick", "signatures", "minhash", "steps", "words")
CODE = tuple(f"corpus/{name}.py" for name in _OWN)
CODE = (*CODE, "store.py", "measure.py", "repeats.py", "topics.py", "linear.py", "steps/*.py")
"""What a partition's bytes depend on, below lapis/data; and the source's form with all that it imports."""
FULL, MORE = 0.25, 0.5
"""Share of a partition from which it may end, and how much more it holds on average before it does."""
MOST = 0.25
"""Most of the slices that may end a partition: where they are large, others still go on."""
ROWS = 4096
"""A slice that ends below is a range of rows, or too small to matter: its file's size is its own."""


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
    return [one for name, source in data.sources.items() for one in _parts(name, source, data.corpus)]


def _parts(name: str, source: config.Source, corpus: config.Corpus) -> Iterator[Part]:
    settings, size = _settings(source, corpus), corpus.slice_mb * 1e6
    root, beside = _root(source.place), form(source.form, f"data.sources.{name}.form").beside
    found = ((one, identity(one, root)) for one in slices(name, source))
    seen: Counter[str] = Counter()
    for number, group in enumerate(_groups(found, size)):
        decides = [stamp(path, path.parent) for one, _ in group for path in beside(one.path)]
        digest = _hash([settings, [told for _, told in group], decides])
        seen[digest] += 1
        again = _hash([digest, seen[digest]]) if seen[digest] > 1 else digest
        yield Part(name, number, again, tuple(one for one, _ in group))


def origin(name: str, source: config.Source) -> Origin:
    """A source as its form's reader sees it."""
    return Origin(name, source.kind, source.licence, source.lang, tuple(sorted(source.columns.items())))


def form(name: str, place: str) -> Form:
    """The form of that name. Raises InputError, with `place` before it, for one that there is not."""
    if name not in FORMS:
        raise InputError(f"{place}: no form {name!r}; there are {', '.join(FORMS)}")
    return FORMS[name]


def check(data: config.Data) -> None:
    """Raises InputError for a source's name that is taken or no file's name, for a form or a column that there is not,
    and for columns where records have no fields."""
    for name, source in data.sources.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in TAKEN:
            raise InputError(f"data.sources.{name}: expected a name of its own, in small letters and digits")
        named = form(source.form, f"data.sources.{name}.form").named
        for column in source.columns:
            place = f"data.sources.{name}.columns.{column}"
            if not named:
                raise InputError(f"{place}: records of {source.form} have no fields; expected no columns")
            if column not in USUAL:
                raise InputError(f"{place}: no such field; there are {', '.join(USUAL)}")


TAKEN = ("prose", "captions", "screens", "pages", "kits", "questions", "needles", "own")
"""Names of samples files that are not a source's."""


def slices(name: str, source: config.Source) -> list[Slice]:
    """Slices of a source in order. Raises InputError where there are none."""
    paths = _matched(str(Path(source.place).expanduser()))
    cut = form(source.form, f"data.sources.{name}.form").slices
    try:
        return [one for path in paths for one in cut(path)]
    except InputError as error:
        raise InputError(f"data.sources.{name}.place: {error}") from None


def _matched(place: str) -> list[Path]:
    """What a pattern matches, but for what lies in a folder that it matches too (`/data/**`), or the place itself."""
    found = [Path(one) for one in sorted(glob.glob(place, recursive=True))] or [Path(place)]
    every = set(found)
    return [path for path in found if every.isdisjoint(path.parents)]


Told = tuple[Slice, list[Any]]
"""A slice and its identity."""


def _groups(found: Iterable[Told], size: float) -> Iterator[list[Told]]:
    """Neighbouring slices of about `size` bytes together."""
    group: list[Told] = []
    held = 0
    for one, told in found:
        group.append((one, told))
        own = _size(told)
        held += own
        if held >= size or (held >= FULL * size and _ends(told, own / size)):
            yield group
            group, held = [], 0
    if group:
        yield group


def _ends(told: list[Any], share: float) -> bool:
    """Whether a slice of that share of a partition is one that may end it: the larger, the more often."""
    stamps, first, _ = told
    return int(_hash([stamps[-1][0], first]), 16) % 10**6 < min(MOST, share / MORE) * 10**6


def _size(told: list[Any]) -> int:
    """Bytes of a slice, as far as they can be told."""
    stamps, first, last = told
    total = sum(size for _, size, _ in stamps)
    end = total if last is None else last
    return min(total, end - first) if end > ROWS else total


def identity(one: Slice, root: Path) -> list[Any]:
    """What a slice's content hangs on: its files' names below `root`, their sizes and times; and its range."""
    root = root if one.path.is_relative_to(root) else one.root
    return [[stamp(path, root) for path in one.files], one.first, one.last]


def stamp(path: Path, root: Path) -> list[Any]:
    """A file's name below `root`, its size and its time; zeros where there is none."""
    try:
        stat = path.stat()
    except OSError:  # a link that leads nowhere is a broken record
        return [str(path.relative_to(root)), 0, 0]
    return [str(path.relative_to(root)), stat.st_size, stat.st_mtime_ns]


def _root(place: str) -> Path:
    """The folder from which files of a place are told: up to the first wildcard."""
    path = Path(place).expanduser()
    fixed = Path(*takewhile(lambda name: not glob.has_magic(name), path.parts))
    return fixed if fixed.is_dir() else fixed.parent


def _settings(source: config.Source, corpus: config.Corpus) -> str:
    told = {key: value for key, value in asdict(source).items() if key != "place"}
    steps = [corpus.skip, corpus.languages, asdict(corpus.quality), asdict(corpus.pictures), corpus.examples]
    near = [corpus.near.ngram, corpus.near.bands, corpus.near.rows]
    fitted = [corpus.classifiers.least, *(_fitted(corpus.classifiers, name) for name in ("quality", "subject"))]
    return _hash([told, steps, near, fitted, _code(source.form)])


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
def _code(form_name: str) -> str:
    return _hash([path.read_text(encoding="utf-8") for path in code(form_name)])


def code(form_name: str) -> list[Path]:
    """Files of the row-wise steps, and of the form's reader with all of lapis/data that it imports."""
    steps = {path for pattern in CODE for path in ROOT.glob(pattern)}
    return sorted(_with_imports(ROOT / "sources" / f"{form_name}.py", steps))


def code_of(file: str) -> str:
    """A digest of a file of lapis/data with all of lapis/data that it imports."""
    return _hash([path.read_text(encoding="utf-8") for path in sorted(_with_imports(Path(file), set()))])


def _with_imports(file: Path, known: set[Path]) -> set[Path]:
    """What is known, and the file with what it imports beyond that."""
    known, waiting = set(known), [file]
    while waiting:
        path = waiting.pop()
        if path not in known:
            known.add(path)
            waiting += _imported(path)
    return known


def _imported(path: Path) -> Iterator[Path]:
    """The files of lapis/data that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("lapis.data."):
            module = ROOT.joinpath(*str(node.module).split(".")[2:])
            every = (module, *(module / name.name for name in node.names))
            yield from (found.with_suffix(".py") for found in every if found.with_suffix(".py").is_file())


def _hash(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=10).hexdigest()


def packed(one: Slice) -> dict[str, Any]:
    """A slice as JSON."""
    told = {entry.name: getattr(one, entry.name) for entry in fields(one)}
    return told | {"path": str(one.path), "root": str(one.root)}


def unpacked(tree: dict[str, Any]) -> Slice:
    """A slice of its JSON."""
    paths = {name: Path(tree[name]) for name in ("path", "root")}
    return Slice(**{**tree, **paths, "names": tuple(tree["names"])})
