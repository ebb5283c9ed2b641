"""How a mixture is searched for: proxy runs over sampled mixtures, and runs that check what was found"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from lapis.shape import Count, Positive


@dataclass(frozen=True, slots=True)
class Mixing:
    """What `lapis data mixture` takes as `mixing.FIELD=VALUE`."""

    runs: Annotated[int, Ge(8)] = 48
    """Proxy runs, each with a mixture of its own."""
    wide: Annotated[int, Ge(4)] = 24
    """How many of them have mixtures from everywhere; the others, eight at a time, near the best of those before."""
    steps: Positive = 100
    """Steps of a proxy run."""
    whole: Count = 4
    """Runs of the recipe's own decoder, as long as those that check, by which the proxies' word is corrected."""
    rows: Positive = 4
    """Rows of a step."""
    row_tokens: Positive = 512
    """Tokens of a row."""
    width: Positive = 128
    """Of a proxy: the recipe's decoder with this width and these layers, heads and MLP scaled down alike."""
    layers: Positive = 2
    lr: Annotated[float, Gt(0)] = 2e-3
    """Peak rate of the proxies and of the runs that check."""
    samples: Annotated[int, Ge(2)] = 64
    """Held-out samples of a kind: every second one for the regression, the others for the check."""
    resamples: Annotated[int, Ge(10)] = 200
    """Times that the runs are drawn anew for the error bars."""
    workers: Positive = 2
    """Processes that train runs side by side, with one thread each; 1 trains in this one, with the recipe's threads."""
    check_steps: Positive = 200
    """Steps of a run by the recipe's own decoder."""
    seeds: Count = 3
    """Check runs of each of the three mixtures; 0 leaves the check out."""
