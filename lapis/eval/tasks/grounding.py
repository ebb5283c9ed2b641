"""Where is it? Point-in-box on held-out screens of trained kinds and of templates never trained."""

from lapis.eval.tasks.base import Task

_BY = ("template", "role", "held_word", "lang")

GROUNDING = (
    Task("ground_seen", "Grounding, trained kinds", ("direct",), blind=True, breakdown=_BY),
    Task("ground_unseen", "Grounding, new templates", ("direct",), blind=True, breakdown=_BY),
)
