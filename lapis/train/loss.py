"""Losses over packed rows: next token, distillation, and the dense text loss on image tokens.

Unusual: logits never stand whole. Positions that carry a loss are gathered, projected chunk by chunk, and each chunk's
gradient is taken at once, while its probabilities are at hand: three matrix products instead of the four of
checkpointing, and no [tokens, vocabulary] tensor. All sums are divided by totals of the whole global step, which the
caller passes in, so that micro-batches and ranks simply add up. The cell loss is ours: each image token, projected on
the decoder's embedding matrix (without gradient into it), should name the words written in its cell of the picture;
it stands in for the captioning pre-training (SigLIP2's LocCa) that a ViT from nothing lacks. Where an image token lies
(places.py), which number begins in it (numbers.py) and where a pointing decoder looks (look.py) have losses of their
own.

Shape legend: B rows, T tokens, D width, E the teacher's width, C vocabulary, V image tokens, M positions with a
loss, K labels of a position, J kinds, A letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lapis.train import look, numbers
from lapis.train.places import image_tokens
from lapis.types import IGNORE, NUMBER_LABELS, PATCH_LABELS, Batch

CHUNK = 1024
"""Positions whose logits are held at once where no distillation says otherwise (256 measured 3% slower)."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What the sums of a global step are divided by: over all its micro-batches and ranks."""

    targets: float
    """Sum of the weights of all targets."""
    cells: float
    """Number of image tokens with text over them."""
    patches: float
    """Number of patches that show a character."""
    places: float
    """Number of image tokens."""
    numbers: float
    """Number of image tokens in which a number begins."""
    looks: tuple[float, ...]
    """Numbers of tokens that look, by what they look at (look.py)."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """A teacher's states for the same batch; its logits are made chunk by chunk."""

    hidden_BTE: Tensor
    unembedding_CE: Tensor
    weight: float = 1.0
    """Share of the KL divergence in the loss; the rest is cross-entropy."""
    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a model's forward gave, and how to weigh it."""

    batch: Batch
    hidden_BTD: Tensor | None
    """None leaves the next-token loss out."""
    features_VD: Tensor
    unembedding_CD: Tensor
    embedding_CD: Tensor
    """The cell loss projects on this one; no gradient flows into it from there."""
    totals: Totals
    lm_weight: float = 1.0
    cell_weight: float = 0.0
    patches_VKD: Tensor | None = None
    """What each patch gives by itself; each has its character among the labels."""
    patch_weight: float = 0.0
    letters_A: Tensor | None = None
    """Rising ids of the tokens that a patch may show; None for all."""
    place_weight: float = 0.0
    number_weight: float = 0.0
    look: Tensor | None = None
    """The look loss (look.py) of this micro-batch, by the step's total."""
    look_weight: float = 0.0
    teacher: Teacher | None = None
    chunk: int = CHUNK
    dtype: torch.dtype = torch.float32
    """Of the matrix products; softmax and sums are fp32."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """`loss` carries the gradient, the rest is detached. Scalars and [J] fp32."""

    loss: Tensor
    lm: Tensor
    """Weighted mean cross-entropy of the targets, in nats."""
    distil: Tensor
    """Weighted mean KL divergence from the teacher, in nats, at its temperature."""
    cells: Tensor
    """Mean cross-entropy of the labelled image tokens, in nats."""
    patches: Tensor
    """Mean cross-entropy of the labelled patches by themselves, in nats."""
    places: Tensor
    """Mean cross-entropy of the image tokens' columns and rows, in nats."""
    numbers: Tensor
    """Mean cross-entropy of the digits of numbers that begin in image tokens, in nats."""
    looks: Tensor
    """Look losses (look.py), in nats."""
    kind_sums_J: Tensor
    """Weighted sum of cross-entropies of each of `batch.kinds`."""
    kind_weights_J: Tensor


def totals(batch: Batch) -> Totals:
    """The divisors of a whole global step on one process."""
    counted = batch.targets_BT != IGNORE
    labelled = batch.cells_VK != IGNORE
    patches, begun, tokens = _parts(labelled)
    return Totals(
        targets=float(batch.weights_BT[counted].sum()),
        cells=float(tokens.any(-1).sum()),
        patches=float(patches.sum()),
        places=float(len(labelled)),
        numbers=float(begun[:, 0].sum()),
        looks=look.totals(batch),
    )


def compute(inputs: Inputs) -> Outputs:
    """The step's loss and its parts. A batch without targets or labels gives zeros with a gradient path."""
    batch, zero = inputs.batch, inputs.features_VD.new_zeros((), dtype=torch.float32)
    sums = weights = torch.zeros(len(batch.kinds), device=zero.device)
    loss, lm, distil, cells, patches, places, counted, looks = inputs.features_VD.sum() * 0.0, *[zero] * 7
    if inputs.hidden_BTD is not None:
        part, lm, distil, sums, weights = _targets(inputs, inputs.hidden_BTD)
        loss = loss + part
    if inputs.cell_weight:
        cells = _cells(inputs)
        loss = loss + inputs.cell_weight * cells
    if inputs.patches_VKD is not None:
        patches = _patches(inputs, inputs.patches_VKD)
        loss = loss + inputs.patch_weight * patches
    if inputs.place_weight and len(inputs.features_VD):
        places = image_tokens(inputs.features_VD, len(batch.tiles_NSS3)) / max(inputs.totals.places, 1.0)
        loss = loss + inputs.place_weight * places
    if inputs.number_weight and len(inputs.features_VD):
        counted = numbers.image_tokens(inputs.features_VD, _parts(batch.cells_VK)[1]) / max(inputs.totals.numbers, 1.0)
        loss = loss + inputs.number_weight * counted
    if inputs.look is not None:
        looks = inputs.look
        loss = loss + inputs.look_weight * looks
    cells, patches, places, counted, looks = (part.detach() for part in (cells, patches, places, counted, looks))
    return Outputs(loss, lm, distil, cells, patches, places, counted, looks, sums, weights)


def added(parts: Sequence[Outputs]) -> Outputs:
    """All micro-batches of a process: they share the step's divisors."""
    if len(parts) == 1:
        return parts[0]
    names = [field.name for field in fields(Outputs)]
    return Outputs(**{name: torch.stack([getattr(part, name) for part in parts]).sum(0) for name in names})


def _parts(cells_VK: Tensor) -> tuple[Tensor, ...]:
    """Columns of patches' characters, of a number's digits, and of tokens."""
    return cells_VK.tensor_split((PATCH_LABELS, PATCH_LABELS + NUMBER_LABELS), 1)


def _targets(inputs: Inputs, hidden_BTD: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, teacher = inputs.batch, inputs.teacher
    at_M = (batch.targets_BT.flatten() != IGNORE).nonzero().squeeze(1)
    weights_M = batch.weights_BT.flatten()[at_M]
    task = _Task(
        labels_MK=batch.targets_BT.flatten()[at_M, None],
        scales_M=weights_M * (inputs.lm_weight / max(inputs.totals.targets, 1e-12)),
        chunk=inputs.chunk,
        dtype=inputs.dtype,
        teacher=teacher,
        teacher_ME=None if teacher is None else teacher.hidden_BTE.flatten(0, 1)[at_M],
    )
    loss, nll_M, kl_M = project(hidden_BTD.flatten(0, 1)[at_M], inputs.unembedding_CD, task)
    kinds_M, count = batch.kinds_BT.flatten()[at_M].long(), len(batch.kinds)
    sums_J = torch.bincount(kinds_M, nll_M * weights_M, count).float()
    weights_J = torch.bincount(kinds_M, weights_M, count).float()
    total = max(inputs.totals.targets, 1e-12)
    return loss, (nll_M * weights_M).sum() / total, (kl_M * weights_M).sum() / total, sums_J, weights_J


def _cells(inputs: Inputs) -> Tensor:
    *_, labels_VK = _parts(inputs.batch.cells_VK)
    at_M = (labels_VK != IGNORE).any(-1).nonzero().squeeze(1)
    scales_M = torch.full((len(at_M),), 1.0 / max(inputs.totals.cells, 1.0), device=labels_VK.device)
    task = _Task(labels_VK[at_M], scales_M, inputs.chunk, inputs.dtype)
    return _named(inputs.features_VD[at_M], inputs, task)


def _patches(inputs: Inputs, patches_VKD: Tensor) -> Tensor:
    labels_VK, *_ = _parts(inputs.batch.cells_VK)
    labels_M1 = labels_VK[labels_VK != IGNORE][:, None]
    if inputs.letters_A is not None:
        labels_M1 = torch.searchsorted(inputs.letters_A, labels_M1)
    scales_M = torch.full((len(labels_M1),), 1.0 / max(inputs.totals.patches, 1.0), device=labels_VK.device)
    task = _Task(labels_M1, scales_M, inputs.chunk, inputs.dtype)
    return _named(patches_VKD[labels_VK != IGNORE], inputs, task, inputs.letters_A)


def _named(features_MD: Tensor, inputs: Inputs, task: _Task, among: Tensor | None = None) -> Tensor:
    """Normalised like the decoder's last hidden state, so that only a feature's direction says what it shows; labels
    count within `among` where that is given.

    So is the matrix, without what all tokens share: rare tokens of a young decoder differ in little else.
    """
    normal_MD = F.rms_norm(features_MD, features_MD.shape[-1:])
    own_CD = inputs.embedding_CD.detach()
    rows_CD = own_CD if among is None else own_CD[among]
    return project(normal_MD, F.normalize(rows_CD - own_CD.mean(0), dim=1), task)[0]


@dataclass(frozen=True, slots=True)
class _Task:
    """Everything of a projection that has no gradient."""

    labels_MK: Tensor
    """Each position's target is uniform over its labels; IGNORE where fewer than K."""
    scales_M: Tensor
    """What each position's loss is multiplied by before the sum."""
    chunk: int
    dtype: torch.dtype
    teacher: Teacher | None = None
    teacher_ME: Tensor | None = None


def project(hidden_MD: Tensor, matrix_CD: Tensor, task: _Task) -> tuple[Tensor, Tensor, Tensor]:
    """(scaled sum of losses with gradient, cross-entropy [M], KL [M]) of hidden states under an output matrix."""
    wanted = torch.is_grad_enabled() and (hidden_MD.requires_grad or matrix_CD.requires_grad)
    return _Projection.apply(hidden_MD, matrix_CD, task, wanted)


class _Projection(torch.autograd.Function):
    """Gradients are ready when the loss is, so `backward` only scales them."""

    @staticmethod
    def forward(
        ctx: Any, hidden_MD: Tensor, matrix_CD: Tensor, task: _Task, wanted: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        nll_M, kl_M = (hidden_MD.new_zeros(len(hidden_MD), dtype=torch.float32) for _ in range(2))
        pen = _Gradients(hidden_MD, matrix_CD, task.dtype, ctx.needs_input_grad[:2]) if wanted else None
        low_CD = matrix_CD.to(task.dtype)
        for start in range(0, len(hidden_MD), task.chunk):
            at = slice(start, start + task.chunk)
            low_MD = hidden_MD[at].to(task.dtype)
            logits_MC = (low_MD @ low_CD.T).float()
            nll_M[at], kl_M[at], slope_MC = _chunk(logits_MC, task, at, pen is not None)
            if pen is not None and slope_MC is not None:
                pen.add(at, slope_MC.to(task.dtype), low_MD, low_CD)
        ctx.save_for_backward(*(pen.results() if pen else (None, None)))
        share = task.teacher.weight * task.teacher.temperature**2 if task.teacher else 0.0
        keep = 1.0 - task.teacher.weight if task.teacher else 1.0
        ctx.mark_non_differentiable(nll_M, kl_M)
        return ((keep * nll_M + share * kl_M) * task.scales_M).sum(), nll_M, kl_M

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, *_: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        hidden_MD, matrix_CD = ctx.saved_tensors
        grads = (None if x is None else x * upstream.to(x.dtype) for x in (hidden_MD, matrix_CD))
        return next(grads), next(grads), None, None


class _Gradients:
    """Gradients of hidden states and matrix, gathered chunk by chunk; the matrix's in fp32."""

    def __init__(self, hidden_MD: Tensor, matrix_CD: Tensor, dtype: torch.dtype, needs: tuple[bool, ...]):
        self.hidden_MD = torch.empty_like(hidden_MD) if needs[0] else None
        self.matrix_CD = torch.zeros_like(matrix_CD, dtype=torch.float32) if needs[1] else None
        self.matrix_dtype = matrix_CD.dtype

    def add(self, at: slice, slope_MC: Tensor, low_MD: Tensor, low_CD: Tensor) -> None:
        if self.hidden_MD is not None:
            self.hidden_MD[at] = slope_MC @ low_CD
        if self.matrix_CD is not None:
            self.matrix_CD += slope_MC.T @ low_MD

    def results(self) -> tuple[Tensor | None, Tensor | None]:
        matrix_CD = None if self.matrix_CD is None else self.matrix_CD.to(self.matrix_dtype)
        return self.hidden_MD, matrix_CD


def _chunk(logits_MC: Tensor, task: _Task, at: slice, wanted: bool) -> tuple[Tensor, Tensor | float, Tensor | None]:
    """(cross-entropy, KL, gradient of the scaled loss by the logits or None) of one chunk."""
    labels_MK = task.labels_MK[at]
    real_MK = labels_MK != IGNORE
    share_MK = real_MK / real_MK.sum(-1, keepdim=True)
    labels_MK = labels_MK.clamp_min(0)
    probs_MC, lse_M = _softmax(logits_MC)
    nll_M = lse_M - (logits_MC.gather(1, labels_MK) * share_MK).sum(-1)
    kl_M: Tensor | float = 0.0
    if task.teacher is not None:
        kl_M, slope_MC = _distil(logits_MC, probs_MC, lse_M, task, at)
        probs_MC *= 1.0 - task.teacher.weight
        probs_MC += slope_MC
        share_MK = share_MK * (1.0 - task.teacher.weight)
    if not wanted:
        return nll_M, kl_M, None
    slope_MC = probs_MC.scatter_add_(1, labels_MK, -share_MK)
    return nll_M, kl_M, slope_MC.mul_(task.scales_M[at, None])


def _distil(logits_MC: Tensor, probs_MC: Tensor, lse_M: Tensor, task: _Task, at: slice) -> tuple[Tensor, Tensor]:
    """Forward KL from the teacher at its temperature H (Hinton et al., arXiv 1503.02531), and weight x H^2 x slope."""
    assert task.teacher is not None and task.teacher_ME is not None
    heat = task.teacher.temperature
    low_CE = task.teacher.unembedding_CE.to(task.dtype)
    wise_MC = (task.teacher_ME[at].to(task.dtype) @ low_CE.T).float()
    if heat != 1.0:
        logits_MC, wise_MC = logits_MC / heat, wise_MC / heat
        probs_MC, lse_M = _softmax(logits_MC)
    wise_probs_MC, wise_lse_M = _softmax(wise_MC)
    kl_M = (wise_probs_MC * (wise_MC - logits_MC)).sum(-1) - wise_lse_M + lse_M
    return kl_M, (probs_MC - wise_probs_MC) * (task.teacher.weight * heat)


def _softmax(logits_MC: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and log-sum-exp; the latter from the largest entry, whose probability cannot underflow."""
    probs_MC = logits_MC.softmax(-1)
    top_M, at_M = logits_MC.max(-1, keepdim=True)
    return probs_MC, (top_M - probs_MC.gather(1, at_M).log()).squeeze(1)
