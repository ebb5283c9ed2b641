"""Balance by ability, language and modality: temperature-scaled caps (ours, after mT5's sampling, arXiv 2010.11934).

A group is what shares all three. A group of n samples gets the share n^t * w of `total`, where t is the temperature and
w the product of its weights; it gives as many as its cap lets, chosen by a hash of their ids, and never more than it
has. So large groups lose, small ones stay whole, and nothing is repeated.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Sequence

from lapis.data.sets.ability import ABILITIES, MODALITIES, ability, modality
from lapis.data_config.sets import Balance
from lapis.types import InputError, Sample

Group = tuple[str, str, str]
"""Ability, language, modality."""
_NAMED = (*ABILITIES, *MODALITIES)
_LANGUAGE = re.compile(r"[a-z]{2,3}")


def check(rule: Balance) -> None:
    """Raises InputError for a weight of what is no ability, language or modality."""
    for word in rule.weights:
        if word not in _NAMED and not _LANGUAGE.fullmatch(word):
            known = ", ".join(_NAMED)
            raise InputError(f"balance.weights.{word}: no such group; expected one of {known}, or a language (`zh`)")


def group(sample: Sample) -> Group:
    """Where a sample counts."""
    return ability(sample), sample.lang, modality(sample)


def caps(sizes: dict[Group, int], rule: Balance) -> dict[Group, int]:
    """Most samples of each group; at least one where its weight is not 0."""
    shares = {
        name: size**rule.temperature * math.prod(rule.weights.get(word, 1.0) for word in name)
        for name, size in sizes.items()
    }
    total, whole = rule.total or sum(sizes.values()), sum(shares.values())
    return {name: min(sizes[name], max(1, math.floor(total * share / whole))) if share else 0
            for name, share in shares.items()}  # fmt: skip


def chosen(samples: Sequence[Sample], rule: Balance, seed: int) -> set[int]:
    """Places of the samples that stay."""
    groups: dict[Group, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        groups[group(sample)].append(place)
    most = caps({name: len(places) for name, places in groups.items()}, rule)
    kept: set[int] = set()
    for name, places in groups.items():
        kept.update(sorted(places, key=lambda at: _drawn(samples[at], seed))[: most[name]])
    return kept


def _drawn(sample: Sample, seed: int) -> str:
    return hashlib.blake2b(f"{seed} {sample.fingerprint}".encode(), digest_size=8).hexdigest()
