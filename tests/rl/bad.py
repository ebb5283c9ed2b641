"""Every sort of question that cannot be asked or judged, beside good ones."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from lapis.reward_config import Rewards
from lapis.types import Image, Sample, Verdict
from tests.rl.letters import choices, question

REWARDS = Rewards(own={"naughty": "tests.rl.bad:naughty"}, seconds=4.0, failures=1.0)
FAILED = {
    "naughty: ValueError: no such luck",
    "naughty: no verdict within 4 s; its process was killed",
    "naughty: returned nan, expected a verdict with a finite number",
    "naughty: returned 'good', expected a verdict with a finite number",
    "image: not a picture that can be decoded (PNG, JPEG or WebP expected)",
}
"""Reasons of answers, of one question each."""
HALF = "the answer is no valid UTF-8"
LEFT_OUT = {
    "no reward named 'nobody'": 1,
    "an image is missing": 1,
    "a prompt longer than 255 tokens (row_tokens - max_tokens)": 1,
}
"""Reasons of questions that are never asked."""


def naughty(meta: Mapping[str, Any], answer: str, closed: bool) -> Any:
    """Does as the question says."""
    does = meta["does"]
    if does == "throw":
        raise ValueError("no such luck")
    if does == "hang":
        time.sleep(600)
    return Verdict(float("nan"), "") if does == "nan" else "good"


def questions() -> list[Sample]:
    """Twelve that are asked, seven of them good; three that are not."""
    own = [question(place, {"reward": "naughty", "does": does}) for place, does in enumerate(DOES, 20)]
    right = {"verifier": "choice", "answer": "A"}
    picture = question(30, right, "What is this?", Image(b"no picture", 56, 56))
    gone = question(31, right, "What is this?", Image(b"", 56, 56))
    long = question(32, right, "long " * 300)
    return [*choices(0, 7), *own, picture, question(33, {"reward": "nobody"}), gone, long]


DOES = ("throw", "hang", "nan", "text")
