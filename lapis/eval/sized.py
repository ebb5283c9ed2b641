"""A generator that keeps an engine for each length of question, so that short ones run many at a time.

Held-out questions run from a few dozen tokens to a whole context. One cache for all would hold either few slots or
much memory; here a call gets the smallest power of two that holds its longest question, and slots to match.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lapis import chat
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.serve.engine import Engine
from lapis.types import Completion, Request

CACHE_TOKENS = 65536
"""Slots times length of an engine's cache."""
SLOTS = 64
SHORTEST = 256
FEATURE_BYTES = 1 << 28
"""Most bytes of images' features that are kept before a call: the same screens are asked in several ways, one after
another, and looking at them was half of an evaluation."""


class Sized:
    """Engines over one model by cache length, its weights as they are now. Satisfies `types.Generator`."""

    def __init__(self, model: Lapis | Decoder, tokenizer: chat.Tokenizer, device: torch.device | str = "cpu"):
        self.model, self.tokenizer, self.device = model, tokenizer, device
        self._engines: dict[int, Engine] = {}
        self._features: dict[bytes, torch.Tensor] = {}

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order of the requests. Raises InputError as the engine does."""
        if not requests:
            return []
        self._trim()
        measure = self._engine(SHORTEST)
        needed = max(len(measure.prompt(request).ids) + request.max_tokens for request in requests)
        return self._engine(max(SHORTEST, 1 << (needed - 1).bit_length())).generate(requests)

    def _engine(self, length: int) -> Engine:
        """Only the latest cache stays: tasks come one after another, each with its own length."""
        if length not in self._engines:
            kept = {SHORTEST: self._engines[SHORTEST]} if SHORTEST in self._engines else {}
            slots = max(1, min(SLOTS, CACHE_TOKENS // length))
            self._engines = kept | {
                length: Engine(self.model, self.tokenizer, slots, length, device=self.device, features=self._features)
            }
        return self._engines[length]

    @property
    def kept_bytes(self) -> int:
        """Bytes of images' features that a call finds."""
        return sum(one.nbytes for one in self._features.values())

    def _trim(self) -> None:
        """Forget the images that were seen first, until the rest may stay."""
        while self.kept_bytes > FEATURE_BYTES:
            del self._features[next(iter(self._features))]
