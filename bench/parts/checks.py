"""A check that a fresh model of the benches of RL can learn to pass. In a file of its own: judges need no torch."""

from __future__ import annotations

from lapis.rl.fleet.judge import Check
from lapis.types import Completion, Sample, Verdict

MIDDLE = 130
"""An id."""


def low_first(sample: Sample, completion: Completion) -> Verdict:
    """Right is an answer whose first own token has a small id: about half of a fresh model's, and quickly learned."""
    own = (token for token, forced in zip(completion.token_ids, completion.forced, strict=True) if not forced)
    return Verdict(float(next(own, 2 * MIDDLE) < MIDDLE), "")


def low_firsts() -> Check:
    """It, for judges."""
    return low_first
