"""Pruning: what is kept is what mattered, and a trained model loses less by it than by a random cut."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from lapis import config, types
from lapis.model import init, prune
from lapis.model.decoder import Decoder
from tests.model.shared import batch_of

TEACHER = config.Decoder(width=64, layers=3, heads=6, kv_heads=3, head_dim=16, mlp=128, vocab=48)
STUDENT = config.Decoder(width=48, layers=2, heads=4, kv_heads=2, head_dim=16, mlp=96, vocab=48)


def chain(rows: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Tokens in which each depends on the one before."""
    moves = (torch.randn(48, 48, generator=torch.Generator().manual_seed(9)) * 3).softmax(1)
    tokens = [torch.randint(48, (rows,), generator=generator)]
    for _ in range(length - 1):
        tokens.append(torch.multinomial(moves[tokens[-1]], 1, generator=generator)[:, 0])
    return torch.stack(tokens, 1)


def loss(decoder: Decoder, tokens: torch.Tensor) -> torch.Tensor:
    batch = batch_of(tokens[:, :-1])
    hidden = decoder(decoder.embed(batch.tokens_BT), batch.positions_BT)
    return F.cross_entropy(decoder.logits(hidden).flatten(0, 1), tokens[:, 1:].flatten())


@pytest.fixture(scope="module")
def trained() -> Decoder:
    decoder = init.fresh(TEACHER, 0)
    assert isinstance(decoder, Decoder)
    optimizer = torch.optim.AdamW(decoder.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        optimizer.zero_grad()
        loss(decoder, chain(16, 24, generator)).backward()
        optimizer.step()
    return decoder


def calibration() -> list[types.Batch]:
    generator = torch.Generator().manual_seed(1)
    return [batch_of(chain(8, 24, generator)) for _ in range(2)]


def random_importance(seed: int) -> prune.Importance:
    generator = torch.Generator().manual_seed(seed)
    sizes = {"width_D": (64,), "groups_LG": (3, 3), "mlp_LF": (3, 128), "layers_L": (3,), "energy_D": (64,)}
    return prune.Importance(**{name: torch.rand(size, generator=generator) for name, size in sizes.items()})


@torch.no_grad()
def test_loses_less_than_random_cuts(trained: Decoder) -> None:
    held = chain(32, 24, torch.Generator().manual_seed(2))
    measured = prune.prune(trained, STUDENT, prune.importance(trained, calibration()))
    cuts = [loss(prune.prune(trained, STUDENT, random_importance(seed)), held) for seed in range(5)]
    assert loss(trained, held) < loss(measured, held) < min(cuts)


@torch.no_grad()
def test_nothing_cut_is_nothing_changed(trained: Decoder) -> None:
    same = prune.prune(trained, TEACHER, prune.importance(trained, calibration()))
    for (name, x), (_, y) in zip(trained.state_dict().items(), same.state_dict().items(), strict=True):
        torch.testing.assert_close(x, y, msg=name)


@torch.no_grad()
def test_what_writes_nothing_goes_first(trained: Decoder) -> None:
    """Silence one group, 32 MLP channels and one layer: cutting exactly those leaves the logits as they are."""
    import copy

    muted = copy.deepcopy(trained)
    for layer in muted.layers:
        layer.attention.out.weight[:, 32:64] = 0
        layer.mlp.down.weight[:, 10:42] = 0
    muted.layers[1].attention.out.weight.zero_()
    muted.layers[1].mlp.down.weight.zero_()
    shape = dataclasses.replace(TEACHER, layers=2, heads=4, kv_heads=2, mlp=96)
    cut = prune.prune(muted, shape, prune.importance(muted, calibration()))
    tokens = chain(4, 20, torch.Generator().manual_seed(3))
    torch.testing.assert_close(loss(cut, tokens), loss(muted, tokens))


def test_padding_does_not_count(trained: Decoder) -> None:
    tokens = chain(2, 24, torch.Generator().manual_seed(4))
    padded = batch_of(F.pad(tokens, (0, 8)), documents_BT=F.pad(torch.zeros_like(tokens), (0, 8), value=-1))
    short, long = prune.importance(trained, [batch_of(tokens)]), prune.importance(trained, [padded])
    for field in dataclasses.fields(prune.Importance):
        torch.testing.assert_close(getattr(short, field.name), getattr(long, field.name), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_qwen2_biases_and_untied_heads_are_cut_too() -> None:
    shape = dataclasses.replace(TEACHER, qk_norm=False, qkv_bias=True, tied=False)
    teacher = init.fresh(shape, 0)
    assert isinstance(teacher, Decoder)
    small = dataclasses.replace(STUDENT, qk_norm=False, qkv_bias=True, tied=False)
    student = prune.prune(teacher, small, prune.importance(teacher, calibration()))
    assert student.config == small and student.unembedding_VD.shape == (48, 48)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"width": 80}, "width: student's 80 is larger than the teacher's"),
        ({"head_dim": 8}, "head_dim: teacher has 16, student 8"),
        ({"heads": 2}, "heads: pruning removes whole KV groups; heads / kv_heads must be the teacher's"),
        ({"vocab": 40}, "vocab: teacher has 48, student 40"),
    ],
)
def test_shapes_that_are_no_cut_are_refused(trained: Decoder, change: dict[str, int], line: str) -> None:
    with pytest.raises(types.InputError, match=f"^{line}$"):
        prune.prune(trained, dataclasses.replace(STUDENT, **change), random_importance(0))
