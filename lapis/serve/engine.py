"""The torch engine: requests in, tokens out; what a forward is, and what a request may ask.

Usage: `Engine(model, tokenizer).generate([Request((Turn("user", (Text("1+1?"),)),))])[0].text`.

What is unusual: one forward computes the new tokens of all live requests and pieces of prompts together, as one packed
row without padding. A request's greedy tokens do not depend on what else that row holds: in the products a row's result
is the same whatever the number of rows, from ROWS on (measured: fp32 from 4 rows, bf16
from 1), and attention is computed request by request (model/cache.py). One call at a time: not for several threads;
`serve/local.py` has an engine behind an event loop.

Shapes: B requests, T tokens of a forward, V vocabulary, D width, L positions.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, MutableMapping, Sequence
from weakref import WeakValueDictionary

import numpy as np
import torch

from lapis import chat
from lapis.model import anyres
from lapis.model.cache import BLOCK, KVCache, whole
from lapis.model.decoder import Decoder, Rotation, rotation
from lapis.model.vlm import Lapis, text_of
from lapis.said import first_line
from lapis.serve import budget, sampler
from lapis.serve.errors import ConfigFault, MemoryFault
from lapis.serve.grammar import Grammars
from lapis.serve.job import LEAST, Job, Prompt, Reader, begun, prompt_of, room
from lapis.serve.memory import KEPT, Memory
from lapis.serve.session import Piece, Session
from lapis.types import Completion, Image, InputError, Request

CHUNK = 128
"""Tokens of prompts in one forward beside live requests."""
PREFILL_TOKENS = 4096
"""The same where nobody waits for the next token."""
STEP = 512
"""Runs of the cache begin at multiples of so many tokens where they can: then written tokens attend together."""
ROWS = 4
"""Fewest rows of a product: below it other kernels sum in another order."""
TILES = 8
"""Tiles encoded at once."""


class Engine:
    """Generates answers with a model of ours.

    At most `slots` requests are live at once. Their keys and values share a cache of `tokens` tokens (`slots` of the
    full `length`, where not said otherwise), made once: a request takes its prompt and its `max_tokens` of it, and
    waits until they are free. `length` is the most that one may take.

    The model is copied when `dtype` or `device` differ from its own, else used as it is, so later changes of its
    weights are seen. `features` keeps what was made of images (by their bytes) for later calls and other engines, and
    the engine then keeps prompts as well: the weights must stay. Without it each call forgets both. `chunk` tokens of
    prompts are computed between two tokens of live requests; `share` lets prompts take their common beginnings from
    each other, and from `keep` prompts of requests that are gone. Raises ConfigFault for sizes that cannot be.
    """

    def __init__(
        self,
        model: Lapis | Decoder,
        tokenizer: chat.Tokenizer,
        slots: int = 64,
        length: int = 1024,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        features: MutableMapping[bytes, torch.Tensor] | None = None,
        tokens: int | None = None,
        chunk: int = CHUNK,
        share: bool = True,
        keep: int = KEPT,
    ):
        _check(slots, length, chunk)
        self.model = _placed(model, dtype, torch.device(device))
        self.decoder = text_of(self.model)
        self.tokenizer = tokenizer
        self.slots, self.length, self.chunk = slots, length, chunk
        self.device = torch.device(device)
        self.marks = budget.Marks.of(tokenizer)
        self.bias_SV = bias_of(self.marks, tokenizer.size, self.decoder.config.vocab).to(device)
        self._cache: KVCache | None = None
        self._turn: tuple[object, Rotation] | None = None
        self._kept = features is not None
        self.features: MutableMapping[bytes, torch.Tensor] = {} if features is None else features
        self._grammars = Grammars(tokenizer)
        self._prompts: WeakValueDictionary[bytes, Prompt] = WeakValueDictionary()
        memory = Memory(slots * whole(length) if tokens is None else whole(tokens), min(STEP, whole(length)), keep)
        self.session = Session(self, memory, share)

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order of the requests.

        Raises InputError for a value out of range, a broken image, or a prompt that the cache cannot hold.
        """
        jobs = self._begin(requests)
        try:
            while not self.session.idle:
                self.session.step(PREFILL_TOKENS)
        finally:
            self._end()
        return [job.completion(self.tokenizer) for job in jobs]

    def stream(self, request: Request) -> Iterator[str]:
        """The answer piece by piece, whole characters only; a thought stands between `<think>` and `</think>`.

        Closing the iterator cancels the request. Raises as `generate` does.
        """
        (job,) = self._begin([request])
        reader = Reader(job)
        if opening := reader.begin():
            yield opening
        try:
            while not job.finish:
                self.session.step(PREFILL_TOKENS)
                if piece := reader.marked():
                    yield piece
        finally:
            self._end()

    def _begin(self, requests: Sequence[Request]) -> list[Job]:
        self._end()
        return self.add(requests)

    def add(self, requests: Sequence[Request]) -> list[Job]:
        """Jobs of the requests in the session, their images encoded. Raises as `generate` does."""
        jobs = [self.job(request) for request in requests]
        self._encode([job.prompt for job in jobs])
        for job in jobs:
            self.session.add(job)
        return jobs

    def _end(self) -> None:
        self.session.clear()
        if not self._kept:
            self.forget()

    def forget(self) -> None:
        """Drop what was computed for later: images' features and prompts. To be called when the weights change."""
        self.features.clear()
        self.session.forget()

    def job(self, request: Request) -> Job:
        """A request checked and made tokens. Its images must be encoded (`Prompt.features_VD`) before a session gets
        it. Raises InputError for a value out of range and for what does not fit."""
        sampler.check(request)
        prompt = self.prompt(request)
        most = room(request, len(prompt.ids), self.length)
        if len(prompt.ids) + most > self.session.memory.tokens:
            raise MemoryFault(
                f"request: {len(prompt.ids)} tokens and {most} to write, expected at most "
                f"{self.session.memory.tokens} together, which is all of the cache"
            )
        grammar = self._grammars.of(request.schema) if request.schema else None
        return begun(request, prompt, most, self.marks, grammar, self.bias_SV.shape[1], self.device)

    def prompt(self, request: Request) -> Prompt:
        """The request as token ids and images. Raises InputError where a text model gets an image."""
        shown = request.budget if request.show_budget and request.budget >= 0 else None
        encoded = chat.encode_prompt(request.turns, request.think, shown, self.tokenizer, self.tiles)
        prompt = prompt_of(encoded, self.tokenizer, self.tiles)
        return self._prompts.setdefault(prompt.key.tobytes(), prompt)

    def tiles(self, image: Image) -> int:
        """How many tiles an image becomes. Raises InputError where the model reads text only."""
        shape = self._whole().config
        return anyres.tile_count(image.width, image.height, shape.anyres, shape.vit.tile)

    def _whole(self) -> Lapis:
        if not isinstance(self.model, Lapis):
            raise InputError("image: this model reads text only")
        return self.model

    @torch.inference_mode()
    def encode(self, image: Image) -> Iterator[torch.Tensor]:
        """Features of an image, TILES tiles at a time. Raises InputError for one that cannot be decoded."""
        model = self._whole()
        shape = model.config
        tiles_NSS3 = torch.from_numpy(anyres.cut(anyres.decode(image), shape.anyres, shape.vit.tile))
        for part in tiles_NSS3.split(TILES):
            yield model.features(part.to(self.device))

    @torch.inference_mode()
    def _encode(self, prompts: Sequence[Prompt]) -> None:
        """Give prompts the features of their images; each image is encoded once."""
        images = {image.data: image for prompt in prompts for image in prompt.images}
        found = {data: self.features[data] for data in images if data in self.features}
        fresh = [image for data, image in images.items() if data not in found]
        made = encode_images(self._whole(), fresh, self.device) if fresh else []
        found.update((image.data, features_VD) for image, features_VD in zip(fresh, made, strict=True))
        self.features.update(found)
        for prompt in prompts:
            if prompt.images:
                prompt.features_VD = torch.cat([found[image.data] for image in prompt.images])

    # What a session runs on (session.Runner)

    @torch.inference_mode()
    def forward(self, pieces: Sequence[Piece]) -> torch.Tensor:
        """Compute pieces of requests in one packed row; float32 [B, V] logits of those that want them."""
        ids = [token for piece in pieces for token in piece.ids]
        at = [p for piece in pieces for p in range(piece.span.first, piece.span.first + piece.span.count)]
        padding = [0] * (ROWS - len(ids))
        tokens_1T = torch.tensor([ids + padding], device=self.device)
        at_T = torch.tensor(at + padding, device=self.device)
        cos_1L1P, sin_1L1P = self._rotation()
        turn = cos_1L1P[:, at_T], sin_1L1P[:, at_T]
        view = self.cache.view([piece.span for piece in pieces])
        hidden_1TD = self.decoder.extend(self._embed(tokens_1T, pieces), turn, view)
        return self._logits(hidden_1TD[0], pieces)

    def _embed(self, tokens_1T: torch.Tensor, pieces: Sequence[Piece]) -> torch.Tensor:
        image = self.tokenizer.id(chat.IMAGE)
        read = [piece for piece in pieces if piece.prompt is not None and piece.prompt.images]
        features = [p.prompt.features(p.span.first, p.span.count, image) for p in read if p.prompt is not None]
        known = [features_VD for features_VD in features if features_VD is not None]
        return self._whole().merge(tokens_1T, torch.cat(known)) if known else self.decoder.embed(tokens_1T)

    def _logits(self, hidden_TD: torch.Tensor, pieces: Sequence[Piece]) -> torch.Tensor:
        ends = np.cumsum([piece.span.count for piece in pieces]) - 1
        wanted = [int(end) for end, piece in zip(ends, pieces, strict=True) if piece.wanted]
        if not wanted:
            return torch.zeros(0, self.bias_SV.shape[1], device=self.device)
        if len(wanted) < len(hidden_TD):
            hidden_TD = hidden_TD[wanted + [0] * (ROWS - len(wanted))]
        return self.decoder.logits(hidden_TD)[: len(wanted)].float()

    def _rotation(self) -> Rotation:
        """cos and sin of all positions [1, L, 1, P], made anew when the decoder's positions change."""
        shape = self.decoder.config
        if self._turn is None or self._turn[0] is not shape:
            positions_1L = torch.arange(whole(self.length), device=self.device)[None]
            dtype = self.decoder.embedding.weight.dtype
            cos, sin = rotation(shape, positions_1L)
            self._turn = shape, (cos.to(dtype), sin.to(dtype))
        return self._turn[1]

    @torch.inference_mode()
    def copy(self, source: int, target: int, count: int) -> None:
        """The first `count` tokens of one run of the cache into another."""
        self.cache.copy(source, target, count)

    @property
    def cache(self) -> KVCache:
        """Made at its first use. Raises MemoryFault where there is no memory for it."""
        if self._cache is None:
            weight, memory = self.decoder.embedding.weight, self.session.memory
            try:
                self._cache = KVCache(self.decoder.config, memory.tokens, weight.dtype, self.device, memory.step)
            except RuntimeError as error:
                raise MemoryFault(f"cache: no memory for {memory.tokens} tokens ({first_line(error)})") from None
        return self._cache


def encode_images(model: Lapis, images: Sequence[Image], device: torch.device | str = "cpu") -> list[torch.Tensor]:
    """Features [tokens of all its tiles, D] of each image. Raises InputError for one that cannot be decoded."""
    shape = model.config
    tiles = [torch.from_numpy(anyres.cut(anyres.decode(image), shape.anyres, shape.vit.tile)) for image in images]
    if not tiles:
        return []
    features = torch.cat([model.features(part.to(device)) for part in torch.cat(tiles).split(TILES)])
    return list(features.split([len(part) * shape.tokens_per_tile for part in tiles]))


def bias_of(marks: budget.Marks, known: int, vocab: int) -> torch.Tensor:
    """float32 [states, V]: -inf where a state forbids a token (and on ids that the tokenizer does not know)."""
    bias_SV = torch.zeros(len(budget.State), vocab)
    bias_SV[:, known:] = -math.inf
    for state in budget.State:
        bias_SV[state, list(marks.forbidden(state))] = -math.inf
    return bias_SV


def _placed(model: Lapis | Decoder, dtype: torch.dtype, device: torch.device) -> Lapis | Decoder:
    """The model in a dtype on a device; a copy where that changes it."""
    fits = all(tensor.dtype == dtype and tensor.device.type == device.type for tensor in model.parameters())
    return model if fits else copy.deepcopy(model).to(device, dtype)


def _check(slots: int, length: int, chunk: int) -> None:
    if slots < 1 or length < LEAST:
        raise ConfigFault(f"engine: {slots} slots of {length} tokens, expected at least 1 of {LEAST}")
    if chunk < BLOCK:
        raise ConfigFault(f"chunk: {chunk} tokens, expected at least {BLOCK}")
