"""A linear classifier of texts: hashed words, pairs of words and four-byte windows, logistic regression.

The features of fastText (arXiv 1607.01759) without its embeddings: one weight a feature and class, so that a text costs
one look-up a feature. A feature weighs 1 / sqrt(features of the text). Ours: windows of bytes instead of characters,
which need no decoding and hold most of a Chinese character and a half.

Shape legend: D documents, F weights (hashed features), K classes, M features of all documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lapis import files
from lapis.data import measure
from lapis.data.measure import Block, Places
from lapis.said import first_line
from lapis.types import InputError, Progress

BITS = 18
"""Weights of a class are 2 ** BITS: a megabyte, which stays in a core's own cache."""
LOOKED = 2000
"""Characters of a text that are looked at."""
RIDGE, STEPS, LOOKS = 1e-4, 60, 75
"""Weight of the squared weights in the loss, most steps of L-BFGS, and most times that the loss is computed."""
_PAIR, _WINDOW = np.uint64(0xA24BAED4963EE407), np.uint32(0x9E3779B1)
_SHIFT = np.uint64(64 - BITS)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted classifier; the first label's logit is always 0."""

    labels: tuple[str, ...]
    weights: npt.NDArray[np.float32]
    """[K - 1, F]."""
    bias: npt.NDArray[np.float32]
    """[K - 1]."""
    about: dict[str, Any] = field(default_factory=dict)
    """What else is to be known: the column that it fills, a threshold, how it did on held-out examples."""

    def probabilities(self, texts: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.float32]:
        """[D, K] of each text."""
        logits = [self._logits(block) for block in measure.blocks(heads(texts))]
        return softmax(np.concatenate(logits)) if logits else np.zeros((0, len(self.labels)), np.float32)

    def _logits(self, block: Block) -> npt.NDArray[np.float32]:
        found = np.zeros((block.count, len(self.labels)), dtype=np.float32)
        count = np.zeros(block.count, dtype=np.int64)
        for family in families(block):
            count += family.last - family.first
            for number, weights in enumerate(self.weights, 1):
                found[:, number] += family.sums(weights)
        found[:, 1:] /= np.sqrt(np.maximum(count, 1))[:, None]
        found[:, 1:] += self.bias
        return found

    def save(self, folder: Path) -> None:
        """Write `weights.safetensors`, and `classifier.json` last."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        with files.beside(folder / "weights.safetensors") as part:
            save_file({"weights": self.weights, "bias": self.bias}, part)
        files.write_json(folder / "classifier.json", {"labels": self.labels, **self.about})

    @staticmethod
    def load(folder: Path) -> Linear:
        """Read what `save` wrote. Raises InputError that names the folder."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            told = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
            found = load_file(folder / "weights.safetensors")
            made = Linear(tuple(told.pop("labels")), found["weights"], found["bias"], told)
        except FileNotFoundError:
            raise InputError(f"{folder}: no classifier there; `lapis data fit-quality` makes one") from None
        except (OSError, ValueError, KeyError, AttributeError, TypeError, SafetensorError) as error:
            raise InputError(f"{folder}: not a whole classifier ({first_line(error)})") from None
        if made.weights.shape != (len(made.labels) - 1, 1 << BITS):
            raise InputError(
                f"{folder}: weights of {made.weights.shape}, expected {len(made.labels) - 1} x {1 << BITS}"
            )
        return made


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Probabilities of logits [D, K]."""
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def heads(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The part of each text that is looked at."""
    return pc.utf8_slice_codeunits(pc.fill_null(texts, ""), 0, LOOKED)


@dataclass(frozen=True, slots=True)
class Family:
    """Features of a block's documents: those of a document are `index[first:last]`, others are over its borders."""

    index: npt.NDArray[np.uint32]
    first: Places
    last: Places

    def sums(self, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Sum of the weights of each document's features [D]."""
        edges = np.minimum(np.stack((self.first, self.last), axis=1).ravel(), len(self.index))
        found = np.add.reduceat(np.append(weights[self.index], np.float32(0)), edges)[::2]
        return np.where(self.last > self.first, found, np.float32(0))

    def owned(self) -> tuple[Places, Places]:
        """Features within documents, and the document of each."""
        sizes = self.last - self.first
        owner = np.repeat(np.arange(len(sizes)), sizes)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return self.index[self.first[owner] + within].astype(np.int64), owner


def families(block: Block) -> Iterator[Family]:
    """Words in small letters, pairs of words, and windows of four bytes."""
    words = measure.hashes(block.lower, block.terms)
    last = np.cumsum(block.per(block.terms.start))
    first = np.concatenate(([0], last[:-1]))
    yield Family((words >> _SHIFT).astype(np.uint32), first, last)
    pairs = measure.mix(words[:-1] * _PAIR + words[1:])
    yield Family((pairs >> _SHIFT).astype(np.uint32), first, np.maximum(last - 1, first))
    fours: Any = np.ndarray((len(block.bytes) - 3,), dtype="<u4", buffer=block.lower, strides=(1,))
    windows = fours * _WINDOW >> np.uint32(32 - BITS)
    yield Family(windows, block.first, np.maximum(block.last - 3, block.first))


def gather(texts: Sequence[str]) -> tuple[Places, Places]:
    """All features [M] of some texts and their documents [M]."""
    parts: list[tuple[Places, Places]] = []
    at = 0
    for block in measure.blocks(heads(pa.array(texts, pa.string()))):
        for family in families(block):
            index, owner = family.owned()
            parts.append((index, owner + at))
        at += block.count
    return np.concatenate([index for index, _ in parts]), np.concatenate([owner for _, owner in parts])


def fit(texts: Sequence[str], labels: Sequence[str], order: Sequence[str], progress: Progress | None = None) -> Linear:
    """A classifier of `labels`, classes as in `order`: mean cross-entropy, every class weighing the same, and a ridge.

    Deterministic: L-BFGS from zero over all examples at once. Weights that no example has stay 0 and take no part.
    """
    import torch

    places, owner = gather(texts)
    met, index = np.unique(places, return_inverse=True)
    right = np.array([order.index(label) for label in labels])
    problem = _Problem(index, owner, right, len(met), len(order))
    values = torch.zeros(len(order) - 1, len(met) + 1, dtype=torch.float64)
    descent = torch.optim.LBFGS(
        [values], max_iter=STEPS, max_eval=LOOKS, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        loss, slope = problem.loss(values.numpy())
        if progress is not None:
            progress.advance(1, f"loss {loss:.3f}")
        values.grad = torch.from_numpy(slope)
        return loss

    descent.step(closure)
    weights = np.zeros((len(order) - 1, 1 << BITS), dtype=np.float32)
    weights[:, met] = values[:, :-1].numpy()
    return Linear(tuple(order), weights, values[:, -1].numpy().astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is minimised: features [M] with their examples [M], and the class of each example."""

    index: Places
    owner: Places
    right: Places
    features: int
    classes: int

    def loss(self, values: Floats) -> tuple[float, Floats]:
        """The loss of weights and bias [K - 1, features + 1], and its slope."""
        count, weights = len(self.right), values[:, :-1]
        scale = 1 / np.sqrt(np.bincount(self.owner, minlength=count).clip(1))
        share = 1 / (np.bincount(self.right)[self.right] * self.classes)
        logits = np.zeros((count, self.classes))
        for number, row in enumerate(weights, 1):
            logits[:, number] = (
                np.bincount(self.owner, row[self.index], minlength=count) * scale + values[number - 1, -1]
            )
        chances = softmax(logits)
        errors = (chances - np.eye(self.classes)[self.right]) * share[:, None]
        slope = np.empty(values.shape)
        for number, row in enumerate(weights):
            error = errors[:, number + 1]
            steep = np.bincount(self.index, (error * scale)[self.owner], minlength=self.features)
            slope[number] = np.append(steep + RIDGE * row, error.sum())
        lost = -np.log(chances[np.arange(count), self.right].clip(1e-300))
        return float((lost * share).sum() + RIDGE / 2 * (weights**2).sum()), slope


def auc(scores: npt.NDArray[Any], good: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """(value, low, high) of the area under the ROC curve: the chance that a good text scores above a bad one.

    A tie is half. The 95% interval is that of Hanley and McNeil (Radiology 143, 1982).
    """
    order = np.unique(scores, return_inverse=True)[1]
    below = np.cumsum(np.bincount(order[~good], minlength=order.max() + 1))
    ties = np.bincount(order[~good], minlength=order.max() + 1)
    many, few = int(good.sum()), int((~good).sum())
    value = float((below[order[good]] - ties[order[good]] / 2).sum() / (many * few))
    first, second = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (many - 1) * (first - value**2) + (few - 1) * (second - value**2)
    half = 1.959964 * np.sqrt(max(spread, 0.0) / (many * few))
    return value, max(0.0, float(value - half)), min(1.0, float(value + half))
