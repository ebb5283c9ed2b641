"""Preference pairs: one prompt, an answer that was chosen and one that was rejected; read from the forms people use.

    {"prompt": "...", "chosen": "...", "rejected": "..."}                  texts; also `question` or `instruction`,
                                                                           and `system` beside it
    {"prompt": [messages], "chosen": [messages], "rejected": [messages]}   OpenAI's messages (role, content), as in TRL
    {"chosen": [messages], "rejected": [messages]}                         the prompt is what both begin with
    {"conversations": [messages], "chosen": message, "rejected": message}  ShareGPT's messages (from, value)

Text alone: a message with pictures is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapis.types import InputError, Text, Turn

ROLES = {
    "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant",
    "model": "assistant", "system": "system", "tool": "tool",
}  # fmt: skip
"""Roles as others write them, to ours."""
PROMPTS = ("prompt", "conversations", "question", "instruction")
"""Names under which a prompt may stand."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt, of which the first is preferred."""

    prompt: tuple[Turn, ...]
    chosen: str
    rejected: str

    @property
    def key(self) -> str:
        """SHA-256 of the prompt: pairs of one prompt have one key."""
        return hashlib.sha256(json.dumps([[turn.role, turn.text] for turn in self.prompt]).encode()).hexdigest()


def read(path: Path) -> Iterator[Pair]:
    """The pairs of a file of JSON lines. Raises InputError with the file's name and the line's number."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _pair(line, f"{path}:{number}")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: no UTF-8") from None


def _pair(line: str, place: str) -> Pair:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: no JSON ({error})") from None
    if not isinstance(row, dict) or not {"chosen", "rejected"} <= row.keys():
        raise InputError(f"{place}: expected an object with prompt, chosen and rejected")
    sides = [_side(row[name], f"{place}: {name}") for name in ("chosen", "rejected")]
    name = next((name for name in PROMPTS if name in row), None)
    prompt = _prompt(row, name, place) if name else _shared(sides[0], sides[1])
    answers = [_answer(side, prompt, place) for side in sides]
    if not prompt:
        raise InputError(f"{place}: no prompt, and the answers begin with no common message")
    if answers[0] == answers[1]:
        raise InputError(f"{place}: chosen and rejected are the same")
    return Pair(tuple(prompt), *answers)


def _prompt(row: Mapping[str, Any], name: str, place: str) -> list[Turn]:
    """The turns before the answer, `system` first where it stands beside them."""
    value = row[name]
    turns = [Turn("user", (Text(value),))] if isinstance(value, str) else _side(value, f"{place}: {name}")
    system = row.get("system")
    return [Turn("system", (Text(system),)), *turns] if isinstance(system, str) and system else turns


def _shared(first: Sequence[Turn], second: Sequence[Turn]) -> list[Turn]:
    """Turns that both sides begin with, their last ones left to be the answers."""
    shared = 0
    while shared < min(len(first), len(second)) - 1 and first[shared] == second[shared]:
        shared += 1
    return list(first[:shared])


def _answer(side: Sequence[Turn], prompt: Sequence[Turn], place: str) -> str:
    """The one assistant message after the prompt, which may stand before it again."""
    rest = side[len(prompt) :] if list(side[: len(prompt)]) == list(prompt) else side
    if len(rest) != 1 or rest[0].role != "assistant" or not rest[0].text.strip():
        raise InputError(f"{place}: expected one answer of the assistant after the prompt, got {len(rest)} messages")
    return rest[0].text


def _side(value: Any, place: str) -> list[Turn]:
    """A text, a message or a list of messages as turns; a text is the assistant's."""
    if isinstance(value, str):
        return [Turn("assistant", (Text(value),))]
    messages = [value] if isinstance(value, Mapping) else value
    if not isinstance(messages, list):
        raise InputError(f"{place}: expected a text or messages, got {str(value)[:60]!r}")
    return [_turn(one, place) for one in messages]


def _turn(message: Any, place: str) -> Turn:
    if not isinstance(message, Mapping):
        raise InputError(f"{place}: expected a message, got {str(message)[:60]!r}")
    role, text = message.get("role", message.get("from")), message.get("content", message.get("value"))
    if isinstance(text, list) and all(isinstance(part, Mapping) and part.get("type") == "text" for part in text):
        text = "".join(str(part.get("text", "")) for part in text)
    if role not in ROLES or not isinstance(text, str):
        raise InputError(f"{place}: expected a role and a text, got {str(message)[:60]!r}")
    return Turn(ROLES[role], (Text(text),))
