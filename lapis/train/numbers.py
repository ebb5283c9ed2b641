"""Numbers along fixed directions: how a token says the digits of a number that is written in a picture (ours).

An image token is as wide as three digits and more, and what its patches show is added up in it without order: a decoder
that looked at the right one wrote the right digit in 1% (measured in LOG.md). So the image token in which a number
begins names its digits, first, second and third, each along directions of its own; a token that writes the number holds
the same.

Shape legend: V image tokens, M tokens that name a number, D width, N digits of a number, C = 10 digits and the end.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from lapis.data.labels import END
from lapis.train.places import directions
from lapis.types import IGNORE

SEED, LINES_SEED = 1, 2
"""Of the directions for digits, and for lines of a plan: others than those of places."""
MOST_LINES = END
"""Lines of a plan that are told apart, as many as digits have classes; the rest count as one."""


def image_tokens(features_VD: Tensor, digits_VN: Tensor) -> Tensor:
    """Sum of `named` over the image tokens in which a number begins; the others are IGNORE throughout."""
    begun_V = digits_VN[:, 0] != IGNORE
    return named(features_VD[begun_V], digits_VN[begun_V])


def lines(hidden_MD: Tensor, line_M: Tensor) -> Tensor:
    """Sum over tokens of the cross-entropy of the line of a plan that they belong to, in nats."""
    return named(hidden_MD, line_M[:, None].clamp_max(MOST_LINES), LINES_SEED)


def named(hidden_MD: Tensor, digits_MN: Tensor, seed: int = SEED) -> Tensor:
    """Sum over tokens of the mean cross-entropy of the digits that they name, in nats."""
    digits, classes = digits_MN.shape[1], END + 1
    normal_MD = F.rms_norm(hidden_MD.float(), hidden_MD.shape[-1:])
    lines_DP = directions(hidden_MD.shape[-1], digits * classes, seed).to(hidden_MD.device)
    scores_MNC = (normal_MD @ lines_DP).unflatten(1, (digits, classes))
    return F.cross_entropy(scores_MNC.flatten(0, 1), digits_MN.flatten(), reduction="sum") / digits
