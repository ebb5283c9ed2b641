"""The search for a mixture: proxy runs, the regression, and runs that compare what was found with two plain mixtures.

Each finished run is a file of its own, so that a search that was cut goes on with the next one. How a run is trained
comes in from outside (`Proxies`), because training stands above data.

Shape legend: N runs, J kinds, K losses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lapis import files
from lapis.data.mixing import draw
from lapis.data.mixing.choose import Choice, Runs, choose, so_far
from lapis.data.mixing.free import Free
from lapis.data_config.mixing import Mixing
from lapis.types import InputError, Progress

Floats = npt.NDArray[np.float64]
Losses = dict[str, dict[str, float]]
"""Half of the held-out samples (`fit`, `check`) to the loss of each kind, in nats a token."""
FULL = ("found", "uniform", "proportional")
"""Mixtures that are checked."""
SEED = 0
"""Of the drawn mixtures and of the resamples."""
BLOCK = 8
"""Runs between two looks at what is the best so far (ours)."""
NONE = Runs(np.zeros((0, 0)), np.zeros((0, 0)))


@dataclass(frozen=True, slots=True)
class Try:
    """A run: a decoder from fresh weights to its held-out losses."""

    name: str
    weights: Mapping[str, float]
    """What a stage would have as its mixture."""
    seed: int
    whole: bool
    """The recipe's own decoder instead of a proxy."""
    steps: int


class Proxies(Protocol):
    """Who trains (lapis/proxies.py, lapis/proxy_pool.py)."""

    def train(self, tries: Sequence[Try], progress: Progress) -> Iterator[Losses]:
        """Held-out losses of each, in order, as they end. `progress` advances by their steps."""
        ...


@dataclass(frozen=True, slots=True)
class Search:
    """A search and its folder."""

    folder: Path
    plan: Mixing
    free: Free
    facts: Mapping[str, Any]
    """Of what it is: recipe, stage, data; runs of another search in the same folder are refused."""
    proxies: Proxies

    def begin(self) -> None:
        """Write what the search is. Raises InputError where the folder holds runs of another one."""
        path, held_back = self.folder / "search.json", ("runs", "resamples", "whole", "check_steps", "seeds", "workers")
        plan = {name: getattr(self.plan, name) for name in Mixing.__slots__ if name not in held_back}
        mine = json.loads(json.dumps({**self.facts, **plan, "kinds": self.free.kinds}))
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else mine
        for name in sorted({*mine, *before}):
            if mine.get(name) != before.get(name):
                change = f"{name} was {json.dumps(before.get(name))} and is {json.dumps(mine.get(name))} now"
                raise InputError(f"{self.folder}: holds another search: {change}; remove it or name another out=")
        files.write_json(path, mine)

    def tried(self, progress: Progress) -> Runs:
        """The proxy runs; `progress` advances by all their steps.

        The first `wide` mixtures are drawn around the sizes, each further block around the best of those before it.
        """
        sizes = self.free.sizes
        found = self._measured("proxy", draw.mixtures(sizes, min(self.plan.wide, self.plan.runs), SEED), None, progress)
        while (done := len(found.x_NJ)) < self.plan.runs:
            center_J = so_far(np.array(sizes), found, NONE, SEED)
            more_NJ = draw.around(center_J, BLOCK, SEED + done)[: self.plan.runs - done]
            found = self._measured("proxy", more_NJ, found, progress)
        return found

    def whole(self, proxies: Runs, progress: Progress) -> Runs:
        """Runs of the recipe's own decoder: both plain mixtures and the proxies' best, then always the best so far."""
        sizes = np.array(self.free.sizes)
        best_J = so_far(sizes, proxies, NONE, SEED)
        first_NJ = np.stack([draw.uniform(len(sizes)), draw.proportional(sizes), best_J])[: self.plan.whole]
        found = self._measured("whole", first_NJ, None, progress) if self.plan.whole else NONE
        while len(found.x_NJ) < self.plan.whole:
            found = self._measured("whole", so_far(sizes, proxies, found, SEED)[None], found, progress)
        return found

    def _measured(self, name: str, shares_NJ: Floats, before: Runs | None, progress: Progress) -> Runs:
        """Runs that are numbered behind those before, and those."""
        first = 0 if before is None else len(before.x_NJ)
        runs = {(f"{name}-{first + number:03d}", SEED): row.tolist() for number, row in enumerate(shares_NJ)}
        losses = self._runs(runs, name == "whole", progress)
        y_NK = np.array([[one["fit"][kind] for kind in self.free.kinds] for one in losses])
        if before is None:
            return Runs(shares_NJ, y_NK)
        return Runs(np.concatenate([before.x_NJ, shares_NJ]), np.concatenate([before.y_NK, y_NK]))

    def _runs(self, shares: Mapping[tuple[str, int], Sequence[float]], whole: bool, progress: Progress) -> list[Losses]:
        """Losses of runs by name and seed: those of finished ones, and those that are missing trained now."""
        steps = self.plan.check_steps if whole else self.plan.steps
        kept: dict[str, Losses] = {}
        missing: list[Try] = []
        for (name, seed), of_kind in shares.items():
            losses = self._kept(name, of_kind, steps)
            if losses is None:
                missing.append(Try(name, self.free.weights(of_kind), seed, whole, steps))
            else:
                progress.advance(steps, name)
                kept[name] = losses
        for one, losses in zip(missing, self.proxies.train(missing, progress), strict=True):
            files.write_json(self._path(one.name), {**self._told(shares[one.name, one.seed], steps), "losses": losses})
            kept[one.name] = losses
        return [kept[name] for name, _ in shares]

    def _path(self, name: str) -> Path:
        return self.folder / "runs" / f"{name}.json"

    def _told(self, shares: Sequence[float], steps: int) -> dict[str, Any]:
        return {"shares": dict(zip(self.free.kinds, shares, strict=True)), "steps": steps}

    def _kept(self, name: str, shares: Sequence[float], steps: int) -> Losses | None:
        """A finished run's losses. One of other shares was a check of another choice: it is made anew."""
        if not self._path(name).is_file():
            return None
        kept = json.loads(self._path(name).read_text(encoding="utf-8"))
        told = self._told(shares, steps)
        return kept["losses"] if {field: kept[field] for field in told} == told else None

    def found(self, progress: Progress) -> Choice:
        """Run or resume the search, and what it says; `progress` advances by `steps`.

        Raises InputError where the folder holds another search.
        """
        self.begin()
        proxies = self.tried(progress)
        whole = self.whole(proxies, progress)
        return choose(np.array(self.free.sizes), proxies, whole, self.plan.resamples, SEED)

    @property
    def steps(self) -> int:
        """Of all runs before the check."""
        return self.plan.runs * self.plan.steps + self.plan.whole * self.plan.check_steps

    def checked(self, choice: Choice, progress: Progress) -> dict[str, Any]:
        """The found mixture against both plain ones, on the half of the held-out samples that chose nothing."""
        kinds = len(self.free.kinds)
        shares = (choice.shares_J, draw.uniform(kinds), draw.proportional(self.free.sizes))
        seeds = range(1, self.plan.seeds + 1)
        pairs = [(name, mine.tolist()) for name, mine in zip(FULL, shares, strict=True)]
        runs = {(f"{name}-{seed}", seed): mine for name, mine in pairs for seed in seeds}
        losses = iter(self._runs(runs, True, progress))
        found = {name: [next(losses)["check"] for _ in seeds] for name in FULL}
        return compared(found)

    def write(self, choice: Choice, check: Mapping[str, Any]) -> dict[str, Any]:
        """Write `mixture.json` (everything, which is returned) and `weights.json` (what a stage takes)."""
        content = told(self, choice, check)
        files.write_json(self.folder / "mixture.json", content)
        files.write_json(self.folder / "weights.json", content["mixture"])
        return content


def compared(found: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """Mean loss of each mixture by seed and by kind, and by how much the first one is below each other one.

    A gain is a share of the other's loss, from runs of the same seed: its mean, its least and its most over seeds.
    """
    means = {name: [float(np.mean(list(losses.values()))) for losses in runs] for name, runs in found.items()}
    kinds = {
        name: {kind: float(np.mean([run[kind] for run in runs])) for kind in runs[0]} for name, runs in found.items()
    }
    first, *others = means
    gains = {
        other: [1 - mine / theirs for mine, theirs in zip(means[first], means[other], strict=True)] for other in others
    }
    return {
        "losses": {
            name: {"mean": float(np.mean(each)), "seeds": each, "kinds": kinds[name]} for name, each in means.items()
        },
        "gains": {
            name: {"value": float(np.mean(each)), "low": min(each), "high": max(each)} for name, each in gains.items()
        },
    }


def told(search: Search, choice: Choice, check: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that is kept of a search, as `mixture.json` has it."""
    free, plain = search.free, {"uniform": draw.uniform(len(search.free.kinds))}
    mixtures = {"found": choice.shares_J, **plain, "proportional": draw.proportional(free.sizes)}
    predicted = choice.predict(np.stack(list(mixtures.values())))
    size = mixtures["proportional"]
    bars = zip(free.kinds, choice.shares_J, choice.low_J, choice.high_J, size, strict=True)
    return {
        **search.facts,
        "shares": {
            kind: {"share": float(share), "low": float(low), "high": float(high), "size": float(own)}
            for kind, share, low, high, own in bars
        },
        "mixture": free.mixture(choice.shares_J.tolist()),
        "regression": {
            "form": choice.form,
            "runs": search.plan.runs,
            "whole": search.plan.whole,
            "spread": choice.spread,
            "errors": {form: error._asdict() for form, error in choice.errors.items()},
        },
        "predicted": {
            name: {"mean": float(row.mean()), "kinds": dict(zip(free.kinds, map(float, row), strict=True))}
            for name, row in zip(mixtures, predicted, strict=True)
        },
        "check": dict(check),
    }
