"""A small corpus on disk with what the engine must find in it, and a run of the engine over it."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lapis import config
from lapis.data.corpus import engine, evaluations
from lapis.data.models import NONE, Models
from lapis.types import Silent
from tests.data import world

WORDS = [f"{first}{rest}" for first in "bcdfghklmnprst" for rest in ("ale", "ime", "ope", "une", "arn", "ent", "ind")]
STOPS = ["the", "of", "and", "to", "that", "with"]


def text(rng: random.Random, sentences: int = 8) -> str:
    """English-looking prose that every rule lets pass."""
    lines = []
    for _ in range(sentences):
        words = [rng.choice(STOPS if rng.random() < 0.3 else WORDS) for _ in range(rng.randint(8, 14))]
        lines.append(" ".join(words).capitalize() + ".")
    return " ".join(lines)


def changed(one: str, rng: random.Random, words: int) -> str:
    """The same text with a few other words."""
    parts = one.split(" ")
    for _ in range(words):
        parts[rng.randrange(len(parts))] = f"other{rng.randrange(10**6)}"
    return " ".join(parts)


def write(path: Path, texts: Sequence[str], broken: Mapping[int, bytes] | None = None) -> Path:
    """JSON lines of texts; `broken` lines stand before the text of their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        for number, one in enumerate(texts):
            if broken and number in broken:
                out.write(broken[number] + b"\n")
            out.write(json.dumps({"text": one}).encode() + b"\n")
    return path


def data(places: Mapping[str, Path | str], *words: str, lang: str = "en", form: str = "jsonl") -> config.Data:
    """Settings with one source a place, of JSON lines unless another form is told."""
    sources = {name: config.Source(form, str(place), lang=lang) for name, place in places.items()}
    tree = {"sources": sources, "made": False, "workers": 1, "corpus": corpus(*words)}
    return config.Data(**tree)


def corpus(*words: str) -> config.Corpus:
    """Settings of the corpus with `key=value` words applied."""
    tree = json.loads(config.dump(config.Corpus()))
    from lapis.overrides import assign

    for word in words:
        key, _, value = word.partition("=")
        assign(tree, key, value)
    return config.check(config.Corpus, tree)


def recipe(settings: config.Data) -> config.Recipe:
    """A recipe of these sources with a small vocabulary."""
    data = config.check(config.Data, json.loads(config.dump(settings)) | {"vocab": 400})
    stage = config.Train("text", None, {"prose": 1.0}, 2, config.Pack(256, 2, 8))
    return config.Recipe("t", world.MODEL, world.DECODER, data, (stage,), config.Eval(), config.Export())


def run(settings: config.Data, out: Path, models: Models = NONE) -> dict[str, Any]:
    """The engine from sources to samples; returns counts.json."""
    engine.make_parts(settings, out / "corpus", Silent())
    sets = evaluations.sets(recipe(settings), out / "heldout")
    engine.make_samples(settings, out / "corpus", out / "samples", sets, Silent(), models)
    counts: dict[str, Any] = json.loads((out / "corpus" / "counts.json").read_text(encoding="utf-8"))
    return counts


def kept(out: Path, source: str = "") -> list[str]:
    """Texts of the samples, in order."""
    files = sorted((out / "samples").glob(f"{source}*.parquet"))
    return [one for path in files for one in pq.read_table(path, columns=["text"])["text"].to_pylist()]


def dropped(out: Path) -> list[dict[str, Any]]:
    """Rows of dropped.parquet."""
    rows: list[dict[str, Any]] = pq.read_table(out / "corpus" / "dropped.parquet").to_pylist()
    return rows


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def killed(work: Callable[[], object], after: int, name: str = "") -> int:
    """How a child process ended that works and is killed at its so-manieth rename, of files of that name if one is
    told, with the file cut in its middle; 0 is never."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    count, rename = 0, os.replace

    def counted(old: str, new: str) -> None:
        nonlocal count
        count += name in ("", Path(new).name)
        if count == after:
            os.truncate(old, os.stat(old).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        rename(old, new)

    os.replace = counted  # type: ignore[assignment]
    work()
    os._exit(0)
