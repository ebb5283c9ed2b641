"""What to do next? One action for a goal: its name, its text and its place, in words that training never says."""

from lapis.eval.tasks.base import Task

_BY = ("does", "template", "held_word", "lang")

ACTING = (
    Task("act_seen", "Next action, trained kinds", ("think", "direct"), blind=True, breakdown=_BY, share=0.34),
    Task("act_unseen", "Next action, new templates", ("direct",), breakdown=_BY, share=0.34),
)
