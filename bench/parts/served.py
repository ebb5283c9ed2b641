"""A server of `lapis serve` in a process of its own, of a run's model or of one with fresh weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lapis.data.synth import questions
from lapis.data.tokenise import train_tokenizer
from lapis.export import hf
from lapis.model.init import fresh
from lapis.named import model_folder
from lapis.recipes import pocket

NAME = "bench"


def folder_of(run: Path | None, out: Path) -> Path:
    """The model of a run; without one, pocket's with fresh weights and a small tokenizer, written to `out`."""
    if run is not None:
        return model_folder(str(run))
    recipe = pocket.recipe()
    texts = [turn.text for sample in questions.generate(200, 0, "held") for turn in sample.turns]
    tokenizer = train_tokenizer(texts, recipe.data.vocab, out / "tokenizer", recipe.model.tokens_per_tile)
    hf.write(fresh(recipe.model, 0), tokenizer, out / "model")
    return out / "model"


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its URL and its process, which is stopped at the end."""
    command = (sys.executable, "-m", "lapis", "serve", str(folder), "--port", "0", "--model-name", NAME, *words)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.terminate()
        process.wait(60)
