"""Where a wrong answer went wrong first: a thought against the worked one, a point against the box.

Ours. The first character that differs from the sample's own worked thought names the fault by where that character was
to be read (data/traces.py). Points inside a thought are left out: one that is a little beside is no fault yet.
"""

from __future__ import annotations

import re
from itertools import zip_longest

from lapis import verify
from lapis.data import traces
from lapis.types import Completion, Sample

POINT = re.compile(r"\(\d+,\d+\)")
NEAR = 50.0
"""A miss by this many thousandths of the screen's sides or less is near."""


def of(sample: Sample, answer: Completion) -> str:
    """The fault of a wrong answer in a few words; empty where an answer stands alone and says nothing of its cause."""
    worked = sample.turns[-1].thought
    if sample.meta.get("verifier") == "point":
        return _of_point(sample, answer.text)
    return _of_thought(sample, worked, answer) if worked and answer.thought_tokens else ""


def _of_point(sample: Sample, text: str) -> str:
    point = verify.parse_point(text)
    if point is None:
        return "no point"
    named, asked = (POINT.sub("", one).strip() for one in (text, str(sample.meta.get("answer", ""))))
    if named and asked and named != asked:
        return "wrote another text than the one asked for"
    near = verify.astray(point, sample.meta["box"]) <= NEAR
    return "right text, point near the box" if near else "right text, point elsewhere"


def _of_thought(sample: Sample, worked: str, answer: Completion) -> str:
    if not answer.closed:
        return "thought not ended"
    worked, given = POINT.sub("", worked), POINT.sub("", answer.thought)
    apart = (place for place, (one, other) in enumerate(zip_longest(worked, given)) if one != other)
    place = next(apart, None)
    if place is None:
        return "thought right, answer not"
    return _read_at(sample, worked, place)


def _read_at(sample: Sample, worked: str, place: int) -> str:
    """What the worked thought's character at a place was to be made from."""
    if place == len(worked):
        return "went on too long"
    values = sample.meta.get("values", {})
    if place in (one for one, _ in traces.mentioned(worked, values)):
        return "number read wrong from the screen"
    question = "".join(turn.text for turn in sample.turns if turn.role == "user")
    if not sample.images and place in (one for one, _ in traces.copied(sample.kind, question, worked)):
        return "sign taken wrong from the words" if worked[place] in "+-*/<>" else "copied wrong from the question"
    if place in (one for pairs in (traces.worked, traces.ordered) for one, _ in pairs(worked)):
        return "copied wrong from its own lines"
    if values and place < len(worked.partition("\n")[0]):
        return "item named wrong"
    return "worked out wrong"
