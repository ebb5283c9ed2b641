"""What key data resampling gives: held-out loss per kind after training on resampled rows and on the rows as they are.

A pool as corpora are: much prose and drill, few word problems and riddles, one kind that is soon learned. A decoder of
pocket's shape is trained on the pool for a few steps and scores every row's difficulty; lapis/data/steps/select.py
gives the copies; then fresh decoders are trained for equal steps of equal tokens on the pool as it is and resampled,
and with one half of the rule alone. Held out are other rows of each kind. Seeds change the pool, weights and order.

python -m bench.key_resampling [steps=150] [seeds=3] [pool=4000]
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import torch

from bench.parts.line import say
from lapis import chat, config
from lapis.data import pack as packing
from lapis.data import store
from lapis.data.loader import TileShape, _Rows, assemble
from lapis.data.sources import prose
from lapis.data.steps import classify, select
from lapis.data.synth import questions
from lapis.data.tokenise import Cutter, example, train_tokenizer
from lapis.data_config.judge import Select
from lapis.dist import guard, heap
from lapis.eval.scorer import Losses
from lapis.eval.stats import relative
from lapis.model import init
from lapis.model.decoder import Decoder
from lapis.recipes import pocket
from lapis.train import step
from lapis.types import Batch, Sample

SHARES = {"prose": 0.4, "math/digit": 0.3, "math/read": 0.2, "math/word": 0.06, "math/logic": 0.04}
PACK = config.Pack(row_tokens=512, rows=4, tiles=0)
HELD = 40
"""Held-out rows of a kind."""
RULES = {
    "as it is": None,
    "resampled": select.RULES,
    "rare alone": replace(select.RULES, hard=0.0, quality=0.0, saturated=0.0),
    "hard alone": replace(select.RULES, rare=0.0, quality=0.0, saturated=0.0),
}


def rows_of(count: int, seed: int) -> dict[str, list[Sample]]:
    """`count` rows of each kind, no row twice."""
    made: dict[str, list[Sample]] = {kind: [] for kind in SHARES}
    made["prose"] = [*prose.parse(prose.python_jobs(), 1)]
    np.random.default_rng(seed).shuffle(made["prose"])  # type: ignore[arg-type]
    for sample in questions.generate(8 * count, seed, "train"):
        if sample.kind in made:
            made[sample.kind].append(sample)
    return {kind: samples[:count] for kind, samples in made.items()}


def batches(samples: list[Sample], tokenizer: chat.Tokenizer, steps: int, seed: int) -> list[Batch]:
    """Packed steps that draw rows alike, whatever their kind."""
    model = pocket.model()
    cutter = Cutter(tokenizer, model)
    made = [one for one in (example(sample, tokenizer, model, cutter) for sample in samples) if len(one.ids) > 1]
    made = [one for one in made if len(one.ids) <= PACK.row_tokens or one.kind == "prose"]
    kinds = tuple(sorted({one.kind for one in made}))
    kind = np.array([kinds.index(one.kind) for one in made], dtype=np.int64)
    lengths, none = np.array([len(one.ids) for one in made], dtype=np.int64), np.zeros(len(made), dtype=np.int64)
    pieces = packing.cut_pieces(lengths, none, kind, kind == kinds.index("prose"), kinds, PACK)
    weights = dict(zip(kinds, np.bincount(pieces.kind, minlength=len(kinds)).astype(float).tolist(), strict=True))
    plan = packing.make_plan(pieces, kinds, weights, {}, PACK, steps, seed)
    every = [[plan.row(number, row) for row in range(PACK.rows)] for number in range(plan.steps)]
    return [assemble(one, pieces, _Rows(made), kinds, PACK, TileShape(0, 1)) for one in every]


def trained(every: list[Batch], seed: int) -> Decoder:
    """A fresh decoder of pocket's shape after these steps."""
    place = guard.Place(torch.device("cpu"), guard.dtype_of("auto", torch.device("cpu")), lanes=1)
    entry = config.Train(
        "text", None, {"prose": 1.0}, len(every), PACK, config.Optim(lr=1e-3), shape="student", trains=("decoder",),
        watch_every=0,
    )  # fmt: skip
    made = step.build(step.wrap(init.fresh(pocket.model().decoder, seed)), entry, place)
    for number, batch in enumerate(every):
        made.step(batch, number, 1.0)
    module = step.unwrap(made.network)
    assert isinstance(module, Decoder)
    return module.eval()


def taken(pool: pa.Table, rules: Select | None, seed: int) -> list[Sample]:
    """The pool's rows, as often as the rule takes them."""
    if rules is None:
        return store.from_table(pool.select(store.SCHEMA.names))
    tally = select.Tally(rules)
    tally.add(pool)
    plan = tally.plan()
    if rules is select.RULES and seed == 0:
        print("weights of kinds: " + ", ".join(f"{kind} {weight:.2f}" for kind, weight in plan.kinds.items()))
    return store.from_table(select.taken(select.change(pool, plan)).select(store.SCHEMA.names))


def measure(seed: int, steps: int, size: int, folder: Path) -> dict[str, dict[str, float]]:
    """Held-out loss by rule and kind."""
    every = rows_of(int(size * max(SHARES.values())) + HELD, seed)
    held = {kind: samples[:HELD] for kind, samples in every.items()}
    samples = [one for kind, share in SHARES.items() for one in every[kind][HELD : HELD + int(size * share)]]
    texts = [turn.text + (turn.thought or "") for sample in samples for turn in sample.turns]
    tokenizer = train_tokenizer(texts, pocket.model().decoder.vocab, folder / str(seed), 1)
    proxy = trained(batches(samples, tokenizer, max(steps // 2, 1), seed), seed + 100)
    pool = classify.by_loss(store.to_table(samples), Losses(proxy, tokenizer, 256))
    found = {}
    for name, rules in RULES.items():
        scorer = Losses(trained(batches(taken(pool, rules, seed), tokenizer, steps, seed), seed), tokenizer)
        found[name] = {kind: statistics.fmean(scorer.losses(held[kind])) for kind in SHARES}
        print(
            f"seed {seed}, {name}: " + ", ".join(f"{kind} {loss:.3f}" for kind, loss in found[name].items()), flush=True
        )
    return found


def main() -> None:
    told = dict(word.split("=") for word in sys.argv[1:])
    steps, seeds, size = (int(told.get(name, usual)) for name, usual in (("steps", 150), ("seeds", 3), ("pool", 4000)))
    heap.keep()
    with TemporaryDirectory() as name:
        found = [measure(seed, steps, size, Path(name)) for seed in range(seeds)]
    plain = [loss for one in found for loss in one["as it is"].values()]
    for rule in RULES:
        change = relative([loss for one in found for loss in one[rule].values()], plain)
        interval = f"({change.low:+.1%} to {change.high:+.1%}, n = {change.n})"
        print(f"{rule}: {change.value:+.1%} mean loss over kinds {interval}")
    gain = -relative([loss for one in found for loss in one["resampled"].values()], plain).value
    say("key_resampling", gain, 0.0, "relative fall of mean held-out loss over kinds, at equal tokens", 0.0)


if __name__ == "__main__":
    main()
