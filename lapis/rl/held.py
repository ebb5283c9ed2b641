"""Which held-out files measure what RL trains: of our kinds those that are generated, of others their own"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lapis.data.mixture import belongs
from lapis.types import KINDS

HELD = {"math": "math", "screen/math": "screen_math_seen", "screen/ground": "ground_seen"}
"""Kind to the held-out file that measures it."""


def names(mixture: Iterable[str], has_own: Callable[[str], bool]) -> list[str]:
    """Held-out files of a mixture's kinds; `has_own` says whether a kind that is not ours has one of its name."""
    kinds = list(mixture)
    ours = [one for one in kinds if any(belongs(kind, one) for kind in KINDS)]
    found = [file for kind, file in HELD.items() if any(belongs(kind, one) or belongs(one, kind) for one in ours)]
    return found + [one for one in kinds if one not in ours and has_own(one)]
