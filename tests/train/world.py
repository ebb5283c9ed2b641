"""A run folder with a real data stage's output in small: tokenizer, shards and held-out sets; and a recipe over it."""

from __future__ import annotations

import dataclasses
import io
import random
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image as Pixels

from lapis import chat, config
from lapis.data import shards
from lapis.data.loader import Loader
from lapis.data.store import write_samples
from lapis.data.tokenise import example, train_tokenizer
from lapis.types import Image, Sample, Text, Turn

DECODER = config.Decoder(width=32, layers=2, heads=4, kv_heads=2, head_dim=8, mlp=48, vocab=400)
TEACHER = dataclasses.replace(DECODER, width=48, mlp=64)
MODEL = config.Model(
    config.ViT(width=24, layers=2, heads=2, mlp=48, tile=56),
    config.Adapter(hidden=40),
    DECODER,
    config.AnyRes(columns=2, rows=2, thumbnail="several"),
)
PACK = config.Pack(row_tokens=96, rows=3, tiles=8)
SENTENCE = "the sky is blue and the grass is green while one cheap lamp costs 42 coins of old tin"
WORDS = SENTENCE.split()


@dataclass(slots=True)
class Seen:
    """A progress that remembers."""

    steps: int = 0
    notes: list[str] = field(default_factory=list)

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps += steps
        self.notes.append(note)


def picture(rng: random.Random, width: int = 56, height: int = 56) -> Image:
    noise = Pixels.frombytes("RGB", (width, height), rng.randbytes(width * height * 3))
    out = io.BytesIO()
    noise.save(out, "PNG")
    return Image(out.getvalue(), width, height)


def prose(rng: random.Random) -> Sample:
    text = " ".join(rng.choices(WORDS, k=rng.randrange(20, 60)))
    return Sample("prose", "en", "test", "CC0-1.0", (Turn("assistant", (Text(text),)),), document=True)


def screen(rng: random.Random) -> Sample:
    """A question about one or several tiles, with two labelled words."""
    wide = rng.random() < 0.3
    image = picture(rng, 112 if wide else 56, 56)
    words = [(rng.choice(WORDS), 2.0, 2.0 + 28 * row, 24.0, 14.0) for row in range(2)]
    turns = (Turn("user", (image, Text(rng.choice(WORDS)))), Turn("assistant", (Text(rng.choice(WORDS)),)))
    return Sample("screen/ocr", "en", "test", "CC0-1.0", turns, cells=({"words": words},))


def samples(count: int, seed: int = 0) -> list[Sample]:
    rng = random.Random(seed)
    return [prose(rng) if number % 2 else screen(rng) for number in range(count)]


def make_data(run: Path, count: int = 40) -> chat.Tokenizer:
    """`run/data` as the data stage leaves it."""
    tokenizer = train_tokenizer([SENTENCE] * 3, DECODER.vocab, run / "data" / "tokenizer", MODEL.tokens_per_tile)
    root = run / "data" / "shards"
    entry = shards.write_shard(root, "a", (example(sample, tokenizer, MODEL) for sample in samples(count)))
    shards.write_index(root, [entry], shards.fingerprint(run / "data" / "tokenizer"))
    held = samples(12, seed=1)
    write_samples(run / "data" / "heldout" / "prose.parquet", [one for one in held if not one.images])
    write_samples(run / "data" / "heldout" / "ground_seen.parquet", [one for one in held if one.images])
    return tokenizer


def loader(run: Path, mixture: dict[str, float], steps: int, pack: config.Pack = PACK, seed: int = 0) -> Loader:
    return Loader(run / "data" / "shards", mixture, pack, steps, seed, {}, MODEL.tokens_per_tile)


def stage(name: str = "text", parent: str | None = None, **changes: object) -> config.Train:
    base = config.Train(name, parent, {"prose": 1.0}, steps=6, pack=PACK, shape="student", checkpoint_every=2)
    return dataclasses.replace(base, **changes)


def recipe(*entries: object) -> config.Recipe:
    """fp32 and one thread: bit for bit the same everywhere."""
    return config.Recipe(
        name="small",
        model=MODEL,
        teacher=TEACHER,
        data=config.Data(),
        stages=entries,
        eval=config.Eval(),
        export=config.Export(),
        device="cpu",
        dtype="fp32",
        threads=1,
    )
