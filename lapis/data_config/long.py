"""How many long documents of each kind the data stage makes; 0 makes none, and no held-out file"""

from __future__ import annotations

from dataclasses import dataclass

from lapis.shape import Count


@dataclass(frozen=True, slots=True)
class Long:
    """Counts of training samples; a tenth as many are held out, at least one."""

    hop: Count = 0
    """Documents with chains of facts, and a question that takes two or three of them (`long/hop`)."""
    order: Count = 0
    """Documents with events, and the question which came first (`long/order`)."""
    count: Count = 0
    """Documents that tell an event several times, and the question how often (`long/count`)."""
    screens: Count = 0
    """Conversations over several screens, each of which must be looked at (`long/screens`)."""
    joined: Count = 0
    """Most documents that are made of prose on one topic (`long/joined`); no more than there is prose for."""
