"""The pieces of the reward, as pure functions of plain values: correctness + format - repetition - length.

The original names these pieces; their formulas are not published, so each says whose it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lapis.types import Verdict


def correctness(verdict: Verdict) -> float:
    """The verifier's score, held to 0-1; a score that is no number counts as 0. Ours."""
    return min(max(verdict.score, 0.0), 1.0) if math.isfinite(verdict.score) else 0.0


def format_score(answer: str, closed: bool, finish: str) -> float:
    """1 where the thought is closed, an answer follows and the model stopped by itself; else 0. Ours.

    An unclosed thought counts as a failure in the original.
    """
    return float(closed and bool(answer.strip()) and finish == "stop")


def repetition(tokens: Sequence[int], size: int = 8) -> float:
    """Share of n-grams of `size` tokens that stood before, 0-1.

    1 - distinct / all, the n-gram penalty of arXiv 2502.03373 (section 4.3) without its fixed scale. Tokens of worked
    sums repeat in small ways, so `size` is large: only copied lines count.
    """
    grams = [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def near_limit(length: int, limit: int, room: int) -> float:
    """How far an answer went into the `room` tokens before the limit, 0-1: DAPO's soft overlong punishment.

        0 for L <= limit - room;   (L - (limit - room)) / room up to the limit;   1 beyond it

    (arXiv 2503.14476, equation 13.) It knows neither what is right nor the group, so its weight is 0 by default.
    """
    return min(1.0, max(0.0, (length - (limit - room)) / room))


def group_overlong(
    lengths: Sequence[int], correct: Sequence[bool], most: float, tolerance: float, min_correct: float
) -> list[float]:
    """What each answer of a group loses for its length. Ours: the original's "Group Overlong" has no known formula.

    With C the correct answers of a group of n, L_i the lengths in tokens and m the mean of L over C:

        loss_i = most * min(1, max(0, L_i / m - 1 - tolerance))   for i in C, if |C| / n >= min_correct
        loss_i = 0                                                 else

    So a wrong answer never pays for its length, an answer up to (1 + tolerance) m is free, one of (2 + tolerance) m
    loses `most`, and hard groups, where few are correct, keep their long ways.
    """
    right = [length for length, good in zip(lengths, correct, strict=True) if good]
    if not right or len(right) < min_correct * len(lengths):
        return [0.0] * len(lengths)
    mean = sum(right) / len(right)
    over = [max(0.0, length / mean - 1 - tolerance) for length in lengths]
    return [most * min(1.0, excess) if good else 0.0 for excess, good in zip(over, correct, strict=True)]
