"""An SFT set and an RL set of samples files: copies out, answers chosen, abilities in balance, items banded.

The data stage calls `build`; `lapis data sets` does so with endpoints. Without models nothing is asked of anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lapis.data import store
from lapis.data.answers import problems
from lapis.data.answers.ask import Asker
from lapis.data.check import checks
from lapis.data.losses import Losses
from lapis.data.sets import balance, following, instructions, items
from lapis.data.sets.ability import ability
from lapis.data.sets.candidates import answered
from lapis.data_config.sets import Sets
from lapis.types import InputError, Progress, Sample, Silent


@dataclass(frozen=True, slots=True)
class Askers:
    """Who is asked: models by name, and who rates their answers."""

    models: Mapping[str, Asker] = field(default_factory=dict)
    scorer: Asker | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """How many samples each set has."""

    sft: int
    rl: int


def build(
    settings: Sets, paths: Sequence[Path], out: Path, askers: Askers | None = None, progress: Progress | None = None
) -> Built:
    """Write sft.parquet, rl.parquet, counts.json and dropped.parquet into `out`.

    Conversations become SFT samples, each with its `ability` in `meta`; whatever has a pass rate becomes an RL item.
    Raises InputError for files that hold neither.
    """
    losses, askers = Losses(), askers or Askers()
    found = [sample for path in paths for sample in _unspoilt(path, losses) if not sample.document]
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: no conversations there")
    sft = _sft(found, settings, askers, losses, progress or Silent())
    many = following.generate(settings.constraints, settings.seed, settings.most_constraints)
    rl = [*items.items(found, settings.bands, losses), *losses.passed("constraints", many)]
    rl = [_tagged(item) for item in rl]
    store.write_samples(out / "sft.parquet", sft)
    store.write_samples(out / "rl.parquet", rl)
    losses.write(out, {"sft": _table(sft), "rl": _table(rl), "bands": _bands(rl)})
    return Built(len(sft), len(rl))


def _unspoilt(path: Path, losses: Losses) -> Iterator[Sample]:
    """Samples of a file or folder without those that a person has called wrong (lapis/data/check)."""
    if path.is_dir():
        for file in sorted([*path.glob("*.parquet"), *path.glob("*.jsonl")]):
            if not file.name.endswith(checks.SUFFIX):
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


def _sft(found: Sequence[Sample], settings: Sets, askers: Askers, losses: Losses, progress: Progress) -> list[Sample]:
    ready = [sample for sample in found if askers.models or sample.turns[-1].role == "assistant"]
    unique = _unique(ready, settings.near, losses)
    if askers.models:
        chosen = answered(unique, settings.candidates, askers.models, askers.scorer, progress)
        unique = _chosen(unique, chosen, losses)
    tagged = [_tagged(sample) for sample in unique]
    kept = balance.chosen(tagged, settings.balance, settings.seed)
    for place, sample in enumerate(tagged):
        if place in kept:
            losses.keep("balance", sample)
        else:
            losses.drop("balance", sample, "over its group's cap")
    return [sample for place, sample in enumerate(tagged) if place in kept]


def _unique(samples: Sequence[Sample], near: bool, losses: Losses) -> list[Sample]:
    found = instructions.copies(samples, near)
    for place, sample in enumerate(samples):
        if place in found:
            why, kept = found[place]
            losses.drop("instructions", sample, why, samples[kept].fingerprint)
        else:
            losses.keep("instructions", sample)
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
