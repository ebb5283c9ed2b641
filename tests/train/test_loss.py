"""Losses against plain dense formulas, in value and in gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from lapis.train import loss as losses
from lapis.train.places import directions
from lapis.types import IGNORE, NUMBER_LABELS, PATCH_LABELS, Batch

ROWS, LENGTH, WIDTH, WISE, VOCAB, CELLS = 3, 17, 8, 12, 31, 20
NUMBERS = slice(PATCH_LABELS, PATCH_LABELS + NUMBER_LABELS)
"""Where the labels of a number stand."""


def make_batch(seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    shape = (ROWS, LENGTH)
    targets = torch.randint(0, VOCAB, shape, generator=random)
    targets[torch.rand(shape, generator=random) < 0.4] = IGNORE
    cells = torch.randint(0, VOCAB, (CELLS, 11), generator=random)
    cells[torch.rand(CELLS, cells.shape[1], generator=random) < 0.5] = IGNORE
    cells[:5] = IGNORE
    cells[:, NUMBERS] = torch.randint(0, 11, (CELLS, NUMBER_LABELS), generator=random)
    cells[::2, NUMBERS] = IGNORE
    return Batch(
        tokens_BT=torch.randint(0, VOCAB, shape, generator=random),
        targets_BT=targets,
        weights_BT=torch.rand(shape, generator=random) * (targets != IGNORE),
        documents_BT=torch.zeros(shape, dtype=torch.int32),
        positions_BT=torch.arange(LENGTH).expand(shape),
        kinds_BT=torch.randint(0, 2, shape, generator=random).to(torch.int16),
        kinds=("prose", "math", "screen"),
        tiles_NSS3=torch.zeros(5, 1, 1, 3, dtype=torch.uint8),
        cells_VK=cells,
        looks_L5=torch.zeros(0, 5, dtype=torch.int64),
    )


def leaves(seed: int = 1) -> tuple[torch.Tensor, ...]:
    """hidden, features, output matrix; all wanting gradients."""
    random = torch.Generator().manual_seed(seed)
    sizes = ((ROWS, LENGTH, WIDTH), (CELLS, WIDTH), (VOCAB, WIDTH))
    return tuple(torch.randn(size, generator=random).requires_grad_() for size in sizes)


def inputs_of(batch: Batch, tensors: tuple[torch.Tensor, ...], **changes: object) -> losses.Inputs:
    hidden, features, matrix = tensors
    base = losses.Inputs(batch, hidden, features, matrix, matrix, losses.totals(batch), chunk=7)
    return replace(base, **changes)


def teacher(weight: float, temperature: float) -> losses.Teacher:
    random = torch.Generator().manual_seed(2)
    hidden = torch.randn(ROWS, LENGTH, WISE, generator=random)
    return losses.Teacher(hidden, torch.randn(VOCAB, WISE, generator=random), weight, temperature)


def dense(inputs: losses.Inputs) -> torch.Tensor:
    """The same loss by whole logits and autograd, in fp64."""
    batch, at = inputs.batch, inputs.batch.targets_BT != IGNORE
    weights = batch.weights_BT[at].double()
    logits = inputs.hidden_BTD[at].double() @ inputs.unembedding_CD.double().T
    each = F.cross_entropy(logits, batch.targets_BT[at], reduction="none")
    if inputs.teacher is not None:
        wise, heat = inputs.teacher, inputs.teacher.temperature
        goal = (wise.hidden_BTE[at].double() @ wise.unembedding_CE.double().T / heat).log_softmax(-1)
        kl = F.kl_div((logits / heat).log_softmax(-1), goal, reduction="none", log_target=True).sum(-1)
        each = (1 - wise.weight) * each + wise.weight * heat**2 * kl
    total = inputs.lm_weight * (each * weights).sum() / weights.sum()
    total = total + inputs.cell_weight * dense_cells(inputs) if inputs.cell_weight else total
    total = total + inputs.place_weight * dense_places(inputs) if inputs.place_weight else total
    return total + inputs.number_weight * dense_numbers(inputs) if inputs.number_weight else total


def centred(matrix: torch.Tensor) -> torch.Tensor:
    """Rows without their mean, each of norm 1."""
    rows = matrix.detach().double() - matrix.detach().double().mean(0)
    return rows / rows.norm(dim=1, keepdim=True)


def dense_cells(inputs: losses.Inputs) -> torch.Tensor:
    named = inputs.features_VD.double()
    named = named / named.square().mean(-1, keepdim=True).add(torch.finfo(torch.float32).eps).sqrt()
    scores = (named @ centred(inputs.embedding_CD).T).log_softmax(-1)
    found = []
    for row, labels in zip(scores, inputs.batch.cells_VK[:, NUMBERS.stop :].tolist(), strict=True):
        real = [label for label in labels if label != IGNORE]
        if real:
            found.append(-row[real].mean())
    return torch.stack(found).mean()


def dense_places(inputs: losses.Inputs) -> torch.Tensor:
    """Token by token; each tile has four of them."""
    features = inputs.features_VD.double()
    features = features / features.square().mean(-1, keepdim=True).add(torch.finfo(torch.float32).eps).sqrt()
    scores = features @ directions(WIDTH, 4).double()
    found = []
    for number, score in enumerate(scores):
        column, row = number % 2, number % 4 // 2
        found += [-score[:2].log_softmax(0)[column], -score[2:].log_softmax(0)[row]]
    return torch.stack(found).mean()


def dense_numbers(inputs: losses.Inputs) -> torch.Tensor:
    """Digit by digit of every image token in which a number begins."""
    features = inputs.features_VD.double()
    features = features / features.square().mean(-1, keepdim=True).add(torch.finfo(torch.float32).eps).sqrt()
    scores = features @ directions(WIDTH, 33, 1).double()
    found = []
    for score, digits in zip(scores, inputs.batch.cells_VK[:, NUMBERS].tolist(), strict=True):
        for place, digit in enumerate(digits):
            if digit != IGNORE:
                found.append(-score[11 * place : 11 * place + 11].log_softmax(0)[digit])
    return torch.stack(found).mean()


CASES = {
    "plain": {},
    "weighted": {"lm_weight": 0.3},
    "cells": {"cell_weight": 0.7},
    "places": {"place_weight": 0.4},
    "numbers": {"number_weight": 0.4},
    "distil": {"teacher": teacher(1.0, 1.0)},
    "mixed, warm": {"teacher": teacher(0.6, 2.0), "cell_weight": 0.2},
}


@pytest.mark.parametrize("name", CASES)
def test_equal_to_the_dense_formula(name: str) -> None:
    batch, ours, theirs = make_batch(), leaves(), leaves()
    out = losses.compute(inputs_of(batch, ours, **CASES[name]))
    wanted = dense(inputs_of(batch, theirs, **CASES[name]))
    out.loss.backward()
    wanted.backward()
    assert out.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    for mine, other in zip(ours, theirs, strict=True):
        other_grad = torch.zeros_like(other) if other.grad is None else other.grad
        torch.testing.assert_close(mine.grad, other_grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_chunks_do_not_matter(chunk: int) -> None:
    batch = make_batch()
    whole = losses.compute(inputs_of(batch, leaves(), teacher=teacher(0.5, 1.0)))
    other = losses.compute(inputs_of(batch, leaves(), teacher=teacher(0.5, 1.0), chunk=chunk))
    assert other.loss.item() == pytest.approx(whole.loss.item(), rel=1e-6)


def test_no_gradient_of_cells_into_the_embedding() -> None:
    batch, (hidden, features, matrix) = make_batch(), leaves()
    out = losses.compute(inputs_of(batch, (hidden, features, matrix), hidden_BTD=None, cell_weight=1.0))
    out.loss.backward()
    assert matrix.grad is None and hidden.grad is None
    assert features.grad.abs().sum() > 0 and not features.grad[:5].any()
    assert out.lm.item() == 0 and not out.kind_weights_J.any()


def test_kinds_are_shares_of_the_whole() -> None:
    out = losses.compute(inputs_of(make_batch(), leaves()))
    assert (out.kind_sums_J.sum() / out.kind_weights_J.sum()).item() == pytest.approx(out.lm.item(), rel=1e-5)
    assert out.kind_weights_J[2] == 0


def test_parts_of_a_step_add_up() -> None:
    """Two micro-batches with the whole step's divisors give the step's loss."""
    batch, (hidden, features, matrix) = make_batch(), leaves()
    whole = losses.compute(inputs_of(batch, (hidden, features, matrix), cell_weight=0.5))
    parts = []
    for rows, cells in ((slice(0, 1), slice(0, 9)), (slice(1, 3), slice(9, CELLS))):
        names = ("tokens_BT", "targets_BT", "weights_BT", "documents_BT", "positions_BT", "kinds_BT")
        part = replace(batch, **{name: getattr(batch, name)[rows] for name in names}, cells_VK=batch.cells_VK[cells])
        some = (hidden[rows], features[cells], matrix)
        parts.append(losses.compute(inputs_of(part, some, totals=losses.totals(batch), cell_weight=0.5)).loss)
    assert sum(parts).item() == pytest.approx(whole.loss.item(), rel=1e-6)


def test_nothing_to_learn_from_is_zero() -> None:
    batch, tensors = make_batch(), leaves()
    batch.targets_BT.fill_(IGNORE)
    batch.weights_BT.zero_()
    batch.cells_VK.fill_(IGNORE)
    out = losses.compute(inputs_of(batch, tensors, cell_weight=1.0))
    out.loss.backward()
    assert out.loss.item() == 0 and not tensors[2].grad.any()


def test_probabilities_that_underflow() -> None:
    """A target a thousand nats below the best has a finite loss."""
    task = losses._Task(torch.tensor([[1]]), torch.ones(1), 4, torch.float32)
    matrix = torch.tensor([[1000.0], [0.0]])
    assert losses.project(torch.ones(1, 1), matrix, task)[1].item() == pytest.approx(1000.0)


class _Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation made."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.numel = max([self.numel, *(x.numel() for x in torch.utils._pytree.tree_leaves(out) if torch.is_tensor(x))])
        return out


def test_logits_never_stand_whole() -> None:
    batch, tensors = make_batch(), leaves()
    with _Largest() as largest:
        losses.compute(inputs_of(batch, tensors, teacher=teacher(0.5, 2.0), cell_weight=1.0)).loss.backward()
    assert largest.numel <= max(tensor.numel() for tensor in tensors) + ROWS * LENGTH * WISE
    assert largest.numel < int((batch.targets_BT != IGNORE).sum()) * VOCAB


def test_low_precision_stays_near() -> None:
    batch = make_batch()
    fine, rough = (
        losses.compute(inputs_of(batch, leaves(), dtype=dtype)).loss.item() for dtype in (torch.float32, torch.bfloat16)
    )
    assert rough == pytest.approx(fine, rel=0.02)


def test_each_patch_names_its_own_character() -> None:
    """Cross-entropy of every labelled patch alone, averaged over the labels of the step; nothing flows elsewhere."""
    batch, (hidden, features, matrix) = make_batch(), leaves()
    random = torch.Generator().manual_seed(5)
    patches = torch.randn(CELLS, 4, WIDTH, generator=random).requires_grad_()
    changes = {"hidden_BTD": None, "patches_VKD": patches, "patch_weight": 0.6}
    out = losses.compute(inputs_of(batch, (hidden, features, matrix), **changes))
    labels = batch.cells_VK[:, :PATCH_LABELS]
    at = labels != IGNORE
    scores = F.rms_norm(patches[at].double(), (WIDTH,)) @ centred(matrix).T
    assert out.loss.item() == pytest.approx(0.6 * F.cross_entropy(scores, labels[at]).item(), rel=1e-5)
    out.loss.backward()
    assert patches.grad[at].abs().sum() > 0 and not patches.grad[~at].any()
    assert matrix.grad is None or not matrix.grad.any()


def test_patches_are_named_among_the_letters_alone() -> None:
    """Cross-entropy over the letters' rows only, patch by patch."""
    batch, tensors = make_batch(), leaves()
    letters = torch.arange(1, VOCAB, 2)
    labels = batch.cells_VK[:, :PATCH_LABELS]
    batch.cells_VK[:, :PATCH_LABELS] = torch.where(labels == IGNORE, labels, labels // 2 * 2 + 1).clamp_max(VOCAB - 2)
    patches = torch.randn(CELLS, PATCH_LABELS, WIDTH, generator=torch.Generator().manual_seed(3))
    changes = {"patches_VKD": patches, "patch_weight": 1.0, "lm_weight": 0.0, "letters_A": letters}
    out = losses.compute(inputs_of(batch, tensors, **changes))
    rows = centred(tensors[2])[letters]
    found = []
    for token in range(CELLS):
        for patch in range(PATCH_LABELS):
            label = int(batch.cells_VK[token, patch])
            if label != IGNORE:
                one = F.rms_norm(patches[token, patch].double(), (WIDTH,))
                found.append(-(one @ rows.T).log_softmax(0)[letters.tolist().index(label)])
    assert out.patches.item() == pytest.approx(torch.stack(found).mean().item(), rel=1e-4)
