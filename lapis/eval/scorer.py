"""A model's mean loss on samples, with their images and without: what lapis/data asks through `types.Scorer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F

from lapis import chat
from lapis.eval.scores import scores
from lapis.model import anyres
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.types import Image, Sample, Text, Turn


class Losses:
    """A model of ours, in its own precision, one sample at a time. Satisfies `types.Scorer`.

    A document longer than `longest` tokens counts by its beginning; a text model never sees images.
    """

    def __init__(self, model: Lapis | Decoder, tokenizer: chat.Tokenizer, longest: int = 512):
        self.model, self.tokenizer, self.longest = model, tokenizer, longest

    def losses(self, samples: Sequence[Sample], images: bool = True) -> list[float]:
        """Mean nats a trained token; 0 for a sample that trains none."""
        seen = images and isinstance(self.model, Lapis)
        return [self._loss(sample if seen else blind(sample)) for sample in samples]

    def _loss(self, sample: Sample) -> float:
        encoded = chat.encode_sample(sample, self.tokenizer, self._tiles)
        count = self.longest if sample.document else len(encoded.ids)
        told_T = torch.tensor(encoded.trained[1:count], dtype=torch.bool)
        if not told_T.any():
            return 0.0
        logits_TV = scores(self.model, encoded.ids[:count], encoded.images)[:-1]
        return float(F.cross_entropy(logits_TV[told_T], torch.tensor(encoded.ids[1:count])[told_T]))

    def _tiles(self, image: Image) -> int:
        assert isinstance(self.model, Lapis)
        shape = self.model.config
        return anyres.tile_count(image.width, image.height, shape.anyres, shape.vit.tile)


def blind(sample: Sample) -> Sample:
    """The sample without its images."""
    return replace(sample, turns=tuple(map(_spoken, sample.turns)), cells=())


def _spoken(turn: Turn) -> Turn:
    return replace(turn, parts=tuple(part for part in turn.parts if isinstance(part, Text)))
