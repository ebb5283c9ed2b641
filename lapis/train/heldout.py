"""Losses on held-out samples by set (prose, caption, ground_seen, ...), on a small fixed part of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import torch

from lapis import chat, config
from lapis.data.loader import eval_batches
from lapis.data.store import read_samples
from lapis.train import loss as losses
from lapis.train.step import TextOnly, Trainer
from lapis.types import Batch

SAMPLES = 48
"""Samples of a set: enough to compare stages, a few seconds in all on two cores."""
BATCHES = 8
"""Most batches of a set (long documents)."""


@dataclass(slots=True)
class HeldOut:
    """The held-out sets of a run, packed like the stage's rows; read when they are first needed."""

    folder: Path
    tokenizer: chat.Tokenizer
    model: config.Model
    pack: config.Pack
    _sets: dict[str, list[Batch]] = field(default_factory=dict)

    def losses(self, trainer: Trainer) -> dict[str, float]:
        """Mean cross-entropy of each set's targets in nats; of image tokens where the stage leaves the decoder out.

        Sets with images are left out for a network without eyes.
        """
        blind = isinstance(trainer.network, TextOnly)
        found = {name: measure(trainer, batches) for name, batches in self._read(blind).items()}
        return {name: value for name, value in found.items() if value is not None}

    def _read(self, blind: bool) -> dict[str, list[Batch]]:
        if not self._sets:
            for path in sorted(self.folder.glob("*.parquet")):
                samples = list(islice(read_samples(path), SAMPLES))
                if not (blind and any(sample.images for sample in samples)):
                    batches = eval_batches(samples, self.tokenizer, self.model, self.pack)
                    self._sets[path.stem] = list(islice(batches, BATCHES))
        return self._sets


def measure(trainer: Trainer, batches: list[Batch]) -> float | None:
    """Mean loss over batches; None where nothing in them carries one."""
    judge = replace(trainer, teacher=None)
    judge.network.eval()
    with torch.no_grad():
        pairs = [_one(judge, batch.to(judge.place.device)) for batch in batches]
    judge.network.train()
    weight = sum(pair[1] for pair in pairs)
    return sum(pair[0] for pair in pairs) / weight if weight else None


def _one(judge: Trainer, batch: Batch) -> tuple[float, float]:
    """Sum of losses of a batch, and of their weights. Of several processes all take the same batch."""
    divisors = losses.totals(batch)
    out = judge.summed([judge.outputs(batch, divisors)])
    out = replace(out, kind_sums_J=out.kind_sums_J / judge.mesh.rows, cells=out.cells / judge.mesh.rows)
    if judge.stage.lm_weight:
        return float(out.kind_sums_J.sum()), divisors.targets
    return float(out.cells) * divisors.cells, divisors.cells
