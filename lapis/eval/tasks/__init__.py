"""Every task of the evaluation. A new one is a value in a file here and its entry in `ALL`."""

from lapis.eval.tasks.acting import ACTING
from lapis.eval.tasks.base import Task
from lapis.eval.tasks.grounding import GROUNDING
from lapis.eval.tasks.maths import MATHS
from lapis.eval.tasks.reading import READING

ALL: tuple[Task, ...] = (*GROUNDING, *MATHS, *READING, *ACTING)

__all__ = ["ALL", "Task"]
