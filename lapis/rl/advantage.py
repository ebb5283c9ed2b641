"""Advantages of GRPO: an answer is judged against the others of its own group.

Shapes: P prompts (groups), G answers of a group.
"""

from __future__ import annotations

from torch import Tensor

EPS = 1e-4
"""Added to the deviation, as in TRL, so that nearly equal rewards are not blown up."""


def group_advantages(rewards_PG: Tensor) -> Tensor:
    """float32 [P, G]: reward less its group's mean, over the group's sample deviation.

    GRPO (arXiv 2402.03300, section 4.1.2). A group of equal rewards has advantages of 0.
    """
    centred_PG = rewards_PG.float() - rewards_PG.float().mean(1, keepdim=True)
    return centred_PG / (rewards_PG.float().std(1, keepdim=True) + EPS)
