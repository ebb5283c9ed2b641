"""An SFT set and an RL set of samples files: copies out, answers chosen, abilities in balance, items banded.

Both sets lose copies of instructions and are balanced by the same rules, the RL set within each band. The data stage
calls `build` for its questions; `lapis data sets` does so with endpoints. Without models nothing is asked of anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lapis.data import store
from lapis.data.answers import problems
from lapis.data.answers.ask import Asker, Tally
from lapis.data.check import checks
from lapis.data.losses import Losses
from lapis.data.sets import balance, following, instructions, items
from lapis.data.sets.ability import ability
from lapis.data.sets.candidates import answered
from lapis.data_config.sets import Sets
from lapis.types import InputError, Progress, Sample, Silent


@dataclass(frozen=True, slots=True)
class Askers:
    """Who is asked: models by name, and who rates their answers. All share a log."""

    models: Mapping[str, Asker] = field(default_factory=dict)
    scorer: Asker | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """How many samples each set has, and what asking models took."""

    sft: int
    rl: int
    tally: Tally


def build(
    settings: Sets, paths: Sequence[Path], out: Path, askers: Askers | None = None, progress: Progress | None = None
) -> Built:
    """Write sft.parquet, rl.parquet, counts.json and dropped.parquet into `out`.

    Conversations become SFT samples, each with its `ability` in `meta`; whatever has a pass rate becomes an RL item.
    Raises InputError for files that hold neither, and for a weight of no group.
    """
    balance.check(settings.balance)
    losses, askers = Losses(), askers or Askers()
    found = [sample for path in paths for sample in _unspoilt(path, losses) if not sample.document]
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: no conversations there")
    sft, tally = _sft(found, settings, askers, losses, progress or Silent())
    rl = _rl(found, settings, losses)
    store.write_samples(out / "sft.parquet", sft)
    store.write_samples(out / "rl.parquet", rl)
    asked = {"requests": asdict(tally)} if askers.models else {}
    losses.write(out, {"sft": _table(sft), "rl": _table(rl), "bands": _bands(rl), **asked})
    return Built(len(sft), len(rl), tally)


def _unspoilt(path: Path, losses: Losses) -> Iterator[Sample]:
    """Samples of a file or folder without those that a person has called wrong (lapis/data/check)."""
    if path.is_dir():
        for file in problems.within(path):
            yield from _unspoilt(file, losses)
        return
    is_wrong = checks.wrong(path)
    for sample in _read(path):
        if is_wrong(sample):
            losses.drop("checked", sample, checks.WRONG)
        else:
            yield sample


def _read(path: Path) -> Iterator[Sample]:
    """Whole samples of Parquet, or questions of lines of JSON, whose answers are still to be written."""
    if path.suffix in (".jsonl", ".json"):
        yield from problems.gather([path])
    else:
        yield from store.read_samples(path)


def _sft(
    found: Sequence[Sample], settings: Sets, askers: Askers, losses: Losses, progress: Progress
) -> tuple[list[Sample], Tally]:
    ready = [sample for sample in found if askers.models or sample.turns[-1].role == "assistant"]
    if askers.models:  # they think as long as `candidates.budget` says: samples at several budgets would be one
        ready = [replace(sample, budget=None) for sample in ready]
    unique, tally = _unique(ready, settings.near, "instructions", losses), Tally()
    if askers.models:
        chosen, tally = answered(unique, settings.candidates, askers.models, askers.scorer, progress)
        unique = _chosen(unique, chosen, losses)
    tagged = [_tagged(sample) for sample in unique]
    kept = balance.chosen(tagged, settings.balance, settings.seed)
    return _balanced(tagged, kept, "balance", "over its group's cap", losses), tally


def _rl(found: Sequence[Sample], settings: Sets, losses: Losses) -> list[Sample]:
    """Items of what has a pass rate, then generated instructions."""
    rated = [_tagged(item) for item in items.items(found, settings.bands, losses)]
    unique = _unique(rated, settings.near, "items/instructions", losses)
    kept = items.chosen(unique, settings.bands, settings.balance, settings.seed)
    many = [*following.generate(settings.constraints, settings.seed, settings.most_constraints)]
    made = _unique([_tagged(one) for one in many], False, "constraints", losses)
    return [*_balanced(unique, kept, "items/balance", "over its group's cap in its band", losses), *made]


def _balanced(samples: Sequence[Sample], kept: Container[int], step: str, reason: str, losses: Losses) -> list[Sample]:
    for place, sample in enumerate(samples):
        if place in kept:
            losses.keep(step, sample)
        else:
            losses.drop(step, sample, reason)
    return [sample for place, sample in enumerate(samples) if place in kept]


def _unique(samples: Sequence[Sample], near: bool, step: str, losses: Losses) -> list[Sample]:
    found = instructions.copies(samples, near)
    for place, sample in enumerate(samples):
        if place in found:
            why, kept = found[place]
            losses.drop(step, sample, why, samples[kept].fingerprint)
        else:
            losses.keep(step, sample)
    return [sample for place, sample in enumerate(samples) if place not in found]


def _chosen(samples: Sequence[Sample], chosen: Sequence[Sample | str], losses: Losses) -> list[Sample]:
    for sample, made in zip(samples, chosen, strict=True):
        if isinstance(made, str):
            losses.drop("candidates", sample, made)
        else:
            losses.keep("candidates", made)
    return [made for made in chosen if isinstance(made, Sample)]


def _tagged(sample: Sample) -> Sample:
    return replace(sample, meta={**sample.meta, "ability": ability(sample)})


def _table(samples: Sequence[Sample]) -> dict[str, Any]:
    """Samples by ability, language and modality, `maths zh text`."""
    return dict(sorted(Counter(" ".join(balance.group(sample)) for sample in samples).items()))


def _bands(samples: Sequence[Sample]) -> dict[str, int]:
    return dict(sorted(Counter(sample.meta.get("band", "unrated") for sample in samples).items()))
