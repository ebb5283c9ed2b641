"""Training of a reward model on preference pairs (Bradley-Terry), with accuracy on pairs that it never sees.

What is held out is drawn by the prompt, so no prompt stands on both sides. A run that was cut goes on from its
checkpoint with the same pairs in the same order, bit for bit on a CPU.

Shapes: N pairs of a row.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapis import chat, config, reward_config
from lapis.data.pairs import Pair
from lapis.dist import checkpoint, guard
from lapis.eval.stats import wilson
from lapis.model.decoder import Decoder
from lapis.model.head import ScalarHead, Scorer
from lapis.model.vlm import Lapis, text_of
from lapis.rl import reward_model
from lapis.rl.reward_model import Ids
from lapis.train import optim
from lapis.train.metrics import Metrics
from lapis.types import InputError, Progress

Coded = tuple[Ids, Ids]
"""Tokens of the chosen and of the rejected answer, each with its prompt."""


@dataclass(frozen=True, slots=True)
class Sets:
    """Encoded pairs. `dropped` are those that no row holds."""

    train: list[Coded]
    held: list[Coded]
    dropped: int


def loss_of(chosen_N: Tensor, rejected_N: Tensor, centre: float) -> Tensor:
    """Sum over pairs of -log sigmoid(s_chosen - s_rejected) + centre * (s_chosen + s_rejected)^2.

    The first term is Bradley and Terry's (1952) likelihood as in arXiv 1706.03741; the second keeps scores around 0
    (arXiv 2312.09244, section 3), which no difference does.
    """
    return (F.softplus(rejected_N - chosen_N) + centre * (chosen_N + rejected_N) ** 2).sum()


def is_held(pair: Pair, share: float) -> bool:
    """Whether a pair's prompt is among the share that is held out; a pure function of the prompt."""
    return int(pair.key[:8], 16) < share * 16**8


def split(
    pairs: Iterable[Pair], held: Iterable[Pair] | None, tokenizer: chat.Tokenizer, how: reward_config.RewardModel
) -> Sets:
    """Pairs encoded and dealt to training and measuring; `held` are pairs that are measured, None draws them.

    Raises InputError where a side has none.
    """
    sides: dict[bool, list[Coded]] = {True: [], False: []}
    dropped = 0
    dealt = [(pair, held is None and is_held(pair, how.held)) for pair in pairs] + [(pair, True) for pair in held or ()]
    for pair, measured in dealt:
        ids = [reward_model.encode(pair.prompt, text, tokenizer) for text in (pair.chosen, pair.rejected)]
        if sum(map(len, ids)) > how.row_tokens:
            dropped += 1
        else:
            sides[measured].append((ids[0], ids[1]))
    for measured, name in ((False, "to train on"), (True, "to measure")):
        if not sides[measured]:
            raise InputError(f"pairs: none {name} ({dropped} are longer than row_tokens {how.row_tokens})")
    return Sets(sides[False], sides[True], dropped)


class Trainer:
    """A scorer and its optimizer."""

    def __init__(self, decoder: Decoder, how: reward_config.RewardModel, place: guard.Place):
        torch.manual_seed(how.seed)
        self.how, self.place = how, place
        self.scorer = Scorer(decoder, ScalarHead(decoder.config.width)).to(place.device).requires_grad_(True)
        if decoder.head is not None:
            decoder.head.requires_grad_(False)
        rates = config.Optim(lr=how.lr, lr_adapter=how.lr_head, weight_decay=0.0, warmup=how.warmup, clip=how.clip)
        self.rates = replace(rates, end=0.1)
        parts = nn.ModuleDict({"decoder": self.scorer.decoder, "adapter": self.scorer.head})
        self.optimizer = optim.build(parts, self.rates)

    def step(self, number: int, pairs: Sequence[Coded]) -> dict[str, float]:
        """One update. Raises guard.NonFinite before an update that is not finite touches the weights."""
        rate = optim.set_rates(self.optimizer, optim.factor(number, self.how.steps, self.rates))
        total = right = 0.0
        for places in reward_model.rows(pairs, self.how.row_tokens):
            loss, good = self._backward([pairs[place] for place in places], len(pairs))
            total, right = total + loss, right + good
        trained = [one for one in self.scorer.parameters() if one.requires_grad]
        norm = float(nn.utils.clip_grad_norm_(trained, self.how.clip))
        try:
            guard.check(number, total, norm)
            self.optimizer.step()
        finally:
            self.optimizer.zero_grad()
        return {"loss": total, "accuracy": right / len(pairs), "lr": rate, "grad_norm": norm}

    def _backward(self, pairs: Sequence[Coded], count: int) -> tuple[float, float]:
        """Loss as a share of the step's, and how many pairs are in the right order."""
        dtype = self.place.dtype
        here = reward_model.row([ids for pair in pairs for ids in pair], self.place.device)
        with torch.autocast(self.place.device.type, dtype, enabled=dtype != torch.float32):
            scores = self.scorer(here.tokens_1L, here.positions_1L, here.documents_1L, here.last_N)
        chosen_N, rejected_N = scores.view(-1, 2).unbind(1)
        loss = loss_of(chosen_N, rejected_N, self.how.centre) / count
        loss.backward()
        return float(loss.detach()), float((chosen_N > rejected_N).sum())

    def tensors(self) -> dict[str, Tensor]:
        """What a resumed run needs, as the live tensors."""
        return {f"model.{name}": one for name, one in self.scorer.state_dict().items()} | optim.state(self.optimizer)

    def measure(self, pairs: Sequence[Coded]) -> dict[str, Any]:
        """Accuracy on pairs with its 95% interval (a tie counts as half), and the middle of their scores."""
        found = reward_model.scores_of(self.scorer, pairs, self.how.row_tokens, self.place.device)
        right = sum(1.0 if one > other else 0.5 if one == other else 0.0 for one, other in found)
        scores = [score for pair in found for score in pair]
        return {**wilson(right, len(found)).entry(), "centre": sum(scores) / len(scores)}


def batch(pairs: Sequence[Coded], step: int, how: reward_config.RewardModel) -> list[Coded]:
    """The pairs of a step: a pure function of its number; each pass over them has an order of its own."""
    chosen = []
    for place in range(step * how.pairs, (step + 1) * how.pairs):
        turn, within = divmod(place, len(pairs))
        chosen.append(pairs[_order(len(pairs), turn, how.seed)[within]])
    return chosen


def _order(count: int, turn: int, seed: int) -> list[int]:
    order = list(range(count))
    random.Random(f"pairs {seed} {turn}").shuffle(order)
    return order


def train(
    model: Lapis | Decoder,
    tokenizer: chat.Tokenizer,
    sets: Sets,
    how: reward_config.RewardModel,
    place: guard.Place,
    folder: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Train in `folder`, going on from its checkpoint, and write the reward model there; returns its facts.

    Raises InputError where two steps in a row are not finite, and for a folder that was begun with other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(text_of(model), how, place)
    start, before = _resumed(trainer, folder, sets)
    progress.advance(start)
    broken = False
    with Metrics(folder, start) as metrics:
        for number in range(start, how.steps):
            try:
                line = trainer.step(number, batch(sets.train, number, how))
                metrics.write({"step": number + 1, **line})
                broken = False
            except guard.NonFinite as fault:
                if broken:
                    raise InputError(f"train-rm: {fault}, for the second time; lower lr") from None
                broken = True
            if (number + 1) % how.checkpoint_every == 0 or number + 1 == how.steps:
                checkpoint.save(
                    folder / "checkpoint", number + 1, trainer.tensors(), {"before": before, "config": asdict(how)}
                )
            progress.advance(1, f"loss {line['loss']:.3f}" if not broken else "")
    after = trainer.measure(sets.held)
    facts = {"before": before, "after": after, "centre": after["centre"], "steps": how.steps}
    facts |= {"trained": len(sets.train), "held": len(sets.held), "dropped": sets.dropped, "config": asdict(how)}
    reward_model.save(folder, model, trainer.scorer.head, tokenizer, facts)
    return facts


def _resumed(trainer: Trainer, folder: Path, sets: Sets) -> tuple[int, dict[str, Any]]:
    """The step to go on with, and what was measured before the first one."""
    facts = checkpoint.load(folder / "checkpoint", trainer.tensors())
    if facts is None:
        return 0, trainer.measure(sets.held)
    changed = [name for name, value in asdict(trainer.how).items() if facts["config"][name] != value]
    if changed:
        raise InputError(f"{folder}: was begun with another {', '.join(changed)}; expected the same, or a new folder")
    trainer.optimizer.set_updates(facts["step"])
    return facts["step"], facts["before"]
