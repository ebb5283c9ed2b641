"""Continuous batching: which request holds which cache slot, and what happens in one step.

A step admits waiting requests, lets every live one choose a token, lets the finished ones go and decodes the rest.
Unusual: the live requests always hold the first slots (the last one moves into a hole), so that a step costs what its
live requests cost; requests with the same prompt prefill it once and copy it; tokens never depend on neighbours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from lapis import chat
from lapis.serve import budget, sampler
from lapis.types import Completion, Image, Request


@dataclass(eq=False, slots=True)
class Prompt:
    """A distinct prompt of a session, shared by all requests that ask it."""

    ids: tuple[int, ...]
    images: tuple[Image, ...]
    waiting: int = 0
    """Requests of this prompt that hold no slot yet."""
    logits_V: torch.Tensor | None = None
    """Logits after the prompt, kept while requests are waiting."""


@dataclass(eq=False, slots=True)
class Job:
    """A request on its way."""

    request: Request
    prompt: Prompt
    machine: budget.Machine
    max_tokens: int
    uniforms: np.ndarray
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    forced: list[bool] = field(default_factory=list)
    finish: str = ""
    """Empty while it runs; then stop, length or cancelled."""

    @property
    def length(self) -> int:
        """Tokens that the slot holds once the last one is decoded."""
        return len(self.prompt.ids) + len(self.token_ids)

    def write(self, token: int, forced: bool, logprob: float, end: int) -> None:
        self.token_ids.append(token)
        self.forced.append(forced)
        self.logprobs.append(logprob)
        if token == end:
            self.finish = "stop"
        elif len(self.token_ids) >= self.max_tokens:
            self.finish = "length"

    def completion(self, tokenizer: chat.Tokenizer) -> Completion:
        closed = self.machine.state >= budget.State.OPENED
        thought, text, _ = chat.split_answer(self.token_ids, tokenizer, think=not closed)
        return Completion(
            text=text,
            thought=thought.removeprefix(chat.THINK).strip("\n"),
            prompt_ids=self.prompt.ids,
            token_ids=tuple(self.token_ids),
            logprobs=tuple(self.logprobs),
            forced=tuple(self.forced),
            thought_tokens=self.machine.thought_tokens,
            finish=self.finish,
            closed=closed,
        )


class Runner(Protocol):
    """What a session needs of the engine: the model's work on numbered slots."""

    slots: int
    marks: budget.Marks
    bias_SV: torch.Tensor

    def prefill(self, prompts: Sequence[Prompt], slots: Sequence[int]) -> torch.Tensor:
        """Write the prompts into slots; float32 [B, V] logits after each."""
        ...

    def decode(self, tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        """One token for each of the first B slots; float32 [B, V] logits after it."""
        ...

    def copy(self, source: int, targets: Sequence[int], length: int) -> None:
        """The first `length` positions of a slot into others."""
        ...


class Session:
    """The requests of one engine that are waiting or live. Not for several threads."""

    def __init__(self, runner: Runner):
        self._runner = runner
        self._waiting: deque[Job] = deque()
        self._live: list[Job] = []
        self._logits_BV: torch.Tensor | None = None
        self._sampler: sampler.Sampler | None = None

    @property
    def idle(self) -> bool:
        return not (self._waiting or self._live)

    def add(self, job: Job) -> None:
        job.prompt.waiting += 1
        self._waiting.append(job)

    def cancel(self, job: Job) -> None:
        """The request ends before the next step; its slot is free then."""
        if job in self._waiting:
            self._waiting.remove(job)
            job.prompt.waiting -= 1
            job.prompt.logits_V = job.prompt.logits_V if job.prompt.waiting else None
        job.finish = job.finish or "cancelled"

    def step(self) -> list[Job]:
        """One token for every live request; returns those that finished."""
        cancelled = self._release()
        self._admit()
        self._choose()
        finished = self._release()
        self._decode()
        return cancelled + finished

    def _admit(self) -> None:
        """Give free slots to waiting requests, in order."""
        first = len(self._live)
        taken = min(self._runner.slots - first, len(self._waiting))
        if taken <= 0:
            return
        jobs = [self._waiting.popleft() for _ in range(taken)]
        self._fill(jobs, first)
        heads = [self._head(job.prompt) for job in jobs]
        self._live += jobs
        self._sampler = None
        before = [] if self._logits_BV is None else [self._logits_BV]
        self._logits_BV = torch.cat([*before, torch.stack(heads)])

    def _fill(self, jobs: Sequence[Job], first: int) -> None:
        """Prompts into slots from `first` on: new ones by prefill, known ones by copy."""
        homes = {id(job.prompt): slot for slot, job in enumerate(self._live)}
        fresh: list[tuple[Prompt, int]] = []
        copies: dict[int, list[int]] = {}
        for slot, job in enumerate(jobs, first):
            home = homes.setdefault(id(job.prompt), slot)
            if home == slot:
                fresh.append((job.prompt, slot))
            else:
                copies.setdefault(home, []).append(slot)
        if fresh:
            logits_BV = self._runner.prefill([prompt for prompt, _ in fresh], [slot for _, slot in fresh])
            for (prompt, _), logits_V in zip(fresh, logits_BV, strict=True):
                prompt.logits_V = logits_V
        together = [*self._live, *jobs]
        for home, targets in copies.items():
            self._runner.copy(home, targets, len(together[home].prompt.ids))

    def _head(self, prompt: Prompt) -> torch.Tensor:
        logits_V = prompt.logits_V
        assert logits_V is not None
        prompt.waiting -= 1
        if not prompt.waiting:
            prompt.logits_V = None
        return logits_V

    def _choose(self) -> None:
        logits_BV = self._logits_BV
        if logits_BV is None:
            return
        live = self._live
        if self._sampler is None:
            self._sampler = sampler.Sampler([job.request for job in live], logits_BV.device)
        states_B = torch.tensor([job.machine.state for job in live], device=logits_BV.device)
        uniform_B = torch.tensor([job.uniforms[len(job.token_ids)] for job in live], device=logits_BV.device)
        chosen_B = self._sampler.choose(logits_BV + self._runner.bias_SV[states_B], uniform_B)
        taken = [job.machine.take(token) for job, token in zip(live, chosen_B.tolist(), strict=True)]
        written_B = torch.tensor([token for token, _ in taken], device=logits_BV.device)
        logprobs = sampler.logprobs(logits_BV, written_B).tolist()
        for job, (token, forced), logprob in zip(live, taken, logprobs, strict=True):
            job.write(token, forced, logprob, self._runner.marks.end)

    def _release(self) -> list[Job]:
        """Take finished requests out, and move the last live ones into their slots."""
        live = self._live
        gone = [job for job in live if job.finish]
        if not gone:
            return []
        count = len(live) - len(gone)
        holes = [slot for slot in range(count) if live[slot].finish]
        movers = [slot for slot in range(count, len(live)) if not live[slot].finish]
        rows = list(range(count))
        for hole, mover in zip(holes, movers, strict=True):
            self._runner.copy(mover, [hole], live[mover].length)
            live[hole] = live[mover]
            rows[hole] = mover
        del live[count:]
        self._sampler = None
        self._logits_BV = None if self._logits_BV is None or not count else self._logits_BV[rows]
        return gone

    def _decode(self) -> None:
        if not self._live:
            self._logits_BV = None
            return
        tokens = [job.token_ids[-1] for job in self._live]
        self._logits_BV = self._runner.decode(tokens, [job.length - 1 for job in self._live])
