"""One step towards a goal: a screenshot and words in, a thought and one action out."""

from __future__ import annotations

import json
from dataclasses import dataclass

from lapis import actions
from lapis.actions import Action
from lapis.types import Generator, Image, InputError, Request, Text, Turn

THOUGHT = 256
"""Tokens of a thought for which no budget is set."""


@dataclass(frozen=True, slots=True)
class How:
    """How a step is thought about; fields as in `types.Request`."""

    think: bool = False
    budget: int = -1


@dataclass(frozen=True, slots=True)
class Decision:
    """What a model decided."""

    action: Action | None
    """None where what it wrote is no action."""
    text: str
    """What it wrote after its thought."""
    thought: str = ""
    error: str = ""
    """Why it is no action."""


def request(goal: str, image: Image, how: How = How()) -> Request:
    """What a model is asked: greedily, under the schema of one action, with room for the longest of them."""
    thought = (how.budget if how.budget >= 0 else THOUGHT) if how.think else 0
    return Request(
        (Turn("user", (image, Text(actions.prompt(goal)))),),
        how.think,
        how.budget,
        show_budget=how.budget >= 0,
        max_tokens=thought + actions.MOST_TOKENS,
        reserve=actions.MOST_TOKENS,
        schema=json.dumps(actions.schema()),
    )


def decide(generator: Generator, goal: str, image: Image, how: How = How()) -> Decision:
    """The model's next action. Raises InputError for a picture or prompt that the model cannot take."""
    (found,) = generator.generate([request(goal, image, how)])
    return read(found.text, found.thought)


def read(text: str, thought: str = "") -> Decision:
    """What a model wrote, as a decision; never raises."""
    try:
        return Decision(actions.parse(text), text, thought)
    except InputError as error:
        return Decision(None, text, thought, str(error))
