"""Exact answers, thinking and not: generated problems, and the same kinds asked of a screen's numbers."""

from lapis.eval.tasks.base import Mode, Task

_BOTH: tuple[Mode, ...] = ("think", "direct")
_SCREEN = ("template", "lang")

MATHS = (
    Task("math", "Word problems and arithmetic", _BOTH, curve="text"),
    Task("screen_math_seen", "Numbers on a screen", _BOTH, blind=True, curve="screens", breakdown=_SCREEN),
    Task("screen_math_unseen", "Numbers on a new template", _BOTH, share=0.5, breakdown=_SCREEN),
)
