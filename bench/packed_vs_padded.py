"""Useful tokens a second of the pocket decoder: Lapis' packed rows against Hugging Face's Trainer on the same weights.

The mix of lengths is that of pocket's text stages: questions with their thoughts, and prose. The peer runs padded in
random order, padded with batches grouped by length, and packed (`DataCollatorWithFlattening`), each with the batch
that holds about as many tokens as a step of ours. All runs: AdamW, bf16 by autocast, all cores. A useful token is one
that is no padding.

python -m bench.packed_vs_padded
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from bench.parts import peer
from bench.parts.line import say
from lapis import chat, config
from lapis.data import pack as packing
from lapis.data.loader import TileShape, _Rows, assemble
from lapis.data.sources import prose
from lapis.data.synth import questions
from lapis.data.tokenise import Cutter, Example, example, train_tokenizer
from lapis.dist import guard, heap
from lapis.export import hf
from lapis.model import init
from lapis.recipes import pocket
from lapis.train import step
from lapis.types import Batch

QUESTIONS, PROSE = 1600, 400
STEPS, REPEATS = 30, 3
PACK = config.Pack(row_tokens=512, rows=4, tiles=0)
WAYS = ("padded", "grouped", "packed")


def examples(folder: Path) -> tuple[list[Example], chat.Tokenizer]:
    """Samples of the recipe's text mix, in drawn order, none longer than a row."""
    asked = list(questions.generate(QUESTIONS, 0, "train"))
    told = [sample for sample, _ in zip(prose.topics_prose(), range(4 * PROSE), strict=False)]
    texts = [turn.text + (turn.thought or "") for sample in (*asked, *told) for turn in sample.turns]
    model = pocket.model()
    tokenizer = train_tokenizer(texts, model.decoder.vocab, folder, model.tokens_per_tile)
    cutter = Cutter(tokenizer, model)
    made = [example(sample, tokenizer, model, cutter) for sample in (*asked, *told[:PROSE])]
    order = np.random.default_rng(0).permutation(len(made)).tolist()
    return [made[at] for at in order if 1 < len(made[at].ids) <= PACK.row_tokens], tokenizer


def batches(made: list[Example]) -> list[Batch]:
    """Packed steps as the loader makes them."""
    kinds = tuple(sorted({one.kind for one in made}))
    lengths = np.array([len(one.ids) for one in made], dtype=np.int64)
    none = np.zeros(len(made), dtype=np.int64)
    kind = np.array([kinds.index(one.kind) for one in made], dtype=np.int64)
    pieces = packing.cut_pieces(lengths, none, kind, none.astype(bool), kinds, PACK)
    plan = packing.make_plan(pieces, kinds, dict.fromkeys(kinds, 1.0), {}, PACK, STEPS, 0)
    rows = [[plan.row(number, row) for row in range(PACK.rows)] for number in range(plan.steps)]
    return [assemble(one, pieces, _Rows(made), kinds, PACK, TileShape(0, 1)) for one in rows]


def ours(every: list[Batch], folder: Path) -> float:
    """Useful tokens a second of our trainer."""
    place = guard.Place(torch.device("cpu"), guard.dtype_of("auto", torch.device("cpu")), lanes=2)
    entry = config.Train("text", None, {"math": 1.0}, STEPS, PACK, shape="student", trains=("decoder",), watch_every=0)
    torch.set_num_threads(guard.cores())
    made = step.build(step.wrap(init.fresh(pocket.model().decoder, 0)), entry, place)
    made.step(every[0], 0, 1.0)
    began = time.perf_counter()
    tokens = sum(made.step(batch, number, 1.0).tokens for number, batch in enumerate(every[1:], 1))
    return tokens / (time.perf_counter() - began)


def main() -> None:
    heap.keep()
    python = peer.environment("packed_vs_padded", ("accelerate==1.15.0",))
    with TemporaryDirectory() as name:
        folder = Path(name)
        made, tokenizer = examples(folder / "tokenizer")
        hf.write(init.fresh(pocket.model().decoder, 0), tokenizer, folder / "model")
        (folder / "ids.json").write_text(json.dumps([one.ids.tolist() for one in made]))
        every = batches(made)
        rates: dict[str, list[float]] = {name: [] for name in ("ours", *WAYS)}
        for _ in range(REPEATS):
            rates["ours"].append(ours(every, folder))
            for way in WAYS:
                told = [str(python), str(Path(peer.__file__).with_name("trainer.py")), name, way, str(STEPS)]
                done = subprocess.run(told, capture_output=True, text=True, check=True)
                rates[way].append(float(done.stdout.split()[-1]))
    speeds = {name: statistics.median(found) for name, found in rates.items()}
    for name, speed in speeds.items():
        print(f"{name}: {speed:.0f} useful tokens a second")
    for way in WAYS[1:]:
        ratio = statistics.median(a / b for a, b in zip(rates["ours"], rates[way], strict=True))
        print(f"ours by {way}: {ratio:.2f}")
    value = statistics.median(a / b for a, b in zip(rates["ours"], rates["padded"], strict=True))
    say("packed_vs_padded", value, 2.0, "useful tokens a second by those of the padded Trainer", 1.0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print("no options", file=sys.stderr)
    main()
