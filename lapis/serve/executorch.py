"""A program of `lapis export --to executorch` as an engine: one request at a time, in the order of calls of a phone.

    device = Device(folder)           # init
    device.encode(image)              # as soon as there is one, before anything is asked
    device.forward(request, print)    # a call for every piece of the answer
    device.reset()                    # forget the conversation

`interrupt` may come from another thread at any time; `trace` tells how long the last of each took. Unusual: what of a
prompt stands in the cache already is not computed again, so the next question of a conversation costs its own tokens.

Shape legend: B = 1 row, T tokens, C of a chunk, D width, V vocabulary, N tiles, S pixels of a tile's side.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lapis import chat, config, files, outside
from lapis.model import anyres
from lapis.model.cache import Span, whole
from lapis.model.convert import config_of
from lapis.serve import budget, sampler
from lapis.serve.engine import bias_of
from lapis.serve.errors import ConfigFault, DecodeTooLong, MemoryFault, PromptTooLong, Released
from lapis.serve.grammar import Grammars
from lapis.serve.job import LEAST, Job, Prompt, Reader, begun, prompt_of
from lapis.serve.memory import Memory
from lapis.serve.session import Piece, Session
from lapis.types import Completion, Image, InputError, Request

PROGRAM, ABOUT = "model.pte", "program.json"
NO_MEMORY = ("0x21", "0x22", "MemoryAllocation")
"""How the runtime names that it got no memory."""


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


class Program:
    """A program, loaded, with what its cache holds. What a session runs on (session.Runner).

    Raises ConfigFault where the folder holds no whole program, and MemoryFault where program and cache take more than
    `memory` bytes.
    """

    slots = 1

    def __init__(self, folder: Path, memory: float = math.inf):
        about = _about(folder)
        needed = (folder / PROGRAM).stat().st_size + about["cache_bytes"]
        if needed > memory:
            raise MemoryFault(f"{folder}: needs {needed:,} bytes, expected at most {memory:,.0f}")
        self.shape = config_of(folder)
        decoder = config.decoder_of(self.shape)
        self.length, self.chunk, self.batch = (int(about["size"][name]) for name in ("length", "chunk", "tiles"))
        tokens = config.tile_tokens(self.shape)
        self.tokenizer = chat.Tokenizer.load(folder, tokens)
        self.image = self.tokenizer.id(chat.IMAGE)
        self.marks = budget.Marks.of(self.tokenizer)
        self.bias_SV = bias_of(self.marks, self.tokenizer.size, decoder.vocab)
        self.computed = 0
        """Tokens of prompts that were computed so far."""
        self._methods = _load(folder)
        self._held: list[int] = []
        """Key of every token in the cache."""

    def forward(self, pieces: Sequence[Piece]) -> Tensor:
        """Tokens of the one request behind those before them; float32 [B, V] logits after the last, where wanted."""
        (piece,) = pieces
        first, prompt = piece.span.first, piece.prompt
        keys = list(piece.ids) if prompt is None else prompt.key[first : first + piece.span.count].tolist()
        known = self._known(first, keys, piece.wanted)
        if known < len(keys):
            del self._held[first + known :]
        features_VD = None if prompt is None else prompt.features(first + known, len(keys) - known, self.image)
        logits_BV = self._write(piece.ids[known:], keys[known:], features_VD)
        self.computed += 0 if prompt is None else len(keys) - known
        return logits_BV if piece.wanted else logits_BV[:0]

    def _write(self, ids: Sequence[int], keys: Sequence[int], features_VD: Tensor | None) -> Tensor:
        """Tokens behind those that are held, chunk by chunk; logits [1, V] after the last, none without tokens."""
        tokens_1T, logits_BV, shown = torch.tensor([list(ids)]), torch.zeros(0, self.bias_SV.shape[1]), 0
        for start in range(0, len(ids), self.chunk):
            part_1C = tokens_1T[:, start : start + self.chunk].contiguous()
            x_1CD = self.call("token_embedding", part_1C).clone()
            places_1C = part_1C == self.image
            if features_VD is not None:
                seen = int(places_1C.sum())
                x_1CD[places_1C] = features_VD[shown : shown + seen]
                shown += seen
            at_C = torch.arange(len(self._held), len(self._held) + part_1C.shape[1])
            logits_BV = self.call("text_decoder", x_1CD, at_C).clone()
            self._held += keys[start : start + self.chunk]
        return logits_BV

    def _known(self, first: int, keys: Sequence[int], wanted: bool) -> int:
        """How many of the tokens the cache holds in their places; the last is computed where its logits are wanted."""
        there = self._held[first : first + len(keys)]
        same = next((at for at, (one, other) in enumerate(zip(there, keys, strict=False)) if one != other), len(there))
        return min(same, len(keys) - 1) if wanted else same

    def copy(self, source: int, target: int, count: int) -> None:
        """Never asked for: a session of one slot that shares nothing has one run."""
        raise Released("a program's cache has one run")

    def call(self, name: str, *inputs: Tensor) -> Tensor:
        """What a method gives, in the program's own memory: to be copied before the next call."""
        if not self._methods:
            raise Released("this engine was released")
        try:
            out: Tensor = self._methods[name].execute(inputs)[0]
        except RuntimeError as error:
            raise _fault(error) from error
        return out

    def forget(self) -> None:
        """The cache holds nothing more; it need not be cleared, since what lies behind a position is never seen."""
        self._held.clear()

    def release(self) -> None:
        """Give its memory back."""
        self._methods = {}


class Device:
    """A program as an engine. One request at a time. Satisfies `types.Generator`, and the terminal as an engine does.

    `memory` is the most bytes that program and cache may take. Raises as Program does.
    """

    def __init__(self, folder: Path, memory: float = math.inf):
        began = time.perf_counter()
        self.program = Program(folder, memory)
        self.length, self.tokenizer = self.program.length, self.program.tokenizer
        self._session = Session(self.program, Memory(whole(self.length)), share=False)
        self._grammars = Grammars(self.tokenizer)
        self._features: dict[bytes, Tensor] = {}
        self._stop = threading.Event()
        self.trace = Trace(init_seconds=time.perf_counter() - began)

    def encode(self, image: Image) -> int:
        """Look at an image, so that a question about it need not wait; returns its tiles, 0 where it was interrupted.

        Raises InputError for a broken image, or where the model reads text only.
        """
        self._stop.clear()
        return self._look(image)

    def _look(self, image: Image) -> int:
        shape = self._whole()
        if image.data in self._features:
            return len(self._features[image.data]) // shape.tokens_per_tile
        began, parts = time.perf_counter(), []
        tiles_NSS3 = torch.from_numpy(anyres.cut(anyres.decode(image), shape.anyres, shape.vit.tile))
        for part in tiles_NSS3.split(self.program.batch):
            if self._stop.is_set():
                return 0
            parts.append(self.program.call("vision_encoder", part.contiguous()).clone())
        self._features[image.data] = torch.cat(parts).flatten(0, 1)
        self.trace.vit_seconds, self.trace.tiles = time.perf_counter() - began, len(tiles_NSS3)
        return len(tiles_NSS3)

    def forward(self, request: Request, heard: Callable[[str], None] = lambda piece: None) -> Completion:
        """Answer, with a call of `heard` for each piece of text; a thought stands between `<think>` and `</think>`.

        Raises PromptTooLong where the cache leaves no room for an answer, DecodeTooLong where it is full before the
        answer is done, InputError for values out of range, Released after `release`.
        """
        job = self._job(request)
        for piece in self._pieces(job):
            heard(piece)
        return job.completion(self.tokenizer)

    def stream(self, request: Request) -> Iterator[str]:
        """As `forward`, piece by piece; closing the iterator cancels the request."""
        return self._pieces(self._job(request))

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers, one after the other."""
        return [self.forward(request) for request in requests]

    def interrupt(self) -> None:
        """End what runs before its next token, chunk of the prompt or batch of tiles."""
        self._stop.set()

    def reset(self) -> None:
        """Forget the conversation and its images."""
        self.program.forget()
        self._features.clear()

    def release(self) -> None:
        """Give the program's memory back; every later call raises Released."""
        self.program.release()
        self._features.clear()

    def logits(self, encoded: chat.Encoded) -> Tensor:
        """fp32 [V] after a prompt."""
        prompt = self._prompt(encoded)
        self._see(prompt)
        return self.program.forward([_piece(prompt, 0, len(prompt.ids))])[0]

    def nll(self, encoded: chat.Encoded) -> list[float]:
        """Nats of each trained token of a sample, given all before it, one at a time as an answer is written."""
        prompt, first, out = self._prompt(encoded), encoded.trained.index(True), []
        self._see(prompt)
        self.program.forget()
        logits_BV = self.program.forward([_piece(prompt, 0, first)])
        for place in range(first, len(prompt.ids)):
            if encoded.trained[place]:
                out.append(-float(logits_BV[0].log_softmax(-1)[prompt.ids[place]]))
            logits_BV = self.program.forward([_piece(prompt, place, 1)])
        return out

    # How a request passes

    def _job(self, request: Request) -> Job:
        self._stop.clear()
        sampler.check(request)
        shown = request.budget if request.show_budget and request.budget >= 0 else None
        prompt = self._prompt(chat.encode_prompt(request.turns, request.think, shown, self.tokenizer, self._tiles))
        room = self.length - len(prompt.ids)
        if room < LEAST:
            raise PromptTooLong(f"prompt: {len(prompt.ids)} tokens, expected at most {self.length - LEAST}")
        grammar = self._grammars.of(request.schema) if request.schema else None
        vocab = self.program.bias_SV.shape[1]
        return begun(request, prompt, min(request.max_tokens, room), self.program.marks, grammar, vocab)

    def _prompt(self, encoded: chat.Encoded) -> Prompt:
        """Raises PromptTooLong where the cache cannot hold it, Released after `release`."""
        if len(encoded.ids) > self.length:
            raise PromptTooLong(f"prompt: {len(encoded.ids)} tokens, expected at most {self.length}")
        return prompt_of(encoded, self.tokenizer, self._tiles)

    def _see(self, prompt: Prompt) -> None:
        """Give a prompt the features of its images; without all of them it is not computed."""
        if prompt.images and all(self._look(image) for image in prompt.images):
            prompt.features_VD = torch.cat([self._features[image.data] for image in prompt.images])

    def _pieces(self, job: Job) -> Iterator[str]:
        """What is written, as it comes."""
        began, computed, reader = time.perf_counter(), self.program.computed, Reader(job)
        self._see(job.prompt)
        looked = filled = time.perf_counter()
        if opening := reader.begin():
            yield opening
        self._session.add(job)
        try:
            while not job.finish and not self._stop.is_set():
                self._session.step(self.program.chunk)
                if len(job.token_ids) == 1:
                    filled = time.perf_counter()
                if piece := reader.marked():
                    yield piece
        finally:
            self._session.clear()
            job.finish = job.finish or "cancelled"
            self._note(job, began, looked, filled, self.program.computed - computed)
        if job.finish == "length" and job.max_tokens < job.request.max_tokens:
            raise DecodeTooLong(
                f"answer: the cache of {self.length} tokens is full after {job.max_tokens} of its tokens"
            )

    def _note(self, job: Job, began: float, looked: float, filled: float, computed: int) -> None:
        trace, written = self.trace, len(job.token_ids)
        trace.input_tokens, trace.computed_tokens, trace.output_tokens = len(job.prompt.ids), computed, written
        trace.first_seconds = filled - began
        trace.prefill_speed = computed / max(filled - looked, 1e-9)
        trace.decode_speed = max(0, written - 1) / max(time.perf_counter() - filled, 1e-9)

    def _tiles(self, image: Image) -> int:
        shape = self._whole()
        return anyres.tile_count(image.width, image.height, shape.anyres, shape.vit.tile)

    def _whole(self) -> config.Model:
        if not isinstance(self.program.shape, config.Model):
            raise InputError("image: this model reads text only")
        return self.program.shape


def _piece(prompt: Prompt, first: int, count: int) -> Piece:
    return Piece(Span(0, first, count), prompt.ids[first : first + count], prompt, wanted=True)


def _about(folder: Path) -> dict[str, Any]:
    if not files.is_program(folder):
        raise ConfigFault(f"{folder}: no whole program there; `lapis export RUN --to executorch` writes one")
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        _ = about["cache_bytes"], about["size"]["length"]
    except (ValueError, KeyError, TypeError):
        raise ConfigFault(f"{folder / ABOUT}: broken; export the program again") from None
    return about


def _load(folder: Path) -> dict[str, Any]:
    """The program's methods by name. Each comes of a load of its own: those of one load share the memory in which the
    decoder keeps its cache, and looking at a picture would write over it."""
    try:
        outside.use(outside.EXECUTORCH)
    except InputError as error:
        raise ConfigFault(str(error)) from None
    from executorch.runtime import Runtime

    try:
        runtime = Runtime.get()
        names = sorted(runtime.load_program(folder / PROGRAM).method_names)
        return {name: runtime.load_program(folder / PROGRAM).load_method(name) for name in names}
    except RuntimeError as error:
        if any(name in str(error) for name in NO_MEMORY):
            raise _fault(error) from error
        raise ConfigFault(f"{folder / PROGRAM}: cannot be loaded ({error})") from None


def _fault(error: RuntimeError) -> Exception:
    """The runtime's error as one of ours where its name says which."""
    if any(name in str(error) for name in NO_MEMORY):
        return MemoryFault(f"the runtime got no memory ({error})")
    return error
