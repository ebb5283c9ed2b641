"""A request on its way through the engine: its prompt, what it has written, and when it is finished."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from lapis import chat
from lapis.model.cache import BLOCK
from lapis.serve import budget
from lapis.serve.errors import DecodeTooLong, PromptTooLong
from lapis.serve.grammar import Grammar
from lapis.serve.memory import Key, Run
from lapis.serve.sampler import Penalties, uniforms
from lapis.serve.text import Answer, Thought, cut
from lapis.types import Completion, Image, Request

LEAST = 3
"""Tokens that must be left for a reply: two marks of a thought, and one of an answer."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class Prompt:
    """What a request reads, as tokens."""

    ids: tuple[int, ...]
    images: tuple[Image, ...]
    key: Key
    """The tokens by what they are: equal keys are equal prompts, images too."""
    features_VD: torch.Tensor | None = None
    """Of all image tokens in order, once they were encoded."""
    head: bytes = b""
    """The key's first block, for quick comparison."""

    def __post_init__(self) -> None:
        self.head = self.key[:BLOCK].tobytes()

    def features(self, first: int, count: int, image: int) -> torch.Tensor | None:
        """Those of the image tokens among `count` tokens from `first` on; `image` is the image token's id."""
        if self.features_VD is None:
            return None
        before = self.ids[:first].count(image)
        return self.features_VD[before : before + self.ids[first : first + count].count(image)]


def room(request: Request, prompt: int, length: int) -> int:
    """Tokens that a request may write behind a prompt of so many where both have `length`. Raises PromptTooLong."""
    most = min(request.max_tokens, length - prompt)
    if most < min(request.max_tokens, LEAST):
        raise PromptTooLong(f"prompt: {prompt} tokens, expected at least {LEAST} fewer than the engine's {length}")
    return most


def prompt_of(encoded: chat.Encoded, tokenizer: chat.Tokenizer, tiles: chat.Tiles) -> Prompt:
    """A prompt with its key, in which an image's tokens are the negative number that its bytes give."""
    key = np.array(encoded.ids, dtype=np.int64)
    numbers = [-1 - int.from_bytes(hashlib.sha256(image.data).digest()[:7], "big") for image in encoded.images]
    counts = [tiles(image) * tokenizer.tokens_per_tile for image in encoded.images]
    key[key == tokenizer.id(chat.IMAGE)] = np.repeat(np.array(numbers, dtype=np.int64), counts)
    return Prompt(tuple(encoded.ids), tuple(encoded.images), key)


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits, is live, or is finished."""

    request: Request
    prompt: Prompt
    machine: budget.Machine
    max_tokens: int
    uniforms: np.ndarray
    """Its random numbers, one a token."""
    grammar: Grammar | None = None
    penalties: Penalties | None = None
    run: Run | None = None
    """Its tokens of the cache, while it is live."""
    filled: int = 0
    """Prompt tokens that stand in the cache."""
    shared: int = 0
    """Those of them that were taken from others."""
    begun: bool = False
    """Some of the prompt was computed for it, so it takes no more from others."""
    stale: bool = False
    """Some of it was computed with weights that are gone."""
    head_V: torch.Tensor | None = None
    """Logits after the prompt, while it is live."""
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    forced: list[bool] = field(default_factory=list)
    likeliest: list[tuple[tuple[int, float], ...]] = field(default_factory=list)
    finish: str = ""
    """Empty while it runs; then stop, length or cancelled."""
    _tail: bytes = b""
    """The answer's last bytes, in which a stop string may end."""

    @property
    def size(self) -> int:
        """Tokens of the cache that it needs."""
        return len(self.prompt.ids) + self.max_tokens

    @property
    def read(self) -> bool:
        """The whole prompt stands in the cache."""
        return self.filled == len(self.prompt.ids)

    @property
    def stops(self) -> tuple[str, ...]:
        """What ends the answer; a schema's has its own end."""
        return () if self.grammar else self.request.stop

    def take(self, chosen: int) -> int:
        """The token that is written in place of the chosen one, or the chosen one."""
        answering, steered = self.machine.closed, False
        if self.grammar and answering:
            chosen, steered = self.grammar.settle(chosen, self.max_tokens - len(self.token_ids))
        token, forced = self.machine.take(chosen)
        self.token_ids.append(token)
        self.forced.append(forced or steered)
        if self.penalties:
            self.penalties.add(token)
        marks = self.machine.marks
        if token == marks.end or (answering and self.stops and self._stopped(marks.content[token])):
            self.finish = "stop"
        elif len(self.token_ids) >= self.max_tokens:
            self.finish = "length"
        return token

    def _stopped(self, content: bytes) -> bool:
        """A stop string ends in the bytes that were just written."""
        stops = [text.encode() for text in self.stops]
        self._tail += content
        found = any(stop in self._tail for stop in stops)
        self._tail = self._tail[-max(map(len, stops)) :]
        return found

    def parts(self) -> tuple[Sequence[int], Sequence[int]]:
        """Tokens of the thought and of the answer so far, without marks and end."""
        machine = self.machine
        if machine.answer_at is None:
            return self.token_ids[machine.thought_at :], ()
        close = max(machine.thought_at, machine.answer_at - len(machine.marks.unthink))
        end = len(self.token_ids) - (self.token_ids[-1:] == [machine.marks.end])
        return self.token_ids[machine.thought_at : close], self.token_ids[machine.answer_at : end]

    def completion(self, tokenizer: chat.Tokenizer) -> Completion:
        thought, text = (tokenizer.decode(ids) for ids in self.parts())
        return Completion(
            text=cut(text, self.stops)[0],
            thought=thought.strip("\n"),
            prompt_ids=self.prompt.ids,
            token_ids=tuple(self.token_ids),
            logprobs=tuple(self.logprobs),
            forced=tuple(self.forced),
            thought_tokens=self.machine.thought_tokens,
            finish=self.finish,
            closed=self.machine.closed,
            top_logprobs=tuple(self.likeliest),
            shared_tokens=self.shared,
        )


def begun(
    request: Request,
    prompt: Prompt,
    most: int,
    marks: budget.Marks,
    grammar: Grammar | None,
    vocab: int,
    device: torch.device | str = "cpu",
) -> Job:
    """A request that may write `most` tokens, before its first. Raises DecodeTooLong where its schema needs more."""
    needed = len(grammar.ending) if grammar else 0
    limits = budget.Limits(request.budget, most, max(request.reserve, needed), request.grace)
    machine = budget.Machine(marks, prompt.ids, request.think, limits)
    if needed > most - machine.marks_left:
        needed += machine.marks_left
        raise DecodeTooLong(f"max_tokens: {most}, expected at least {needed} for an answer under the schema")
    penalties = Penalties(request, prompt.ids, vocab, device) if Penalties.asked(request) else None
    return Job(request, prompt, machine, most, uniforms(request.seed, most), grammar, penalties)


class Reader:
    """What a job writes, piece by piece."""

    def __init__(self, job: Job):
        self.job = job
        content = job.machine.marks.content
        self._thought, self._answer = Thought(content), Answer(content, job.stops)
        self._seen = 0
        self._open = not job.machine.closed

    def read(self) -> tuple[str, str, int]:
        """(thought, answer, tokens) that are new since the last call; all of it once the job is finished."""
        job = self.job
        thought_ids, answer_ids = job.parts()
        thought, text = self._thought.add(thought_ids), ""
        if job.machine.closed or job.finish:
            thought += self._thought.rest()
        if job.machine.closed:
            text = self._answer.add(answer_ids)
        if job.finish:
            text += self._answer.rest()
        new, self._seen = len(job.token_ids) - self._seen, len(job.token_ids)
        return thought, text, new

    def begin(self) -> str:
        """What stands before the first of `marked`."""
        return chat.THINK + "\n" if self._open else ""

    def marked(self) -> str:
        """What is new as one text, in which a mark stands where the thought ends."""
        thought, text, _ = self.read()
        over = self._open and self.job.machine.closed
        self._open = self._open and not over
        return thought + (chat.UNTHINK if over else "") + text
