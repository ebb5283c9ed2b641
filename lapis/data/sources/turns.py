"""Conversations in the forms of ShareGPT, LLaVA and OpenAI, checked, as turns.

ShareGPT and LLaVA: `conversations` of {from, value}, pictures in `image` or `images` where `<image>` stands.
OpenAI: `messages` of {role, content}; content is a text or parts, and `reasoning_content` a thought. What stands in
`<think>...</think>` before an answer is its thought as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lapis.data.sources.base import Bad, clean
from lapis.data.sources.records import Record
from lapis.types import Image, Part, Sample, Text, Turn

ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "model": "assistant", "bot": "assistant", "function_call": "assistant", "system": "system", "developer": "system",
    "tool": "tool", "function": "tool", "observation": "tool", "ipython": "tool",
}  # fmt: skip
"""What speakers are called in files to what they are here."""
FOLLOWS = {
    "": ("system", "user"), "system": ("user",), "user": ("assistant",), "assistant": ("user", "tool"),
    "tool": ("tool", "assistant"),
}  # fmt: skip
"""Who may speak after whom."""
_THOUGHT = re.compile(r"\s*<think>(.*?)</think>(.*)", re.DOTALL)
_MARK = "<image>"


def chat(record: Record) -> Iterator[Sample]:
    """A conversation as a sample that ends in an answer. Raises Bad where it is none."""
    entries = record.get("turns")
    if not isinstance(entries, list):
        raise Bad("no turns" if entries is None else "wrong type")
    given = iter(record.images())
    found = [turn for entry in entries if (turn := _turn(entry, record, given))]
    _ordered(found)
    yield record.sample(_placed(found, list(given)), think=found[-1].thought is not None)


def _turn(entry: Any, record: Record, given: Iterator[Image]) -> Turn | None:
    """None is an empty system turn, which many sets write."""
    if not isinstance(entry, Mapping):
        raise Bad("wrong type")
    name, content = entry.get("role") or entry.get("from"), entry.get("content")
    content = entry.get("value") if content is None else content
    role = ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise Bad("unknown role")
    if role == "assistant":
        return _answer(entry, content)
    if role == "system" and (not content or _blank(content)):
        return None
    return Turn(role, tuple(_parts(content, record, given)))


def _blank(told: Any) -> bool:
    """Whether a text says nothing."""
    return isinstance(told, str) and not told.strip()


def _answer(entry: Mapping[str, Any], content: Any) -> Turn:
    if isinstance(content, list):
        content = "".join(_written(part) for part in content)
    calls, thought = entry.get("tool_calls") or [], entry.get("reasoning_content")
    content, thought = (None if _blank(told) else told for told in (content, thought))
    if not isinstance(calls, list):
        raise Bad("wrong type")
    text = "\n".join([*([clean(content)] if content else []), *(_call(call) for call in calls)])
    if not thought and text.lstrip().startswith("<think>"):
        thought, text = _split(text)
    thought = clean(thought).strip("\n") if thought else None
    return Turn("assistant", (Text(clean(text)),), thought)


def _split(text: str) -> tuple[str | None, str]:
    """(thought, answer); a thought that says nothing is none."""
    found = _THOUGHT.fullmatch(text)
    if found is None:
        raise Bad("thought without end")
    return (found[1] if found[1].strip() else None), found[2].lstrip("\n")


def _written(part: Any) -> str:
    if not isinstance(part, Mapping) or part.get("type") != "text":
        raise Bad("picture in an answer")
    return clean(part.get("text"))


def _call(call: Any) -> str:
    """A call of a function as a line of JSON, as the server writes earlier calls."""
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        raise Bad("wrong type")
    name, told = clean(function.get("name")), function.get("arguments")
    try:
        arguments = json.loads(told or "{}") if isinstance(told, str) else told
        return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError, TypeError):
        raise Bad("bad JSON") from None


def _parts(content: Any, record: Record, given: Iterator[Image]) -> Iterator[Part]:
    if isinstance(content, str):
        yield from _marked(content, record, given)
        return
    if not isinstance(content, list) or not content:
        raise Bad("wrong type" if content else "no text")
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text":
            yield Text(clean(part.get("text")))
        elif kind in ("image", "image_url"):
            yield _image(part.get(kind), record, given)
        else:
            raise Bad("unknown part")


def _image(value: Any, record: Record, given: Iterator[Image]) -> Image:
    """A part's own picture, or the record's next one."""
    if value is None:
        return _next(given)
    return record.image(value.get("url") if isinstance(value, Mapping) and "url" in value else value)


def _marked(text: str, record: Record, given: Iterator[Image]) -> Iterator[Part]:
    """A text, with the record's pictures where their marks stand; a mark without any picture is plain text."""
    pieces = text.split(_MARK) if record.get("image") is not None else [text]
    clean(text)
    for number, piece in enumerate(pieces):
        if number:
            yield _next(given)
            piece = piece.removeprefix("\n")
        if number + 1 < len(pieces):
            piece = piece.removesuffix("\n")
        if piece.strip():
            yield Text(piece)


def _next(given: Iterator[Image]) -> Image:
    image = next(given, None)
    if image is None:
        raise Bad("more marks than pictures")
    return image


def _placed(turns: list[Turn], left: list[Image]) -> tuple[Turn, ...]:
    """The turns with pictures that no mark placed at the head of the first question, as LLaVA shows them."""
    if left and any(turn.images for turn in turns):
        raise Bad("more pictures than marks")
    first = next(number for number, turn in enumerate(turns) if turn.role == "user")
    turns[first] = Turn("user", (*left, *turns[first].parts))
    return tuple(turns)


def _ordered(turns: list[Turn]) -> None:
    before = ""
    for turn in turns:
        if turn.role not in FOLLOWS[before]:
            raise Bad("turns out of order")
        before = turn.role
    if before != "assistant":
        raise Bad("no answer")
