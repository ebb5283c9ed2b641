"""The thinking budget: a pure state machine that one request's tokens pass through, one at a time.

    idle -> counting -> grace -> forcing -> answering

The states are those of llama.cpp's reasoning-budget sampler, the grace is NVIDIA NIM's, kept inside the budget. What is
unusual, and ours:

- Every token between `<think>` and `</think>` counts against the budget B: the opening newline, thought that stands in
  the prompt already, and the forced closing message. From B = 1 on (its own length, where that is more), `</think>`
  itself fits inside B too.
- B = 0 writes `<think></think>`; -1 has no limit but `max_tokens`, of which `reserve` tokens are kept for the answer.
- The closing message is written only where it takes at most a quarter of the room.
- No character is cut: a token that opens a multi-byte character is let in only while the character's other bytes still
  fit, else the closing starts in its place.
- A model that ends its turn inside a thought gets `</think>` in place of the end, so that an answer follows; it may not
  end that before it holds more than blanks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from lapis import chat
from lapis.serve.errors import DecodeTooLong
from lapis.types import InputError

CLOSING = "\nTime is up."
"""What the machine writes when the budget ends a thought."""
SENTENCE_ENDS = (".", "!", "?", ";", "\n", "\u3002", "\uff01", "\uff1f", "\uff1b")
UNLIMITED = -1


class State(IntEnum):
    """Where a request stands. The value is also its row in `Marks.allowed`'s masks."""

    IDLE = 0
    COUNTING = 1
    GRACE = 2
    FORCING = 3
    OPENED = 4
    """Answering, with nothing but blanks of the answer written: the model may not stop yet."""
    ANSWERING = 5


@dataclass(frozen=True, slots=True)
class Marks:
    """What the machine must know of a tokenizer."""

    think: tuple[int, ...]
    """The mark that opens a thought; public tokenizers may spell it in several tokens."""
    unthink: tuple[int, ...]
    end: int
    banned: tuple[int, ...]
    """Template tokens that a model may never write."""
    opening: tuple[int, ...]
    """Written after `<think>`."""
    closing: tuple[int, ...]
    """Written before a forced `</think>`."""
    content: tuple[bytes, ...]
    """UTF-8 bytes of each token; empty for special tokens."""
    sentence: frozenset[int]
    """Tokens that end a sentence or a line."""

    @classmethod
    def of(cls, tokenizer: chat.Tokenizer, closing: str = CLOSING) -> Marks:
        content = token_bytes(tokenizer)
        free = (chat.END, chat.THINK, chat.UNTHINK)
        return cls(
            think=(tokenizer.id(chat.THINK),),
            unthink=(tokenizer.id(chat.UNTHINK),),
            end=tokenizer.id(chat.END),
            banned=tuple(tokenizer.id(name) for name in chat.SPECIALS if name not in free),
            opening=tuple(tokenizer.encode("\n")),
            closing=tuple(tokenizer.encode(closing)),
            content=content,
            sentence=frozenset(number for number, text in enumerate(content) if _ends_sentence(text)),
        )

    def forbidden(self, state: State) -> tuple[int, ...]:
        """Ids that the model may not choose in a state. Of a mark of several tokens none is: each may be text."""
        thinking = state in (State.COUNTING, State.GRACE)
        think = self.think if len(self.think) == 1 else ()
        unthink = () if thinking or len(self.unthink) > 1 else self.unthink
        end = (self.end,) if state is State.OPENED else ()
        return (*self.banned, *think, *unthink, *end)


def token_bytes(tokenizer: chat.Tokenizer) -> tuple[bytes, ...]:
    """Bytes of every id of a byte-level BPE (GPT-2's printable alphabet); special tokens are empty."""
    table = _alphabet()
    names = (tokenizer.raw.id_to_token(number) for number in range(tokenizer.size))
    return tuple(b"" if name is None or name in chat.SPECIALS else _as_bytes(name, table) for name in names)


def _as_bytes(name: str, table: dict[str, int]) -> bytes:
    if all(char in table for char in name):
        return bytes(table[char] for char in name)
    return name.encode()


def _alphabet() -> dict[str, int]:
    """GPT-2's characters for bytes: printable ones stand for themselves, the others follow from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + rank): byte for rank, byte in enumerate(others)}


def _ends_sentence(content: bytes) -> bool:
    return content.decode("utf-8", errors="ignore").rstrip(" ").endswith(SENTENCE_ENDS)


def missing(content: bytes) -> int:
    """Bytes that the last UTF-8 character still lacks (0-3); 0 where it is whole or no UTF-8 at all."""
    for back in range(1, min(3, len(content)) + 1):
        byte = content[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return max(0, length - back)
        if byte < 0x80:
            return 0
    return 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request allows. Raises InputError for a value out of range."""

    budget: int = UNLIMITED
    max_tokens: int = 128
    """Most tokens written, thought, marks and answer together."""
    reserve: int = 0
    """Tokens of `max_tokens` kept for the answer (at least one is)."""
    grace: float = 0.1
    """Share of the budget at its end in which the thought stops at a sentence end."""

    def __post_init__(self) -> None:
        if self.budget < UNLIMITED:
            raise InputError(f"thinking_token_budget: {self.budget}, expected -1 (unlimited), 0 or more")
        if self.max_tokens < 1:
            raise InputError(f"max_tokens: {self.max_tokens}, expected at least 1")
        if self.reserve < 0:
            raise InputError(f"reserve: {self.reserve}, expected 0 or more")
        if not 0 <= self.grace <= 1:
            raise InputError(f"grace: {self.grace}, expected a share between 0 and 1")

    def room(self, marks: int) -> int:
        """Thought tokens that leave space for so many marks and the answer. InputError where nothing fits at all."""
        if self.max_tokens <= marks:
            raise DecodeTooLong(
                f"max_tokens: {self.max_tokens} holds no thought and answer, expected at least {marks + 1}"
            )
        return max(0, self.max_tokens - marks - max(1, self.reserve))


class Machine:
    """One request's budget. Call `take` with each token that the model chose; it says what is written.

    `state` tells which tokens the model may choose next (`Marks.forbidden`), `thought_tokens` counts what stands
    between the marks. Raises InputError where `max_tokens` has no room for the marks and an answer.

    A mark of several tokens may begin and then go on as thought. Its tokens are let in past the limit, since from there
    on only the rest of the mark can follow; until it is whole they count as thought.
    """

    __slots__ = (
        "_grace_from", "_last", "_matched", "_message", "_queue", "_tail", "answer_at", "marks", "state", "thought_at",
        "thought_tokens", "written",
    )  # fmt: skip

    def __init__(self, marks: Marks, prompt: Sequence[int], think: bool, limits: Limits):
        self.marks = marks
        self.state = State.OPENED
        self.thought_tokens = 0
        self.written = 0
        """Tokens written so far."""
        self.thought_at = 0
        """Of the written tokens, where the thought begins."""
        self.answer_at: int | None = 0
        """Of the written tokens, where the answer begins; None while the thought is open."""
        self._queue: list[int] = []
        self._tail = b""
        self._message: tuple[int, ...] = ()
        self._last, self._grace_from, self._matched = 0, 0.0, 0
        begun = _begun(prompt, marks)
        if begun is None and not (think and not _ended(prompt, marks)):
            return
        self.answer_at = None
        written = 0 if begun is None else len(begun)
        most = written + limits.room(len(marks.unthink) + (len(marks.think) if begun is None else 0))
        if limits.budget != UNLIMITED:
            most = min(max(0, limits.budget - len(marks.unthink)), most)
        whole = most + len(marks.unthink)
        self._divide(most, min(limits.budget, whole) if limits.budget > 0 else whole, limits.grace)
        self._begin(begun, most)

    def _divide(self, most: int, whole: int, grace: float) -> None:
        """Of `most` thought tokens, the closing message comes off the model's own; grace is a share of the `whole`."""
        self._message = self.marks.closing if 4 * len(self.marks.closing) <= most else ()
        self._last = most - len(self._message)
        self._grace_from = (1 - grace) * whole if grace > 0 else math.inf

    def _begin(self, begun: Sequence[int] | None, most: int) -> None:
        marks = self.marks
        if begun is None:
            self.state = State.IDLE
            opening = marks.opening if len(marks.opening) <= self._last else ()
            closed = self._last <= len(opening)
            self._queue = [*marks.think, *opening, *((*self._message, *marks.unthink) if closed else ())]
            return
        self.state = State.COUNTING
        for token in begun:
            self._match(token)
        self.thought_tokens = len(begun)
        own = len(begun) - self._matched
        if own >= self._last:
            self._force(self._message if own + len(self._message) <= most else ())

    def _force(self, message: Sequence[int]) -> None:
        """Close the thought: with a message, unless the mark has begun already."""
        self.state = State.FORCING
        self._queue = [*(() if self._matched else message), *self.marks.unthink[self._matched :]]

    @property
    def closed(self) -> bool:
        return self.state >= State.OPENED

    @property
    def marks_left(self) -> int:
        """Tokens of marks that are still to be written at the least."""
        if self.closed:
            return 0
        opening = len(self.marks.think) if self.state is State.IDLE else 0
        return opening + len(self.marks.unthink) - self._matched

    @property
    def forcing(self) -> bool:
        """The next token is the machine's own, whatever the model chooses."""
        return bool(self._queue)

    @property
    def ending(self) -> tuple[int, tuple[int, ...]]:
        """After how many tokens of thought the closing begins at the latest, and what it says before `</think>`."""
        return self._last, self._message

    def take(self, chosen: int) -> tuple[int, bool]:
        """(token to write, whether the machine wrote it instead of the model)."""
        self.written += 1
        if self.closed:
            if self.marks.content[chosen].strip():
                self.state = State.ANSWERING
            return chosen, False
        if not self._queue:
            self._admit(chosen)
        forced = bool(self._queue)
        token = self._queue.pop(0) if forced else chosen
        self._write(token)
        return token, forced

    def _admit(self, chosen: int) -> None:
        """Start the closing where the chosen token may not be written."""
        marks = self.marks
        if chosen == marks.end:
            self._force(())
        elif chosen != marks.unthink[self._matched]:
            lacking = missing(self._tail + marks.content[chosen])
            kept = self._overlap(chosen)
            if self.thought_tokens + 1 - kept + lacking > self._last:
                self._force(self._message)

    def _overlap(self, token: int) -> int:
        """Tokens of the closing mark that stand at the thought's end once this token is written."""
        mark = self.marks.unthink
        held = (*mark[: self._matched], token)
        return next(
            size for size in range(min(len(held), len(mark)), -1, -1) if held[len(held) - size :] == mark[:size]
        )

    def _match(self, token: int) -> bool:
        """Whether the closing mark is whole with this token."""
        self._matched = self._overlap(token)
        return self._matched == len(self.marks.unthink)

    def _write(self, token: int) -> None:
        if self.state is State.IDLE:
            if self.written == len(self.marks.think):
                self.state, self.thought_at = State.COUNTING, self.written
        elif self._match(token):
            self.state, self.answer_at = State.OPENED, self.written
            self.thought_tokens -= len(self.marks.unthink) - 1
        else:
            self._count(token)

    def _count(self, token: int) -> None:
        self.thought_tokens += 1
        self._tail = (self._tail + self.marks.content[token])[-3:]
        if self._queue:
            return
        in_grace = self.thought_tokens >= self._grace_from
        self.state = State.GRACE if in_grace else State.COUNTING
        if in_grace and token in self.marks.sentence and not self._matched:
            self._force(())


def _ends(sequence: Sequence[int], end: int, mark: Sequence[int]) -> bool:
    """A mark ends before place `end` of a sequence."""
    return end >= len(mark) and tuple(sequence[end - len(mark) : end]) == tuple(mark)


def _begun(prompt: Sequence[int], marks: Marks) -> Sequence[int] | None:
    """The tokens of an open thought at the prompt's end; None where none is open."""
    for end in range(len(prompt), 0, -1):
        if _ends(prompt, end, marks.think):
            return prompt[end:]
        if _ends(prompt, end, marks.unthink) or prompt[end - 1] == marks.end or prompt[end - 1] in marks.banned:
            return None
    return None


def _ended(prompt: Sequence[int], marks: Marks) -> bool:
    """The reply that the prompt leaves open holds a finished thought."""
    for end in range(len(prompt), 0, -1):
        if _ends(prompt, end, marks.unthink):
            return True
        if prompt[end - 1] == marks.end or prompt[end - 1] in marks.banned:
            return False
    return False
