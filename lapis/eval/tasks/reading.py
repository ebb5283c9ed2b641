"""Reading: what a screen says, and a fact hidden in a long document."""

from lapis.eval.tasks.base import Task

NEEDLE = Task("needle", "A fact in a long document", ("direct",), share=0.25, breakdown=("length", "facts", "lang"))
READING = (Task("screen_qa", "Questions about a screen", ("direct",), blind=True, share=0.5), NEEDLE)
