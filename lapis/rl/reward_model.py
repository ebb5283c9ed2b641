"""Discriminative reward model: a scalar head on our own decoder, its folder, and its scores as a reward.

A folder holds `model/` (a stock folder), `head.safetensors` beside it, and `reward.json` last, which says how it was
trained and measured. It reads text: a conversation and the answer to it, without a thought.

Shapes: L tokens of a row, N sequences in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lapis import chat, config, files
from lapis.export import hf
from lapis.model import convert
from lapis.model.decoder import Decoder
from lapis.model.head import ScalarHead, Scorer
from lapis.model.vlm import Lapis, text_of
from lapis.rl.rewards.asking import asked
from lapis.rl.rewards.book import Failed, Item
from lapis.types import InputError, Text, Turn, Verdict

Ids = tuple[int, ...]
"""Tokens of a conversation with its answer and the end."""


def encode(prompt: Sequence[Turn], answer: str, tokenizer: chat.Tokenizer) -> Ids:
    """A conversation as the chat template writes it, its answer last; pictures are left out."""
    turns = [Turn(turn.role, (Text(turn.text),)) for turn in prompt]
    pieces = chat.segments([*turns, Turn("assistant", (Text(answer),))])
    return tuple(chat.encode_segments(pieces, tokenizer, lambda image: 0).ids)


@dataclass(frozen=True, slots=True)
class Row:
    """Sequences one after the other, as `Scorer` takes them."""

    tokens_1L: Tensor
    positions_1L: Tensor
    documents_1L: Tensor
    last_N: Tensor


def row(sequences: Sequence[Ids], device: torch.device) -> Row:
    """A row of whole sequences without padding."""
    lengths = [len(one) for one in sequences]
    tokens = [token for one in sequences for token in one]
    positions = [place for length in lengths for place in range(length)]
    documents = [number for number, length in enumerate(lengths) for _ in range(length)]
    return Row(
        torch.tensor([tokens], device=device),
        torch.tensor([positions], device=device),
        torch.tensor([documents], dtype=torch.int32, device=device),
        torch.tensor(lengths, device=device).cumsum(0) - 1,
    )


def rows(groups: Sequence[Sequence[Ids]], most: int) -> Iterator[list[int]]:
    """Places of groups whose sequences share a row of at most `most` tokens, in order; none is split."""
    taken: list[int] = []
    room = most
    for place, group in enumerate(groups):
        size = sum(map(len, group))
        if taken and size > room:
            yield taken
            taken, room = [], most
        taken.append(place)
        room -= size
    if taken:
        yield taken


def scores_of(scorer: Scorer, groups: Sequence[Sequence[Ids]], most: int, device: torch.device) -> list[list[float]]:
    """Scores of each group's sequences."""
    found: list[list[float]] = []
    with torch.no_grad():
        for places in rows(groups, most):
            here = row([one for place in places for one in groups[place]], device)
            values = iter(scorer(here.tokens_1L, here.positions_1L, here.documents_1L, here.last_N).tolist())
            found += [[next(values) for _ in groups[place]] for place in places]
    return found


def save(
    folder: Path, model: Lapis | Decoder, head: ScalarHead, tokenizer: chat.Tokenizer, facts: dict[str, Any]
) -> None:
    """The folder of a trained reward model; `reward.json` is written last and says that it is whole."""
    hf.write(model, tokenizer, folder / "model")
    with files.beside(folder / "head.safetensors") as part:
        save_file({"weight": head.weight.detach().cpu().contiguous()}, part)
    files.write_json(folder / "reward.json", facts)


class Preference:
    """A trained reward model as a reward: with s the head's score and c the middle of the held-out pairs' scores

        score = 1 / (1 + exp(-(s - c)))

    so that 0.5 lies between what people chose and what they rejected, and a difference of scores is, as in training,
    the log-odds of being preferred (Bradley-Terry 1952; arXiv 1706.03741). The sigmoid is ours: raw scores have no
    range.
    """

    def __init__(self, folder: Path, device: torch.device, row_tokens: int = 4096):
        facts = _facts(folder)
        model = convert.read(folder / "model")
        self.decoder = text_of(model)
        tiles = model.config.tokens_per_tile if isinstance(model.config, config.Model) else 1
        self.tokenizer = chat.Tokenizer.load(folder / "model", tiles)
        head = ScalarHead(self.decoder.config.width)
        head.weight.data.copy_(_weight(folder / "head.safetensors", self.decoder.config.width))
        self.scorer = Scorer(self.decoder, head).to(device).requires_grad_(False)
        self.centre = float(facts["centre"])
        self.device, self.row_tokens = device, row_tokens

    def __call__(self, items: Sequence[Item]) -> list[Verdict | Failed]:
        ids = [(encode(asked(item.sample.turns), item.answer.text, self.tokenizer),) for item in items]
        longest = self.decoder.config.max_positions
        fitting = [place for place, (one,) in enumerate(ids) if len(one) <= longest]
        values = scores_of(self.scorer, [ids[place] for place in fitting], self.row_tokens, self.device)
        found = dict(zip(fitting, (self._verdict(value) for (value,) in values), strict=True))
        late = Failed(f"longer than the reward model's {longest} tokens")
        return [found.get(place, late) for place in range(len(items))]

    def _verdict(self, value: float) -> Verdict | Failed:
        if not math.isfinite(value):
            return Failed(f"scored {value}")
        return Verdict(1 / (1 + math.exp(min(700.0, self.centre - value))), f"scored {value:.3f}")


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / "reward.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder}: no reward model there; `lapis train-rm` makes one") from None
    except ValueError:
        raise InputError(f"{path}: no JSON") from None


def _weight(path: Path, width: int) -> Tensor:
    try:
        weight = load_file(path)["weight"]
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if weight.shape != (width,):
        raise InputError(f"{path}: {list(weight.shape)}, expected [{width}], the decoder's width")
    return weight
