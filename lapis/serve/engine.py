"""The torch engine: continuous batching over cache slots, budgets, images; the rollout engine of RL on a CPU.

Usage: `Engine(model, tokenizer).generate([Request((Turn("user", (Text("1+1?"),)),))])[0].text`.

What is unusual: an image is encoded once per `generate` call, or once for many calls, however many requests show it;
requests with the same prompt prefill it once; a request's tokens depend on its own seed alone. One call at a time: not
for several threads.

Shapes: B requests, T tokens of a padded prompt, V vocabulary, D width, N tiles, S pixels of a tile's side.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

import torch

from lapis import chat
from lapis.model import anyres
from lapis.model.attention import KVCache
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.serve import budget, sampler
from lapis.serve.session import Job, Prompt, Session
from lapis.types import Completion, Image, InputError, Request

BUCKET = 32
"""Prompts are padded to a multiple of this many tokens and prefilled with others of the same padded length."""
PREFILL_TOKENS = 4096
"""Most padded tokens of one prefill forward."""
LEAST = 3
"""Tokens that must be left for a reply: two marks of a thought, and one of an answer."""
TILES = 8
"""Tiles encoded at once."""


class Engine:
    """Generates answers with a model of ours.

    `slots` requests run at once, each in a cache of `length` tokens for prompt and answer. The model is copied when
    `dtype` or `device` differ from its own, else used as it is, so later changes of its weights are seen. `features`
    keeps what was made of images (by their bytes) for later calls and other engines, while the weights stay; without it
    each call forgets them.
    """

    def __init__(
        self,
        model: Lapis | Decoder,
        tokenizer: chat.Tokenizer,
        slots: int = 64,
        length: int = 1024,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        features: dict[bytes, torch.Tensor] | None = None,
    ):
        self.model = _placed(model, dtype, torch.device(device))
        self.decoder = self.model.decoder if isinstance(self.model, Lapis) else self.model
        self.tokenizer = tokenizer
        self.slots, self.length = slots, length
        self.device = torch.device(device)
        self.marks = budget.Marks.of(tokenizer)
        self.bias_SV = _bias(self.marks, tokenizer.size, self.decoder.config.vocab).to(device)
        self._cache: KVCache | None = None
        self._kept, self._features = features is not None, {} if features is None else features

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order of the requests.

        Raises InputError for a value out of range, a broken image, or a prompt that the cache cannot hold.
        """
        session, jobs = self._session(requests)
        while not session.idle:
            session.step()
        self._forget()
        return [job.completion(self.tokenizer) for job in jobs]

    def stream(self, request: Request) -> Iterator[str]:
        """The answer piece by piece, whole characters only; a thought stands between `<think>` and `</think>`.

        Closing the iterator cancels the request. Raises as `generate` does.
        """
        session, (job,) = self._session([request])
        written = Text(self.tokenizer, self.marks)
        while not session.idle:
            session.step()
            piece = written.add(job.token_ids)
            if piece:
                yield piece
        self._forget()
        if rest := written.rest():
            yield rest

    def _session(self, requests: Sequence[Request]) -> tuple[Session, list[Job]]:
        self._forget()
        session, prompts = Session(self), dict[tuple[object, ...], Prompt]()
        jobs = [self._job(request, prompts) for request in requests]
        for job in jobs:
            session.add(job)
        return session, jobs

    def _forget(self) -> None:
        if not self._kept:
            self._features.clear()

    def _job(self, request: Request, prompts: dict[tuple[object, ...], Prompt]) -> Job:
        sampler.check(request)
        prompt = self.prompt(request)
        key = (prompt.ids, *(image.data for image in prompt.images))
        prompt = prompts.setdefault(key, prompt)
        most = min(request.max_tokens, self.length - len(prompt.ids))
        if most < min(request.max_tokens, LEAST):
            raise InputError(
                f"prompt: {len(prompt.ids)} tokens, expected at least {LEAST} fewer than the engine's {self.length}"
            )
        return Job(request, prompt, self._machine(request, prompt, most), most, sampler.uniforms(request.seed, most))

    def _machine(self, request: Request, prompt: Prompt, most: int) -> budget.Machine:
        limits = budget.Limits(request.budget, most, request.reserve, request.grace)
        return budget.Machine(self.marks, prompt.ids, request.think, limits)

    def prompt(self, request: Request) -> Prompt:
        """The request as token ids and images. Raises InputError where a text model gets an image."""
        shown = request.budget if request.show_budget and request.budget >= 0 else None
        encoded = chat.encode_prompt(request.turns, request.think, shown, self.tokenizer, self._tiles)
        return Prompt(tuple(encoded.ids), tuple(encoded.images))

    def _tiles(self, image: Image) -> int:
        shape = self._whole().config
        return anyres.tile_count(image.width, image.height, shape.anyres, shape.vit.tile)

    def _whole(self) -> Lapis:
        if not isinstance(self.model, Lapis):
            raise InputError("image: this model reads text only")
        return self.model

    # What a session runs on (session.Runner)

    @torch.inference_mode()
    def prefill(self, prompts: Sequence[Prompt], slots: Sequence[int]) -> torch.Tensor:
        """Write prompts into cache slots; float32 [B, V] logits after each."""
        logits: dict[int, torch.Tensor] = {}
        for numbers in batches([len(prompt.ids) for prompt in prompts]):
            chunk_BV = self._prefill([prompts[number] for number in numbers], [slots[number] for number in numbers])
            logits.update(zip(numbers, chunk_BV, strict=True))
        return torch.stack([logits[number] for number in range(len(prompts))])

    def _prefill(self, prompts: Sequence[Prompt], slots: Sequence[int]) -> torch.Tensor:
        longest = max(len(prompt.ids) for prompt in prompts)
        tokens_BT = torch.full((len(prompts), longest), self.tokenizer.id(chat.PAD), device=self.device)
        positions_BT = torch.full_like(tokens_BT, -1)
        for row, prompt in enumerate(prompts):
            tokens_BT[row, : len(prompt.ids)] = torch.tensor(prompt.ids)
            positions_BT[row, : len(prompt.ids)] = torch.arange(len(prompt.ids))
        x_BTD = self._embed(tokens_BT, [image for prompt in prompts for image in prompt.images])
        hidden_BTD = self.decoder(x_BTD, positions_BT, cache=self.cache.select(slots))
        last_B = torch.tensor([len(prompt.ids) - 1 for prompt in prompts], device=self.device)
        return self.decoder.logits(hidden_BTD[torch.arange(len(prompts)), last_B]).float()

    def _embed(self, tokens_BT: torch.Tensor, images: Sequence[Image]) -> torch.Tensor:
        if not images:
            return self.decoder.embed(tokens_BT)
        fresh = {image.data: image for image in images if image.data not in self._features}
        features = encode_images(self._whole(), list(fresh.values()), self.device)
        self._features.update(zip(fresh, features, strict=True))
        return self._whole().merge(tokens_BT, torch.cat([self._features[image.data] for image in images]))

    @torch.inference_mode()
    def decode(self, tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        """One token for each of the first B slots; float32 [B, V] logits after it."""
        tokens_B1 = torch.tensor(tokens, device=self.device)[:, None]
        positions_B1 = torch.tensor(positions, device=self.device)[:, None]
        view = self.cache.select(range(len(tokens)))
        hidden_B1D = self.decoder(self.decoder.embed(tokens_B1), positions_B1, cache=view)
        return self.decoder.logits(hidden_B1D[:, 0]).float()

    @torch.inference_mode()
    def copy(self, source: int, targets: Sequence[int], length: int) -> None:
        """The first `length` positions of a cache slot into others."""
        self.cache.copy(source, targets, length)

    @property
    def cache(self) -> KVCache:
        if self._cache is None:
            dtype = self.decoder.embedding.weight.dtype
            self._cache = KVCache(self.decoder.config, self.slots, self.length, dtype, self.device)
        return self._cache


def encode_images(model: Lapis, images: Sequence[Image], device: torch.device | str = "cpu") -> list[torch.Tensor]:
    """Features [tokens of all its tiles, D] of each image. Raises InputError for one that cannot be decoded."""
    shape = model.config
    tiles = [torch.from_numpy(anyres.cut(anyres.decode(image), shape.anyres, shape.vit.tile)) for image in images]
    if not tiles:
        return []
    features = torch.cat([model.features(part.to(device)) for part in torch.cat(tiles).split(TILES)])
    return list(features.split([len(part) * shape.tokens_per_tile for part in tiles]))


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of prompts to prefill together: equal padded length, at most PREFILL_TOKENS in one forward."""
    buckets: dict[int, list[int]] = {}
    for number, length in enumerate(lengths):
        buckets.setdefault(math.ceil(length / BUCKET), []).append(number)
    for size, numbers in sorted(buckets.items()):
        most = max(1, PREFILL_TOKENS // (size * BUCKET))
        yield from (numbers[start : start + most] for start in range(0, len(numbers), most))


class Text:
    """Decodes a growing list of tokens; holds back what may still change."""

    def __init__(self, tokenizer: chat.Tokenizer, marks: budget.Marks):
        self._tokenizer, self._marks = tokenizer, marks
        self._names = {marks.think: chat.THINK, marks.unthink: chat.UNTHINK, marks.end: ""}
        self._seen = 0
        self._open = b""

    def add(self, token_ids: Sequence[int]) -> str:
        """Text of the tokens that are new since the last call, up to the last whole character."""
        out = "".join(map(self._one, token_ids[self._seen :]))
        self._seen = len(token_ids)
        return out

    def _one(self, token: int) -> str:
        if token in self._names:
            return self.rest() + self._names[token]
        self._open += self._marks.content[token]
        if budget.missing(self._open):
            return ""
        return self.rest()

    def rest(self) -> str:
        """What was held back; bytes that are no UTF-8 become replacement characters."""
        text, self._open = self._open.decode("utf-8", errors="replace"), b""
        return text


def _bias(marks: budget.Marks, known: int, vocab: int) -> torch.Tensor:
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
