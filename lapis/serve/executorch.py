"""A program of `lapis export --to executorch` as an engine: one request at a time, in the order of calls of a phone.

    device = Device(folder)           # init
    device.encode(image)              # as soon as there is one, before anything is asked
    device.forward(request, print)    # a call for every piece of the answer
    device.reset()                    # forget the conversation

`interrupt` may come from another thread at any time; `trace` tells how long the last of each took. Unusual: a prompt
that goes on from what the cache holds, as the next question of a conversation does, is computed from there on.

Shape legend: T tokens, D width, V vocabulary, N tiles, S pixels of a tile's side, Q image tokens of a tile.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lapis import chat, config, files, outside
from lapis.model import anyres
from lapis.model.convert import config_of
from lapis.serve import budget, sampler
from lapis.serve.engine import LEAST, Text
from lapis.serve.errors import ConfigFault, DecodeTooLong, MemoryFault, PromptTooLong, Released
from lapis.types import Completion, Image, InputError, Request

PROGRAM, ABOUT = "model.pte", "program.json"
NO_MEMORY = ("0x21", "0x22", "MemoryAllocation")
"""How the runtime names that it got no memory."""
Key = tuple[int, bytes, int]
"""What stands at a place of the cache: a token, and of an image token the image's hash and its row of the features."""


@dataclass(slots=True)
class Trace:
    """What the last calls took. Times are seconds, speeds tokens a second; 0 where nothing was done."""

    init_seconds: float = 0.0
    vit_seconds: float = 0.0
    tiles: int = 0
    """Tiles of the image that was encoded last."""
    input_tokens: int = 0
    """Of the prompt."""
    computed_tokens: int = 0
    """Of the prompt, those that the cache did not hold yet."""
    output_tokens: int = 0
    first_seconds: float = 0.0
    """From the question to the first token."""
    prefill_speed: float = 0.0
    decode_speed: float = 0.0


class Device:
    """A program, loaded. One request at a time. Satisfies `types.Generator` and the terminal's engine.

    `memory` is the most bytes that program and cache may take. Raises ConfigFault where the folder holds no whole
    program, and MemoryFault where it needs more.
    """

    def __init__(self, folder: Path, memory: float = math.inf):
        began = time.perf_counter()
        about = _about(folder)
        needed = (folder / PROGRAM).stat().st_size + about["cache_bytes"]
        if needed > memory:
            raise MemoryFault(f"{folder}: needs {needed:,} bytes, expected at most {memory:,.0f}")
        self.shape = config_of(folder)
        self.decoder = self.shape.decoder if isinstance(self.shape, config.Model) else self.shape
        self.length, self.chunk = int(about["size"]["length"]), int(about["size"]["chunk"])
        self.batch = int(about["size"]["tiles"])
        tokens = self.shape.tokens_per_tile if isinstance(self.shape, config.Model) else 1
        self.tokenizer = chat.Tokenizer.load(folder, tokens)
        self.marks = budget.Marks.of(self.tokenizer)
        self._methods = _load(folder)
        self._features: dict[bytes, Tensor] = {}
        self._held: list[Key] = []
        self._stop = threading.Event()
        self.trace = Trace(init_seconds=time.perf_counter() - began)

    def encode(self, image: Image) -> int:
        """Look at an image, so that a question about it need not wait; returns its tiles, 0 where it was interrupted.

        Raises InputError for a broken image, or where the model reads text only.
        """
        self._stop.clear()
        return self._look(image)

    def _look(self, image: Image) -> int:
        whole, name = self._whole(), _digest(image)
        if name in self._features:
            return len(self._features[name]) // whole.tokens_per_tile
        began, parts = time.perf_counter(), []
        tiles_NSS3 = torch.from_numpy(anyres.cut(anyres.decode(image), whole.anyres, whole.vit.tile))
        for part in tiles_NSS3.split(self.batch):
            if self._stop.is_set():
                return 0
            parts.append(self._call("vision_encoder", part.contiguous()).clone())
        self._features[name] = torch.cat(parts).flatten(0, 1)
        self.trace.vit_seconds, self.trace.tiles = time.perf_counter() - began, len(tiles_NSS3)
        return len(tiles_NSS3)

    def forward(self, request: Request, heard: Callable[[str], None] = lambda piece: None) -> Completion:
        """Answer, with a call of `heard` for each piece of text; thoughts stand between `<think>` and `</think>`.

        Raises PromptTooLong where the cache leaves no room for an answer, DecodeTooLong where it is full before the
        answer is done, InputError for values out of range and for what this engine cannot do, Released after release.
        """
        job = self._job(request)
        written = Text(self.tokenizer, self.marks)
        for _ in self._run(job):
            if piece := written.add(job.ids):
                heard(piece)
        if rest := written.rest():
            heard(rest)
        return job.completion(self.tokenizer)

    def stream(self, request: Request) -> Iterator[str]:
        """As `forward`, piece by piece; closing the iterator cancels the request."""
        job = self._job(request)
        written = Text(self.tokenizer, self.marks)
        for _ in self._run(job):
            if piece := written.add(job.ids):
                yield piece
        if rest := written.rest():
            yield rest

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers, one after the other."""
        return [self.forward(request) for request in requests]

    def interrupt(self) -> None:
        """End what runs before its next token, chunk of the prompt or batch of tiles."""
        self._stop.set()

    def reset(self) -> None:
        """Forget the conversation and its images. The cache need not be cleared: what a prompt did not write is never
        looked at."""
        self._alive()
        self._held.clear()
        self._features.clear()

    def release(self) -> None:
        """Give the program's memory back; every later call raises Released."""
        self._methods = {}
        self._features.clear()

    def logits(self, encoded: chat.Encoded) -> Tensor:
        """fp32 [V] after a prompt."""
        return self._prefill(self._keys(encoded))

    def nll(self, encoded: chat.Encoded) -> list[float]:
        """Nats of each trained token of a sample, given all before it. Raises PromptTooLong where it does not fit."""
        if len(encoded.ids) > self.length:
            raise PromptTooLong(f"sample: {len(encoded.ids)} tokens, expected at most {self.length}")
        keys, first = self._keys(encoded), encoded.trained.index(True)
        self._held.clear()
        logits_V, out = self._prefill(keys[:first]), []
        for place in range(first, len(keys)):
            if encoded.trained[place]:
                out.append(-float(logits_V.log_softmax(-1)[keys[place][0]]))
            logits_V = self._compute(keys[place : place + 1])
        return out

    # How a request passes

    def _job(self, request: Request) -> Job:
        self._alive()
        self._stop.clear()
        sampler.check(request)
        _refuse(request)
        shown = request.budget if request.show_budget and request.budget >= 0 else None
        encoded = chat.encode_prompt(request.turns, request.think, shown, self.tokenizer, self._tiles)
        room = self.length - len(encoded.ids)
        if room < LEAST:
            raise PromptTooLong(f"prompt: {len(encoded.ids)} tokens, expected at most {self.length - LEAST}")
        most = min(request.max_tokens, room)
        limits = budget.Limits(request.budget, most, request.reserve, request.grace)
        machine = budget.Machine(self.marks, encoded.ids, request.think, limits)
        return Job(request, encoded, machine, most, sampler.uniforms(request.seed, most).tolist())

    def _run(self, job: Job) -> Iterator[None]:
        """Yields after every token."""
        began = time.perf_counter()
        choose = sampler.Sampler([job.request])
        keys = self._keys(job.encoded)
        looked = time.perf_counter()
        logits_V = self._prefill(keys)
        self.trace.input_tokens, filled = len(keys), time.perf_counter()
        self.trace.prefill_speed = self.trace.computed_tokens / (filled - looked)
        while not (job.finish or self._stop.is_set()):
            self._choose(job, logits_V, choose)
            if len(job.ids) == 1:
                self.trace.first_seconds = time.perf_counter() - began
            yield
            if not job.finish:
                logits_V = self._compute([(job.ids[-1], b"", 0)])
        self.trace.output_tokens = len(job.ids)
        self.trace.decode_speed = max(0, len(job.ids) - 1) / (time.perf_counter() - filled)
        job.finish = job.finish or "cancelled"
        if job.finish == "length" and job.most < job.request.max_tokens:
            raise DecodeTooLong(f"answer: the cache of {self.length} tokens is full after {job.most} of its tokens")

    def _choose(self, job: Job, logits_V: Tensor, choose: sampler.Sampler) -> None:
        allowed_V = logits_V.clone()
        allowed_V[self.tokenizer.size :] = -math.inf
        allowed_V[list(self.marks.forbidden(job.machine.state))] = -math.inf
        uniform_B = torch.tensor(job.uniforms[len(job.ids)], dtype=torch.float64)[None]
        token, forced = job.machine.take(int(choose.choose(allowed_V[None], uniform_B)))
        logprob = float(sampler.logprobs(logits_V[None], torch.tensor([token])))
        job.write(token, forced, logprob, self.marks.end)

    def _prefill(self, keys: Sequence[Key]) -> Tensor:
        """Logits [V] after a prompt; what the cache holds of its beginning is left as it is, but for the last token."""
        same = next((at for at, pair in enumerate(zip(keys, self._held, strict=False)) if pair[0] != pair[1]), None)
        kept = min(len(keys) - 1, len(self._held) if same is None else same)
        del self._held[kept:]
        self.trace.computed_tokens = len(keys) - kept
        logits_V = torch.empty(0)
        for start in range(kept, len(keys), self.chunk):
            if self._stop.is_set():
                break
            logits_V = self._compute(keys[start : start + self.chunk])
        return logits_V

    def _compute(self, keys: Sequence[Key]) -> Tensor:
        """Write at most a chunk of tokens behind those that are held; logits [V] after the last."""
        x_1TD = self._call("token_embedding", torch.tensor([[token for token, _, _ in keys]])).clone()
        for place, (_, image, row) in enumerate(keys):
            if image:
                x_1TD[0, place] = self._features[image][row]
        at_T = torch.arange(len(self._held), len(self._held) + len(keys))
        logits_V = self._call("text_decoder", x_1TD, at_T)[0].clone()
        self._held += keys
        return logits_V

    def _call(self, name: str, *inputs: Tensor) -> Tensor:
        self._alive()
        try:
            out: Tensor = self._methods[name].execute(inputs)[0]
        except RuntimeError as error:
            raise _fault(error) from error
        return out

    # What a request is made of

    def _keys(self, encoded: chat.Encoded) -> list[Key]:
        """What must stand in the cache for a prompt; its images are encoded where they are not yet."""
        rows: list[tuple[bytes, int]] = []
        for image in encoded.images:
            self._look(image)
            name = _digest(image)
            rows += [(name, row) for row in range(len(self._features.get(name, ())))]
        shown, mark = iter(rows), self.tokenizer.id(chat.IMAGE)
        return [(token, *next(shown, (b"", 0))) if token == mark else (token, b"", 0) for token in encoded.ids]

    def _tiles(self, image: Image) -> int:
        whole = self._whole()
        return anyres.tile_count(image.width, image.height, whole.anyres, whole.vit.tile)

    def _whole(self) -> config.Model:
        self._alive()
        if not isinstance(self.shape, config.Model):
            raise InputError("image: this model reads text only")
        return self.shape

    def _alive(self) -> None:
        if not self._methods:
            raise Released("this engine was released")


@dataclass(eq=False, slots=True)
class Job:
    """A request on its way."""

    request: Request
    encoded: chat.Encoded
    machine: budget.Machine
    most: int
    """Tokens that it may write: those it asked for, or what the cache has room for."""
    uniforms: list[float]
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    forced: list[bool] = field(default_factory=list)
    finish: str = ""

    def write(self, token: int, forced: bool, logprob: float, end: int) -> None:
        self.ids.append(token)
        self.forced.append(forced)
        self.logprobs.append(logprob)
        if token == end:
            self.finish = "stop"
        elif len(self.ids) == self.most:
            self.finish = "length"

    def completion(self, tokenizer: chat.Tokenizer) -> Completion:
        closed = self.machine.state >= budget.State.OPENED
        thought, text, _ = chat.split_answer(self.ids, tokenizer, think=not closed)
        return Completion(
            text=text,
            thought=thought.removeprefix(chat.THINK).strip("\n"),
            prompt_ids=tuple(self.encoded.ids),
            token_ids=tuple(self.ids),
            logprobs=tuple(self.logprobs),
            forced=tuple(self.forced),
            thought_tokens=self.machine.thought_tokens,
            finish=self.finish,
            closed=closed,
        )


def _about(folder: Path) -> dict[str, Any]:
    if not files.is_program(folder):
        raise ConfigFault(
            f"{folder}: no program there; expected {PROGRAM} and {ABOUT} of `lapis export --to executorch`"
        )
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        _ = about["cache_bytes"], about["size"]["length"]
    except (ValueError, KeyError, TypeError):
        raise ConfigFault(f"{folder / ABOUT}: broken; export the program again") from None
    return about


def _load(folder: Path) -> dict[str, Any]:
    """The program's methods by name."""
    try:
        outside.use(outside.EXECUTORCH)
    except InputError as error:
        raise ConfigFault(str(error)) from None
    from executorch.runtime import Runtime

    try:
        program = Runtime.get().load_program(folder / PROGRAM)
        return {name: program.load_method(name) for name in sorted(program.method_names)}
    except RuntimeError as error:
        if any(name in str(error) for name in NO_MEMORY):
            raise _fault(error) from error
        raise ConfigFault(f"{folder / PROGRAM}: cannot be loaded ({error})") from None


def _fault(error: RuntimeError) -> Exception:
    """The runtime's error as one of ours where its name says which."""
    if any(name in str(error) for name in NO_MEMORY):
        return MemoryFault(f"the runtime got no memory ({error})")
    return error


def _refuse(request: Request) -> None:
    """Raises InputError for what a request may ask of other engines alone."""
    plain = Request(request.turns)
    others = ("min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "stop", "top_logprobs", "schema")
    for name in others:
        if getattr(request, name) != getattr(plain, name):
            raise InputError(f"{name}: this engine has none; expected its default")


def _digest(image: Image) -> bytes:
    return hashlib.sha256(image.data).digest()
