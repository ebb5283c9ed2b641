"""What `lapis build llamacpp` and `lapis export --to gguf` do. Like verbs.py, each imports what it needs itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from lapis.parsing import Words
from lapis.types import InputError

OPTIONS = ("formats",)
"""Words of `lapis export` that this form alone has."""
SAMPLES = 100


def export_options(verb: argparse.ArgumentParser) -> None:
    """The words of `lapis export --to gguf`."""
    verb.add_argument("--formats", metavar="F,F", help="gguf: of f32, f16, q8_0, q4_k_m (all but f32)")


def build(words: Words) -> None:
    """llama.cpp, where it is not built yet."""
    from lapis import native
    from lapis.progress import Bars, Task

    given = dict(word.partition("=")[::2] for word in words.words)
    for name, value in given.items():
        if name not in ("source", "jobs") or not value:
            raise InputError(f"{name}={value}: not understood here; expected source=FOLDER|ARCHIVE or jobs=N")
    if "jobs" in given and not (given["jobs"].isdecimal() and int(given["jobs"])):
        raise InputError(f"jobs: {given['jobs']}, expected 1 or more")
    source = Path(given["source"]) if "source" in given else None
    jobs = int(given["jobs"]) if "jobs" in given else None
    with Bars([Task("llama.cpp", native.MINUTES)], {}) as bars, bars.stage("llama.cpp", 100) as progress:
        folder = native.build(source, jobs, progress)
    print(folder / "bin")


def export(words: Words) -> None:
    """A model's GGUF files, and how good and fast each is where it belongs to a run."""
    from lapis.export import gguf
    from lapis.verbs import source_of

    formats = tuple(words.formats.split(",")) if words.formats else gguf.DEFAULT
    samples = SAMPLES if words.samples is None else words.samples
    model, run, out = source_of(words, "gguf")
    gguf.write(model, out, formats)
    if run is not None and samples:
        _measure(model, run, out, samples)
    print(out)


def _measure(model: Path, run: Path, out: Path, samples: int) -> None:
    from lapis.eval import formats
    from lapis.named import recipe_in
    from lapis.progress import Bars, Task

    recipe = recipe_in(run)
    heldout = run / recipe.data.name / "heldout"
    total = formats.count(out, heldout, samples)
    with Bars([Task("formats", 3.0)], {}) as bars, bars.stage("formats", total) as progress:
        formats.report(model, out, recipe.eval, heldout, samples, progress)
