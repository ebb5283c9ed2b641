"""Time to the first token of a question about a screen: the image encoded on upload, against with the question.

The goal is the ViT's share of the arithmetic before the first token in the 3B recipe, one tile and its thumbnail and a
question of 32 tokens (two fifths): what is looked at before cannot be saved twice.

python -m bench.upload_encoding [run=FOLDER]
"""

from __future__ import annotations

import io
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture

from bench.parts.line import run_of, say
from bench.tile_latency import model_of
from lapis import chat
from lapis.data.tokenise import train_tokenizer
from lapis.model import anyres
from lapis.model.vlm import Lapis
from lapis.named import recipe_in
from lapis.serve.engine import Engine, encode_images
from lapis.types import Image, Request, Text, Turn

SIZES = ((240, 240), (360, 640), (800, 800))
QUESTION = "Where is: Save?"
REPEATS = 15
GOAL = 0.4
Kept = dict[bytes, torch.Tensor]


def screen(size: tuple[int, int], seed: int) -> Image:
    """An image that no engine has seen: features and prompts are kept by what they are made of."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1] // 20, size[0] // 20, 3), dtype=np.uint8)
    out = io.BytesIO()
    Picture.fromarray(noise).resize(size).save(out, "PNG")
    return Image(out.getvalue(), *size)


def tokenizer_of(run: Path | None, model: Lapis) -> chat.Tokenizer:
    """The run's, else one of single bytes."""
    if run is not None:
        settings = recipe_in(run)
        return chat.Tokenizer.load(run / settings.export.name / "hf", model.config.tokens_per_tile)
    with tempfile.TemporaryDirectory() as folder:
        return train_tokenizer([QUESTION], model.config.decoder.vocab, Path(folder), model.config.tokens_per_tile)


def first_token(engine: Engine, image: Image) -> float:
    """Seconds from the question to the first token."""
    request = Request((Turn("user", (image, Text(QUESTION))),), max_tokens=1)
    began = time.perf_counter()
    engine.generate([request])
    return time.perf_counter() - began


@torch.inference_mode()
def measure(
    engine: Engine, model: Lapis, kept: Kept, size: tuple[int, int], seeds: Iterator[int]
) -> tuple[float, float]:
    """Median seconds to the first token with the image encoded before, and with the question; both take turns."""
    before, with_question = [], []
    for _ in range(REPEATS):
        image, other = screen(size, next(seeds)), screen(size, next(seeds))
        kept[image.data] = encode_images(model, [image])[0]
        before.append(first_token(engine, image))
        with_question.append(first_token(engine, other))
    return statistics.median(before), statistics.median(with_question)


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    run = run_of(sys.argv[1:])
    model = model_of(run).requires_grad_(False)
    kept: Kept = {}
    engine = Engine(model, tokenizer_of(run, model), slots=1, length=1024, features=kept)
    seeds = itertools.count()
    measure(engine, model, kept, SIZES[0], seeds)
    saved = []
    for size in SIZES:
        before, after = measure(engine, model, kept, size, seeds)
        saved.append(1 - before / after)
        tiles = anyres.tile_count(*size, model.config.anyres, model.config.vit.tile)
        print(f"{tiles} tiles: first token after {1000 * before:.1f} ms, with the image {1000 * after:.1f} ms")
    say("upload_encoding", statistics.fmean(saved), GOAL, "share of the time to the first token that is saved", 0.0)


if __name__ == "__main__":
    main()
