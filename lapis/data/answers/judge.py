"""Phase two, what one answer is worth: rules that refuse it, the verdict of its check, and a vote where none is known.

A vote is over answers in a normal form (self-consistency, arXiv 2203.11171): plain numbers by their value, choices by
their letter, anything else as it is spelled. The one said most often wins if no other is said as often and its share
of all answers, refused ones included, is large enough.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from lapis import chat, verify
from lapis.data.answers.problems import lang_of, verifier_of
from lapis.remote.request import Reply

FORCED = ("Time is up.", "give the solution based on the thinking directly now.")
"""How thoughts end that a budget closed (our engine, Qwen3's): they teach to stop in the middle."""
ENDED = ("stop", "eos", "end_turn")
"""What APIs call an answer that its model has ended."""
REPEATS = 6.0
"""A text that zlib makes so many times smaller goes round in circles (ours; prose is near 2, digits near 2.5)."""
LEAST_BYTES = 256
"""Shorter texts are not judged so: a short one that is all alike is no loop yet."""
LONGEST_VOTE = 80
"""Characters of an answer that can be voted on: longer ones are never said twice."""
MARKS = (*(name.removesuffix(":") for name in chat.SPECIALS if name != chat.END), "<|im_", "<|eot")
"""Special tokens of our template and of others'."""
WORDS = re.compile(r"[^\W\d_]")


def refuse(reply: Reply | None, think: bool, budget: int, lang: str) -> str | None:
    """Why a reply is no training answer whatever it says; None where it may be one. `budget` -1 is no limit."""
    if reply is None:
        return "no reply"
    if reply.refused:
        return "refused"
    if not reply.closed:
        return "thought not closed"
    if reply.finish not in ENDED:
        return "cut off"
    if not reply.text.strip():
        return "no answer"
    return _thought(reply, budget, lang) if think else _loop(reply.text) or _marks(reply.text)


def _thought(reply: Reply, budget: int, lang: str) -> str | None:
    if not reply.thought.strip():
        return "no thought"
    if reply.thought.rstrip().endswith(FORCED) or 0 <= budget <= reply.thought_tokens:
        return "thought cut by its budget"
    for text in (reply.thought, reply.text):
        if why := _loop(text) or _marks(text):
            return why
    worded = len(WORDS.findall(reply.thought)) > 0.5 * len(reply.thought)
    return "thought in another language" if worded and lang_of(reply.thought) != lang else None


def _loop(text: str) -> str | None:
    raw = text.encode("utf-8", "surrogatepass")
    return "repeats itself" if len(raw) >= LEAST_BYTES and len(raw) > REPEATS * len(zlib.compress(raw)) else None


def _marks(text: str) -> str | None:
    """Special tokens spelled out would be read as plain text."""
    return "marks of a template" if any(mark in text for mark in MARKS) else None


def right(meta: Mapping[str, Any], reply: Reply) -> bool:
    r"""Whether the check of a problem takes an answer that is not cut off; of a long one only what it puts into
    `\boxed{}`."""
    if reply.finish not in ENDED:
        return False
    boxed = "\\boxed{" in reply.text and meta["verifier"] not in verify.WHOLE
    given = verify.answer_of(reply.text) or "" if boxed else reply.text
    return verify.check(meta, given, reply.closed).score >= 0.5


def normal_answer(text: str) -> str | None:
    """An answer as it is voted on; None for one that is empty or too long."""
    given = verify.answer_of(text)
    if given is None or len(given) > LONGEST_VOTE:
        return None
    plain = given.translate(verify.WIDE).strip(verify.NUMBER_ENDS).replace("\u2212", "-")
    if verify.PLAIN.fullmatch(plain):
        return str(Fraction(plain.replace(",", "")))
    if choice := verify.CHOICE.fullmatch(plain):
        return choice[1].upper()
    words = " ".join(plain.casefold().strip(verify.ENDS).split())
    return words or None


def vote(replies: Sequence[Reply | None], agree: float) -> dict[str, Any] | None:
    """`meta` of the answer that wins among all `replies`, with its share as `agreed`; None where none does.

    Wants two answers at least that say the same and are not cut off.
    """
    whole = (one for one in replies if one is not None and one.closed and not one.refused and one.finish in ENDED)
    counts = Counter(answer for one in whole if (answer := normal_answer(one.text))).most_common(2)
    if not counts or counts[0][1] < 2 or len(counts) > 1 and counts[0][1] == counts[1][1]:
        return None
    winner, times = counts[0]
    share = times / len(replies)
    if share < agree:
        return None
    return {"answer": winner, "verifier": verifier_of(winner), "agreed": round(share, 4)}
