"""Continuous batching: which request is live, what one forward computes, and which tokens follow.

A step admits waiting requests as far as slots and the cache's tokens go, computes one token for each live request and
at most `chunk` tokens of prompts in the same forward, and lets every request that has logits choose. Requests join and
leave between any two steps.

What is unusual: a prompt takes what another request's prompt has in common with it (ids and images), live or gone, and
waits for it where that one is still being read; requests of the same prompt read it once. Nothing that a request
computes depends on its neighbours: see model/cache.py, and Engine.forward.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from lapis.model.cache import BLOCK, Span
from lapis.serve import budget, sampler
from lapis.serve.job import Job, Prompt
from lapis.serve.memory import Memory, common


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens of one request in a forward."""

    span: Span
    ids: Sequence[int]
    prompt: Prompt | None
    """Whose part they are; None for a token that was written."""
    wanted: bool
    """The logits after the last of them are asked for."""


@dataclass(slots=True)
class Totals:
    """What a session did since its beginning."""

    prompt_tokens: int = 0
    shared_tokens: int = 0
    """Of the prompt tokens, those that were not computed."""
    written_tokens: int = 0


class Runner(Protocol):
    """What a session needs of the engine: the model's work on runs of the cache."""

    slots: int
    marks: budget.Marks
    bias_SV: torch.Tensor

    def forward(self, pieces: Sequence[Piece]) -> torch.Tensor:
        """Compute all pieces; float32 [B, V] logits of those that want them."""
        ...

    def copy(self, source: int, target: int, count: int) -> None:
        """The first `count` tokens of one run into another."""
        ...


class Session:
    """The requests of one engine that wait or are live. Not for several threads.

    With `share` off no prompt takes anything from another.
    """

    def __init__(self, runner: Runner, memory: Memory, share: bool = True):
        self._runner, self.memory, self._share = runner, memory, share
        self.waiting: deque[Job] = deque()
        self.live: list[Job] = []
        self.totals = Totals()
        self._settings: tuple[list[Job], sampler.Sampler] | None = None

    @property
    def idle(self) -> bool:
        return not (self.waiting or self.live)

    def add(self, job: Job) -> None:
        self.waiting.append(job)

    def cancel(self, job: Job) -> None:
        """The request ends before the next step; its memory is free then."""
        if job in self.waiting:
            self.waiting.remove(job)
        job.finish = job.finish or "cancelled"

    def forget(self) -> None:
        """The weights changed: what live requests have computed stays theirs, and nobody else takes any of it."""
        self.memory.forget()
        for job in self.live:
            job.stale = job.filled > 0

    def clear(self) -> None:
        """All requests end now."""
        for job in (*self.waiting, *self.live):
            self.cancel(job)
        self._release()

    def step(self, chunk: int) -> list[Job]:
        """One token for every live request whose prompt is read; returns those that finished.

        Of prompts at most `chunk` tokens are computed (BLOCK at least).
        """
        gone = self._release()
        self._admit()
        twins = self._twins()
        jobs, pieces = self._plan(chunk)
        ready = [job for job, piece in zip(jobs, pieces, strict=True) if piece.wanted]
        logits = [self._runner.forward(pieces)] if pieces else []
        for job, piece in zip(jobs, pieces, strict=True):
            job.filled += piece.span.count if piece.prompt else 0
        for row, job in enumerate(ready):
            job.head_V = job.head_V if job.token_ids else logits[0][row].clone()
        twins += self._twins()
        logits += [job.head_V[None] for job in twins if job.head_V is not None]
        if ready or twins:
            self._choose([*ready, *twins], torch.cat(logits) if len(logits) > 1 else logits[0])
        return gone + self._release()

    def _admit(self) -> None:
        """Memory for waiting requests, in order, while there is any."""
        while self.waiting and len(self.live) < self._runner.slots:
            job = self.waiting[0]
            spare = self.memory.best(job.prompt.key)[1] if self._share else None
            job.run = self.memory.take(job.size, spare)
            if job.run is None:
                return
            self.live.append(self.waiting.popleft())
            self.totals.prompt_tokens += len(job.prompt.ids)

    def _plan(self, chunk: int) -> tuple[list[Job], list[Piece]]:
        """Who takes part in the next forward, and with what."""
        jobs = [job for job in self.live if job.token_ids]
        pieces = [self._written(job) for job in jobs]
        room = max(chunk, BLOCK)
        for place, job in enumerate(self.live):
            if job.read or room < BLOCK or self._borrow(job, self.live[:place]):
                continue
            rest = len(job.prompt.ids) - job.filled
            count = rest if rest <= room else room // BLOCK * BLOCK
            jobs.append(job)
            pieces.append(self._unread(job, count))
            room -= count
        return jobs, pieces

    def _written(self, job: Job) -> Piece:
        assert job.run is not None
        at = len(job.prompt.ids) + len(job.token_ids) - 1
        return Piece(Span(job.run.start, at, 1, written=True), job.token_ids[-1:], None, wanted=True)

    def _unread(self, job: Job, count: int) -> Piece:
        assert job.run is not None
        job.begun, first = True, job.filled
        last = first + count == len(job.prompt.ids)
        return Piece(Span(job.run.start, first, count), job.prompt.ids[first : first + count], job.prompt, last)

    def _borrow(self, job: Job, before: Sequence[Job]) -> bool:
        """Take what others have of the prompt's beginning; whether more of it is still being read elsewhere."""
        if job.begun or not self._share or job.run is None:
            return False
        most = (len(job.prompt.ids) - 1) // BLOCK * BLOCK
        source, there, coming = -1, job.filled, job.filled
        for other in before:
            if other.prompt.head == job.prompt.head and other.run is not None and not other.stale:
                alike = _alike(other, job, most)
                coming = max(coming, alike)
                if min(alike, other.filled) > there:
                    source, there = other.run.start, min(alike, other.filled)
        if coming > there:
            return True
        length, kept = self.memory.best(job.prompt.key)
        if kept is not None and min(length, most) > there:
            source, there = kept.start, min(length, most)
        self._take(job, source, there)
        return False

    def _take(self, job: Job, source: int, count: int) -> None:
        """The first tokens of another run become this request's."""
        if job.run is not None and count > job.filled:
            self._runner.copy(source, job.run.start, count)
            self.totals.shared_tokens += count - job.filled
            job.shared += count - job.filled
            job.filled = count

    def _twins(self) -> list[Job]:
        """Requests whose very prompt another one has read: they get all of it, logits too."""
        if not self._share:
            return []
        heads = {id(job.prompt): job for job in reversed(self.live) if job.head_V is not None and not job.stale}
        found = [job for job in self.live if not job.begun and not job.read and id(job.prompt) in heads]
        for job in found:
            other = heads[id(job.prompt)]
            assert other.run is not None
            self._take(job, other.run.start, len(job.prompt.ids))
            job.head_V = other.head_V
        return found

    def _choose(self, jobs: list[Job], logits_BV: torch.Tensor) -> None:
        if self._settings is None or self._settings[0] != jobs:
            self._settings = jobs, sampler.Sampler([job.request for job in jobs], logits_BV.device)
        chosen_B = self._settings[1].choose(self._limited(jobs, logits_BV), self._uniforms(jobs, logits_BV.device))
        written = [job.take(token) for job, token in zip(jobs, chosen_B.tolist(), strict=True)]
        logprobs = sampler.logprobs(logits_BV, torch.tensor(written, device=logits_BV.device)).tolist()
        for row, (job, logprob) in enumerate(zip(jobs, logprobs, strict=True)):
            job.logprobs.append(logprob)
            if job.request.top_logprobs:
                job.likeliest.append(sampler.likeliest(logits_BV[row], job.request.top_logprobs))
        self.totals.written_tokens += len(jobs)

    def _limited(self, jobs: Sequence[Job], logits_BV: torch.Tensor) -> torch.Tensor:
        """Logits less the penalties, at -inf for what the budget's state, or the schema, forbids."""
        states_B = torch.tensor([job.machine.state for job in jobs], device=logits_BV.device)
        out_BV = logits_BV + self._runner.bias_SV[states_B]
        for row, job in enumerate(jobs):
            if job.penalties:
                out_BV[row] = job.penalties.apply(logits_BV[row]) + self._runner.bias_SV[job.machine.state]
            if job.grammar and job.machine.closed:
                out_BV[row] = job.grammar.allow(out_BV[row])
        return out_BV

    def _uniforms(self, jobs: Sequence[Job], device: torch.device) -> torch.Tensor | None:
        """float64 [B] random numbers; None where nobody draws."""
        if all(job.request.temperature == 0 for job in jobs):
            return None
        return torch.tensor([job.uniforms[len(job.token_ids)] for job in jobs], device=device)

    def _release(self) -> list[Job]:
        """Take finished requests out; their prompts stay as long as nobody needs the memory."""
        gone = [job for job in self.live if job.finish]
        if gone:
            self.live = [job for job in self.live if not job.finish]
        for job in gone:
            assert job.run is not None
            kept = self._share and not job.stale
            self.memory.free(job.run, job.prompt.key[: job.filled if kept else 0])
            job.run = job.head_V = None
        return gone


def _alike(other: Job, job: Job, most: int) -> int:
    """Tokens of the prompt that another one's run has, or will have once it is read; one more than `most` where the
    prompts are the same, so that the logits are waited for."""
    if other.prompt is job.prompt:
        return most if other.read else len(job.prompt.ids)
    return min(common(other.prompt.key, job.prompt.key), most)
