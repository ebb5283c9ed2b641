"""What SFT and RL sets can be told: copies, caps, candidates, scores, bands and constraints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Le

from lapis.endpoint import Endpoint
from lapis.shape import STRICT, Count, Positive, Rate, Share


@STRICT
@dataclass(frozen=True, slots=True)
class Candidates:
    """SFT answers by several models: rules, scores and a vote choose one."""

    models: tuple[Endpoint, ...] = ()
    """Who answers; none leaves samples with the answers that they have."""
    scorer: Endpoint = field(default_factory=lambda: Endpoint(name="scorer"))
    """Who rates answers, 1 to 10; without a `url` nobody does."""
    samples: Positive = 1
    """Answers of each model to an instruction."""
    budget: Annotated[int, Ge(-1)] = -1
    """Most tokens of thought of a sample that thinks."""
    max_tokens: Positive = 1024
    temperature: Annotated[float, Ge(0), Le(2)] = 0.7
    least_score: Annotated[float, Ge(0), Le(10)] = 6.0
    """Answers rated lower are left out."""
    agree: Annotated[float, Gt(0), Le(1)] = 0.5
    """Share of short answers to a question without a known one that must agree."""
    spend: Rate = 0.0
    """Most that all requests together may cost; 0 is no limit."""


@STRICT
@dataclass(frozen=True, slots=True)
class Balance:
    """Temperature-scaled caps: how many samples of each (ability, language, modality) stay, in both sets."""

    total: Count = 0
    """What the caps add up to; 0 takes the set's own size. A group that is smaller than its cap gives what it has.
    Among RL items each band has `bands.most` in its place."""
    temperature: Annotated[float, Gt(0), Le(1)] = 0.7
    """1 keeps the set's shares, less evens them (mT5's alpha, arXiv 2010.11934)."""
    weights: dict[str, Rate] = field(default_factory=dict)
    """Ability, language or modality (`maths`, `zh`, `image`) to a factor on its shares."""


@STRICT
@dataclass(frozen=True, slots=True)
class Bands:
    """Difficulty of RL items by the pass rate of the model that answered them."""

    edges: tuple[Share, ...] = (0.25, 0.5, 0.75)
    """Pass rates between bands, rising. What is always or never right is left out in any case."""
    most: Count = 0
    """Most items of a band, balanced by `balance`; 0 takes the band's own size."""
    answers: Annotated[int, Ge(1)] = 4
    """Fewest answers that a pass rate must rest on."""


@STRICT
@dataclass(frozen=True, slots=True)
class Sets:
    """From finished samples to an SFT set and an RL set."""

    near: bool = True
    """Near copies of instructions go too, not only exact ones."""
    candidates: Candidates = field(default_factory=Candidates)
    balance: Balance = field(default_factory=Balance)
    bands: Bands = field(default_factory=Bands)
    constraints: Count = 0
    """Generated instructions with checkable constraints among the RL items, half of them in Chinese."""
    most_constraints: Annotated[int, Ge(1), Le(4)] = 3
    """Constraints of one instruction."""
    seed: Count = 0


@dataclass(frozen=True, slots=True)
class RunSets:
    """What a run's own data stage makes of its questions, and what it takes of sets that are there."""

    sft: bool = False
    """Questions become an SFT set: no copies of instructions, abilities and languages in balance."""
    instructions: Count = 0
    """Instructions with constraints that a program checks, which only RL asks (`instructions`)."""
    items: str = ""
    """RL items that `lapis data sets` made (rl.parquet), asked beside the run's own questions; empty names none."""
