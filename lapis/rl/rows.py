"""Answers as rows that the policy trains on.

Unusual: a row holds whole sequences one after the other without padding (document numbers keep them apart), and only
tokens that the model chose itself are trained: what the budget machine wrote has no gradient.

Shapes: L tokens of a row, M trained tokens of it. Tensors of a row have a leading 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lapis.types import Completion, Image


@dataclass(frozen=True, slots=True)
class Episode:
    """One answer, what it is worth, and the images of its prompt in order."""

    answer: Completion
    advantage: float
    images: tuple[Image, ...] = ()

    @property
    def length(self) -> int:
        """Tokens that go in; the last one predicts nothing."""
        return len(self.answer.prompt_ids) + len(self.answer.token_ids) - 1

    @property
    def trained(self) -> int:
        return self.answer.forced.count(False)


@dataclass(frozen=True, slots=True)
class Row:
    """What a forward and the loss need of some episodes. int64 where nothing else is said."""

    tokens_1L: Tensor
    positions_1L: Tensor
    documents_1L: Tensor
    at_M: Tensor
    """Places whose next token is trained."""
    targets_M: Tensor
    engine_M: Tensor
    """float32, the engine's log-probability of each target."""
    advantages_M: Tensor
    images: tuple[Image, ...]
    """In the order of their places in the tokens."""

    def to(self, device: torch.device) -> Row:
        tensors = {name: getattr(self, name).to(device) for name in self.__slots__ if name != "images"}
        return replace(self, **tensors)


def pack(episodes: Sequence[Episode], row_tokens: int) -> Iterator[Row]:
    """Rows of at most `row_tokens` tokens (a longer episode has a row to itself), longest first, each the first fit."""
    bins: list[list[Episode]] = []
    room: list[int] = []
    for episode in sorted(episodes, key=lambda one: -one.length):
        place = next((number for number, free in enumerate(room) if free >= episode.length), None)
        if place is None:
            place = len(bins)
            bins.append([])
            room.append(row_tokens)
        bins[place].append(episode)
        room[place] -= episode.length
    yield from map(_row, bins)


def _row(episodes: Sequence[Episode]) -> Row:
    tokens: list[int] = []
    positions: list[int] = []
    documents: list[int] = []
    at: list[int] = []
    targets: list[int] = []
    engine: list[float] = []
    advantages: list[float] = []
    for number, episode in enumerate(episodes):
        answer, start = episode.answer, len(tokens)
        tokens += [*answer.prompt_ids, *answer.token_ids][: episode.length]
        positions += range(episode.length)
        documents += [number] * episode.length
        chosen = [place for place, forced in enumerate(answer.forced) if not forced]
        at += [start + len(answer.prompt_ids) - 1 + place for place in chosen]
        targets += [answer.token_ids[place] for place in chosen]
        engine += [answer.logprobs[place] for place in chosen]
        advantages += [episode.advantage] * len(chosen)
    return Row(
        torch.tensor([tokens]),
        torch.tensor([positions]),
        torch.tensor([documents], dtype=torch.int32),
        torch.tensor(at, dtype=torch.long),
        torch.tensor(targets, dtype=torch.long),
        torch.tensor(engine, dtype=torch.float32),
        torch.tensor(advantages, dtype=torch.float32),
        tuple(image for episode in episodes for image in episode.images),
    )
