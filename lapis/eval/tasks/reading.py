"""Reading: what a screen says, a fact hidden in a long document, and what several facts or screens say together."""

from lapis.eval.tasks.base import Task

NEEDLE = Task("needle", "A fact in a long document", ("direct",), share=0.25, breakdown=("length", "facts", "lang"))
_BY = ("length", "template", "lang")
READING = (
    Task("screen_qa", "Questions about a screen", ("direct",), blind=True, share=0.5),
    NEEDLE,
    Task("long_hop", "Chains of facts in a long document", ("direct",), share=0.25, breakdown=_BY),
    Task("long_order", "Which event came first", ("direct",), share=0.25, breakdown=_BY),
    Task("long_count", "How often an event is told", ("direct",), share=0.25, breakdown=_BY),
    Task("long_screens", "Questions over several screens", ("direct",), share=0.25, breakdown=("template", "lang")),
)
