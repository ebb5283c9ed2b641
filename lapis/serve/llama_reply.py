"""A reply in the making: llama-server's tokens go through the budget machine, and come out as text.

llama-server samples on its own and knows nothing of budgets here. Unusual, and ours: the machine of `serve/budget.py`
reads along. As long as it would have written the same token, the answer streams on; where it writes another one (the
closing of a thought, a token that may not stand there), the stream is left and the reply goes on from what is written,
whose cache llama-server still has. So budgets are kept to the token, as in the torch engine, and cost nothing where
they are not reached.
"""

from __future__ import annotations

from collections.abc import Sequence

from lapis import chat
from lapis.serve import budget
from lapis.serve.backend import Delta
from lapis.serve.llama_prompt import Prompt
from lapis.types import Completion, Request

Likely = tuple[tuple[int, float], ...]
"""Likeliest tokens of a place with their log-probabilities."""


class Reply:
    """One request on its way. Not for several tasks."""

    def __init__(self, request: Request, prompt: Prompt, machine: budget.Machine, most: int, tokenizer: chat.Tokenizer):
        self.request, self.prompt, self.machine, self.most = request, prompt, machine, most
        self.marks, self._tokenizer = machine.marks, tokenizer
        self.token_ids: list[int] = []
        self.finish = ""
        """Empty while it runs; then stop, length or cancelled."""
        self.must_answer = False
        """The model wanted to end before its answer: the next token is one of an answer."""
        self._logprobs: list[float] = []
        self._forced: list[bool] = []
        self._likely: list[Likely] = []
        self._thought, self._answer = Whole(), Answer(request.stop)
        self._told = 0
        penalties = request.repetition_penalty != 1 or request.presence_penalty or request.frequency_penalty
        self._plain = request.temperature == 0 and not penalties

    @property
    def left(self) -> int:
        """Tokens that may still be written."""
        return self.most - len(self.token_ids)

    @property
    def answering(self) -> bool:
        return self.machine.state >= budget.State.OPENED

    def banned(self) -> tuple[int, ...]:
        """Tokens that the next stretch of llama-server's may not hold at all."""
        thinking = budget.State.COUNTING
        answer = budget.State.OPENED if self.must_answer else budget.State.ANSWERING
        return self.marks.forbidden(answer if self.answering else thinking)

    def write_own(self) -> None:
        """What the machine writes by itself, now. llama-server tells no log-probability of it: it is 0 here."""
        while self.machine.forcing and not self.finish:
            self._write(self.machine.take(self.marks.end)[0], True, 0.0, ())

    def take(self, token: int, logprob: float, likely: Likely) -> bool:
        """A token of llama-server's. False where its stream is of no use from here on."""
        if not self.machine.forcing and token in self.marks.forbidden(self.machine.state):
            self.must_answer = token == self.marks.end
            return False
        self.must_answer = False
        opened = self.answering
        written, forced = self.machine.take(self._meant(token, likely))
        self._write(written, forced, 0.0 if forced else logprob, () if forced else likely)
        begins = self.answering and not opened and bool(self.request.schema)
        return written == token and not self.finish and not begins

    def _meant(self, token: int, likely: Likely) -> int:
        """The model's own choice. Where llama-server closes a thought by itself (`own_budget`), a greedy request's
        likeliest token tells what the model would have written there: something else, or the closing alone."""
        best = likely[0][0] if likely and not self.answering and self._plain else token
        ends = self.marks.unthink[-1] in (best, token)
        return best if ends and best not in self.marks.forbidden(self.machine.state) else token

    def _write(self, token: int, forced: bool, logprob: float, likely: Likely) -> None:
        self.token_ids.append(token)
        self._forced.append(forced)
        self._logprobs.append(logprob)
        self._likely.append(likely)
        content = self.marks.content[token]
        if self.answering and token != self.marks.unthink[-1]:
            self._answer.add(content)
        else:
            self._thought.add(content)
        if token == self.marks.end or self._answer.stopped:
            self.finish = "stop"
        elif not self.left:
            self.finish = "length"

    def delta(self) -> Delta:
        """What was written since the last call."""
        tokens, self._told = len(self.token_ids) - self._told, len(self.token_ids)
        thought = self._thought.take()
        if not self._thought.begun:
            thought = thought.lstrip("\n")
            self._thought.begun = bool(thought)
        return Delta(thought, self._answer.take(bool(self.finish)), tokens)

    def completion(self) -> Completion:
        """The whole of it."""
        thought, text, _ = chat.split_answer(self.token_ids, self._tokenizer, think=not self.answering)
        return Completion(
            text=self._answer.all if self._answer.stopped else text,
            thought=thought.removeprefix(chat.THINK).strip("\n"),
            prompt_ids=self.prompt.ids,
            token_ids=tuple(self.token_ids),
            logprobs=tuple(self._logprobs),
            forced=tuple(self._forced),
            thought_tokens=self.machine.thought_tokens,
            finish=self.finish,
            closed=self.answering,
            top_logprobs=tuple(self._likely) if self.request.top_logprobs else (),
        )


class Whole:
    """Bytes that become text character by character."""

    def __init__(self) -> None:
        self.begun = False
        self._open = b""
        self._ready = ""

    def add(self, content: bytes) -> None:
        self._open += content
        if not budget.missing(self._open):
            self._ready += self._open.decode("utf-8", errors="replace")
            self._open = b""

    def take(self) -> str:
        text, self._ready = self._ready, ""
        return text


class Answer:
    """The same of an answer, which its first stop string ends; what may become one is held back."""

    def __init__(self, stops: Sequence[str]):
        self.all = ""
        self.stopped = False
        self._stops = tuple(stop for stop in stops if stop)
        self._bytes = Whole()
        self._told = 0

    def add(self, content: bytes) -> None:
        self._bytes.add(content)
        before = len(self.all)
        self.all += self._bytes.take()
        ends = [at for stop in self._stops if (at := self.all.find(stop, max(0, before - len(stop)))) >= 0]
        if ends:
            self.all, self.stopped = self.all[: min(ends)], True

    def take(self, last: bool) -> str:
        """What is new and cannot change; on the last call all of it."""
        end = len(self.all) - (0 if last else self._held())
        text, self._told = self.all[self._told : end], max(end, self._told)
        return text

    def _held(self) -> int:
        """Characters at the end with which a stop string may begin."""
        longest = max(map(len, self._stops), default=1) - 1
        sizes = range(min(longest, len(self.all)), 0, -1)
        return next((size for size in sizes if any(stop.startswith(self.all[-size:]) for stop in self._stops)), 0)
