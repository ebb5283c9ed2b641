"""Held-out loss of text models document by document, so that a difference between two of them has an interval.

Shape legend: T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from lapis import chat, config
from lapis.data import store
from lapis.eval.scores import scores
from lapis.eval.stats import relative
from lapis.model import convert
from lapis.types import Sample

DOCUMENTS = 96
"""Held-out documents compared."""
TOKENS = 256
"""Most tokens taken of a document."""


def distillation(run: Path, recipe: config.Recipe, heldout: Path) -> dict[str, Any] | None:
    """The distilled student against the best of its twins from scratch, on the same held-out documents.

    Returns {"student", "scratch", "losses": {stage: nats a token}, "gain": interval of the relative fall}; None where
    the run has no such pair. Stages named `distil...` and `scratch...` are compared; the last distillation counts.
    """
    distils, scratches = (_stages(run, recipe, name) for name in ("distil", "scratch"))
    path = heldout / "prose.parquet"
    if not distils or not scratches or not path.is_file():
        return None
    documents = list(islice((sample for sample in store.read_samples(path) if sample.document), DOCUMENTS))
    if not documents:
        return None
    student = distils[-1]
    sums = {name: document_losses(run / name / "model", documents) for name in (student, *scratches)}
    totals = {name: sum(loss for loss, _ in each) for name, each in sums.items()}
    best = min(scratches, key=totals.__getitem__)
    first, second = ([loss for loss, _ in sums[name]] for name in (student, best))
    change = relative(first, second)
    gain = change.entry() | {"value": -change.value, "low": -change.high, "high": -change.low}
    tokens = sum(count for _, count in sums[student])
    losses = {name: total / tokens for name, total in totals.items()}
    return {"student": student, "scratch": best, "losses": losses, "gain": gain}


def _stages(run: Path, recipe: config.Recipe, prefix: str) -> list[str]:
    named = [stage.name for stage in recipe.stages if stage.name.startswith(prefix)]
    return [name for name in named if (run / name / "model").is_dir()]


def document_losses(folder: Path, documents: Sequence[Sample]) -> list[tuple[float, int]]:
    """(sum of next-token losses in nats, number of tokens) of each document, in fp32."""
    model = convert.read(folder)
    tokenizer = chat.Tokenizer.load(folder, 1)
    out = []
    for sample in documents:
        ids = chat.encode_sample(sample, tokenizer, lambda _: 0).ids[:TOKENS]
        logits_TV = scores(model, ids[:-1])
        out.append((float(F.cross_entropy(logits_TV, torch.tensor(ids[1:]), reduction="sum")), len(ids) - 1))
    return out
