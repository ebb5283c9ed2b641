"""A run folder whose model answers with one letter, A to D, or with nothing but half a character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lapis import config
from lapis.data import store
from lapis.export import hf
from lapis.model import init
from lapis.model.vlm import Lapis
from lapis.types import Image, Part, Sample, Text, Turn
from tests.tiny import tiny_recipe, tiny_tokenizer

LETTERS = "ABCD"
HALF = "ä"
"""A byte that is no UTF-8 alone, as byte-level tokenizers write it."""


def recipe() -> config.Recipe:
    """Of such a model: on a CPU, with one thread."""
    tiny = tiny_recipe()
    shape = replace(tiny.model, decoder=replace(tiny.model.decoder, tied=False))
    return replace(tiny, model=shape, dtype="fp32", threads=1, device="cpu")


STAGE = config.RL(
    "rl", "sft", {"math": 1.0}, steps=3, prompts=4, group=2, max_tokens=1, row_tokens=256, refill=0, held_out=4,
    optim=config.Optim(lr=1e-3, weight_decay=0.0, warmup=0.0, end=1.0), checkpoint_every=2,
)  # fmt: skip


def model(half: bool) -> Lapis:
    """Whatever is asked, its last hidden state points where the rows of the letters (or of the half) do."""
    made = init.fresh(recipe().model, 0)
    assert isinstance(made, Lapis) and made.decoder.head is not None
    draw = torch.Generator().manual_seed(0)
    way = torch.randn(made.decoder.config.width, generator=draw)
    raw = tiny_tokenizer().raw
    ids = [raw.token_to_id(letter) for letter in (HALF if half else LETTERS)]
    with torch.no_grad():
        for rows in (made.decoder.embedding.weight, made.decoder.head.weight):
            rows.copy_(way + 0.1 * torch.randn(rows.shape, generator=draw))
        others = [token for token in range(made.decoder.config.vocab) if token not in ids]
        made.decoder.head.weight[others] *= -1
    return made


def question(number: int, meta: dict[str, Any], text: str = "A, B, C or D?", *images: Image) -> Sample:
    parts: tuple[Part, ...] = (*images, Text(f"{number}: {text}"))
    turns = (Turn("user", parts), Turn("assistant", (Text("B"),)))
    return Sample("math/arith", "en", "test", "CC0-1.0", turns, meta=meta)


def choices(first: int, many: int) -> list[Sample]:
    """Questions with one right letter."""
    metas = [{"verifier": "choice", "answer": LETTERS[number % 4]} for number in range(first, first + many)]
    return [question(first + place, meta) for place, meta in enumerate(metas)]


def write(at: Path, asked: Sequence[Sample], half: bool = False, held: Sequence[Sample] = ()) -> None:
    """The stages data and sft of a run."""
    store.write_samples(at / "data" / "fresh" / "questions.parquet", asked)
    store.write_samples(at / "data" / "heldout" / "math.parquet", held or choices(100, 8))
    hf.write(model(half), tiny_tokenizer(), at / "sft" / "model")
