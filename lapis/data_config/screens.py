"""What `lapis data screens` makes: how many pages, of which kits and devices, or which given pages"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le, MinLen

Device = Literal["phone", "tablet", "desktop"]


@dataclass(frozen=True, slots=True)
class Screens:
    """Screens that are drawn and labelled."""

    count: Annotated[int, Ge(1)] = 100
    """Pages to draw; each gives up to `views` screens."""
    seed: Annotated[int, Ge(0)] = 0
    """Of all draws: the same seed gives the same pages."""
    split: Literal["train", "seen", "unseen"] = "train"
    """Words and kinds of page: training's, held-out words, or kinds that training never has."""
    kits: tuple[str, ...] = ()
    """UI kits to draw with; empty takes all that are in the cache or can be fetched."""
    devices: Annotated[tuple[Device, ...], MinLen(1)] = ("phone", "tablet", "desktop")
    """Sizes of screen."""
    views: Annotated[int, Ge(1), Le(4)] = 4
    """Most pictures of one page: scrolled, in the other theme, under a dialogue, with a keyboard."""
    workers: Annotated[int, Ge(1)] = 2
    """Processes, each with a browser; given pages are shown by one."""
    html: str = ""
    """A folder of HTML pages to label instead of drawn ones; nothing outside it is loaded."""
    url: tuple[str, ...] = ()
    """Pages of the web to label instead; their hosts must be in `allow`."""
    allow: tuple[str, ...] = ()
    """Hosts that may be asked, exactly as written; none by default."""
    licence: str = ""
    """SPDX identifier of given pages; needed for `html` and `url`."""
