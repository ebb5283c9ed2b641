"""A reply in the making: llama-server's tokens go through the budget machine, and come out as text.

llama-server samples on its own and knows nothing of budgets here. Unusual, and ours: the machine of `serve/budget.py`
reads along. As long as it would have written the same token, the answer streams on; where it writes another one (the
closing of a thought, a token that may not stand there), the stream is left and the reply goes on from what is written,
whose cache llama-server still has. So budgets are kept to the token, as in the torch engine, and cost nothing where
they are not reached.
"""

from __future__ import annotations

from lapis import chat
from lapis.serve import budget, sampler
from lapis.serve.backend import Delta
from lapis.serve.llama_prompt import Prompt
from lapis.serve.text import Answer, Thought, cut
from lapis.types import Completion, Request

Likely = tuple[tuple[int, float], ...]
"""Likeliest tokens of a place with their log-probabilities."""


class Reply:
    """One request on its way. Not for several tasks."""

    def __init__(self, request: Request, prompt: Prompt, machine: budget.Machine, most: int, tokenizer: chat.Tokenizer):
        self.request, self.prompt, self.machine, self.most = request, prompt, machine, most
        self.marks, self._tokenizer = machine.marks, tokenizer
        self.token_ids: list[int] = []
        self.shared = 0
        """Tokens of the prompt that llama-server had in its cache."""
        self.finish = ""
        """Empty while it runs; then stop, length or cancelled."""
        self.must_answer = False
        """The model wanted to end before its answer: the next token is one of an answer."""
        self._logprobs: list[float] = []
        self._forced: list[bool] = []
        self._likely: list[Likely] = []
        self._thought, self._answer = Thought(self.marks.content), Answer(self.marks.content, request.stop)
        self._thought_ids: list[int] = []
        self._answer_ids: list[int] = []
        self._ready = ["", ""]
        """Thought and answer that no delta has told yet."""
        self._told = 0
        self._plain = request.temperature == 0 and not sampler.Penalties.asked(request)

    @property
    def left(self) -> int:
        """Tokens that may still be written."""
        return self.most - len(self.token_ids)

    @property
    def answering(self) -> bool:
        return self.machine.closed

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
        if self.answering and token != self.marks.unthink[-1]:
            self._answer_ids.append(token)
            self._ready[1] += self._answer.add(self._answer_ids)
        else:
            self._thought_ids.append(token)
            self._ready[0] += self._thought.add(self._thought_ids)
        if token == self.marks.end or self._answer.over:
            self.finish = "stop"
        elif not self.left:
            self.finish = "length"

    def delta(self) -> Delta:
        """What was written since the last call."""
        tokens, self._told = len(self.token_ids) - self._told, len(self.token_ids)
        (thought, text), self._ready = self._ready, ["", ""]
        if self.answering or self.finish:
            thought += self._thought.rest()
        return Delta(thought, text + (self._answer.rest() if self.finish else ""), tokens)

    def completion(self) -> Completion:
        """The whole of it."""
        thought, text, _ = chat.split_answer(self.token_ids, self._tokenizer, think=not self.answering)
        return Completion(
            text=cut(text, self.request.stop)[0],
            thought=thought.removeprefix(chat.THINK).strip("\n"),
            prompt_ids=self.prompt.ids,
            token_ids=tuple(self.token_ids),
            logprobs=tuple(self._logprobs),
            forced=tuple(self._forced),
            thought_tokens=self.machine.thought_tokens,
            finish=self.finish,
            closed=self.answering,
            top_logprobs=tuple(self._likely) if self.request.top_logprobs else (),
            shared_tokens=self.shared,
        )
