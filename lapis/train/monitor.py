"""What training looks like from inside: norms by module, rates by part, use of the machine, and alarms by rule.

Unusual: norms are measured around one update of every few, on each process's own pieces, and added up in one sum over
processes, so that watching costs next to nothing. The machine's peak is what a large matrix product reaches on it, in
the same precision and with the same threads (dist/speed.py), not what its maker states.

Shape legend: B rows, T tokens, R runs of equal document numbers.
"""

from __future__ import annotations

import statistics
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lapis.data.deal import Cost
from lapis.dist.mesh import Mesh
from lapis.train.optim import Optimizer
from lapis.types import Batch

PASSES = 3
"""A forward, and a backward that costs two."""
USUAL, LATE, JUMP, DEAD, STILL = 20, 10.0, 10.0, 1e-9, 3
"""Steps that alarms compare with, times the usual seconds and the usual gradient norm that are too many, the share of
its weights that a module's update must reach, and after how many measures below that it is told: a step without images
moves no ViT."""
MEASURES = ("parameters", "gradients", "updates", "first moments", "second moments")


def module_of(name: str) -> str:
    """The module that a parameter is counted with: a layer, or what stands beside the layers."""
    words = name.split(".")
    return ".".join(words[:3]) if "layers" in words[1:2] else ".".join(words[: min(2, len(words) - 1)])


@dataclass(slots=True)
class Monitor:
    """Measures every `every`-th update of an optimizer; 0 measures none."""

    optimizer: Optimizer
    mesh: Mesh
    every: int
    norms: dict[str, dict[str, float]] = field(default_factory=dict)
    """Of the last update that was measured, by module; emptied by the next one that is not."""

    @contextmanager
    def around(self, step: int) -> Iterator[None]:
        """Around the optimizer's update of a step."""
        self.norms = {}
        if not self.every or step % self.every:
            yield
            return
        before = {name: piece.own.detach().clone() for name, piece in self.optimizer.pieces.items()}
        sums = {name: [one.square().sum(), self._gradient(name)] for name, one in before.items()}
        yield
        for name, piece in self.optimizer.pieces.items():
            sums[name].append((piece.own.detach() - before[name]).square().sum())
        for name, moment, value in self.optimizer.moments():
            sums[name].append(value.square().sum())
            if moment == "momentum_buffer":
                sums[name].append(torch.zeros_like(sums[name][0]))
        self.norms = self._by_module(sums)

    def _gradient(self, name: str) -> Tensor:
        piece = self.optimizer.pieces[name]
        grad = piece.gradient()
        return piece.own.new_zeros(()) if grad is None else grad.square().sum()

    def _by_module(self, sums: dict[str, list[Tensor]]) -> dict[str, dict[str, float]]:
        modules = list(dict.fromkeys(module_of(name) for name in sums))
        totals = torch.zeros(len(modules), len(MEASURES), dtype=torch.float64)
        for name, values in sums.items():
            copies = self.optimizer.pieces[name].copies
            totals[modules.index(module_of(name))] += torch.stack(values).double().cpu() / copies
        norms = self.mesh.sum(totals).sqrt().tolist()
        return {
            name: dict(zip(MEASURES, values, strict=True)) | {"update share": values[2] / max(values[0], 1e-12)}
            for name, values in zip(modules, norms, strict=True)
        }


def rates(optimizer: Optimizer) -> dict[str, float]:
    """The largest learning rate of each part of the model."""
    found: dict[str, float] = {}
    for group in optimizer.param_groups:
        found[group["part"]] = max(found.get(group["part"], 0.0), group["lr"])
    return found


def flops(batch: Batch, cost: Cost) -> int:
    """FLOPs of a whole step over a batch, by the model's shape."""
    rows_B1 = torch.arange(len(batch.documents_BT))[:, None]
    numbers_BT = batch.documents_BT.cpu().long() + rows_B1 * (batch.documents_BT.shape[1] + 1)
    kept = numbers_BT[batch.documents_BT.cpu() >= 0]
    lengths_R = kept.unique_consecutive(return_counts=True)[1]
    pairs = int(lengths_R.square().sum())
    return PASSES * (int(lengths_R.sum()) * cost.token + pairs * cost.pair + len(batch.tiles_NSS3) * cost.tile)


@dataclass(slots=True)
class Alarms:
    """Rules over metrics lines: a gradient norm that jumps, a step that takes far too long, a module that stands still.

    The rules are ours; the original names a monitor and not its rules.
    """

    norms: deque[float] = field(default_factory=lambda: deque(maxlen=USUAL))
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=USUAL))
    still: Counter[str] = field(default_factory=Counter)
    """Measures in a row in which a module stood still."""

    def check(self, line: dict[str, Any]) -> list[str]:
        """What is wrong with a step, in words; nothing most of the time."""
        found = [
            *_over(line["grad_norm"], self.norms, JUMP, "gradient norm {:.3g}, and {:.3g} is usual"),
            *_over(line["seconds"], self.seconds, LATE, "the step took {:.1f} s, and {:.2f} s is usual"),
        ]
        for name, values in line.get("norms", {}).items():
            self.still[name] = self.still[name] + 1 if line["lr"] and values["update share"] < DEAD else 0
            if self.still[name] == STILL:
                found.append(f"{name} stands still: its update is {values['update share']:.1g} of its weights")
        return found


def _over(value: float, window: deque[float], limit: float, text: str) -> list[str]:
    usual = statistics.median(window) if len(window) == USUAL else None
    window.append(value)
    return [text.format(value, usual)] if usual is not None and value > limit * usual else []
