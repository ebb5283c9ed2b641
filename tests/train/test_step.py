"""One step: packing, micro-batches and freezing change nothing that they should not."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch._inductor import config as inductor

from lapis import chat, config
from lapis.data.loader import eval_batches
from lapis.dist.guard import NonFinite, Place
from lapis.model import init
from lapis.train import loss as losses
from lapis.train import micro, step
from lapis.types import Batch
from tests.train import world

CPU = Place(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> chat.Tokenizer:
    return world.make_data(tmp_path_factory.mktemp("run"))


def whole(**changes: object) -> step.Trainer:
    stage = world.stage(shape="full", lm_weight=1.0, cell_weight=0.5, **changes)
    return step.build(step.wrap(init.fresh(world.MODEL, 0)), stage, CPU)


def text(**changes: object) -> step.Trainer:
    return step.build(step.wrap(init.fresh(world.DECODER, 0)), world.stage(**changes), CPU)


def packed(tokenizer: chat.Tokenizer, samples: list, rows: int = 3) -> list[Batch]:
    return list(eval_batches(samples, tokenizer, world.MODEL, replace(world.PACK, rows=rows)))


def trimmed(batch: Batch) -> Batch:
    """Without the padding behind the longest row."""
    length = int((batch.documents_BT >= 0).sum(1).max())
    rows = {name: value[:, :length] for name, value in batch.items() if name.endswith("_BT")}
    return replace(batch, **rows)


def gradients(trainer: step.Trainer, batches: list[Batch]) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of batches that are one global step together."""
    each = [losses.totals(batch) for batch in batches]
    single = [name for name in losses.Totals.__slots__ if name != "looks"]
    sums = {name: sum(getattr(one, name) for one in each) for name in single}
    divisors = losses.Totals(**sums, looks=tuple(map(sum, zip(*(one.looks for one in each), strict=True))))
    loss = 0.0
    for batch in batches:
        out = losses.compute(trainer.inputs(batch, divisors))
        out.loss.backward()
        loss += out.loss.item()
    named = dict(trainer.network.named_parameters())
    return loss, {name: weight.grad.clone() for name, weight in named.items() if weight.grad is not None}


@pytest.mark.parametrize("images", [False, True])
def test_a_packed_row_equals_its_samples_alone(tokenizer: chat.Tokenizer, images: bool) -> None:
    samples = [one for one in world.samples(14, seed=3) if images or not one.images]
    together = packed(tokenizer, samples)
    alone = [trimmed(batch) for one in samples for batch in packed(tokenizer, [one], rows=1)]
    assert max(int(batch.documents_BT.max()) for batch in together) > 0, "no row holds two documents"
    loss, grads = gradients(whole(), together)
    other, others = gradients(whole(), alone)
    assert loss == pytest.approx(other, rel=1e-5)
    assert grads.keys() == others.keys()
    for name, grad in grads.items():
        torch.testing.assert_close(
            grad, others[name], rtol=1e-3, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_micro_batches_are_the_whole_step(tokenizer: chat.Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = packed(tokenizer, world.samples(8, seed=4))[0]
    assert len(batch.tiles_NSS3) > 2
    large, small = whole(), whole()
    first = large.step(batch, 0, 1.0)
    parts = micro.cut(batch, step.tiles_per_row(small.network, batch), 1, world.PACK.row_tokens)
    assert len(parts) == 3 and sum(len(part.tiles_NSS3) for part in parts) == len(batch.tiles_NSS3)
    monkeypatch.setattr(micro.cut, "__defaults__", (world.PACK.row_tokens,))
    second = small.step(batch, 0, 1.0)
    assert second.loss == pytest.approx(first.loss, rel=1e-5)
    assert second.grad_norm == pytest.approx(first.grad_norm, rel=1e-4)
    assert second.kinds == pytest.approx(first.kinds, rel=1e-5)


def two_lanes(tokenizer: chat.Tokenizer, steps: int) -> dict[str, torch.Tensor]:
    """Everything that a trainer knows after some steps in two lanes."""
    batch = packed(tokenizer, world.samples(8, seed=4))[0]
    trainer = whole()
    trainer.place = replace(CPU, lanes=2)
    for number in range(steps):
        trainer.step(batch, number, 1.0)
    return trainer.tensors()


def test_two_lanes_are_the_whole_step(tokenizer: chat.Tokenizer) -> None:
    batch = packed(tokenizer, world.samples(8, seed=4))[0]
    straight, halved = whole(), whole()
    halved.place = replace(CPU, lanes=2)
    first, second = straight.step(batch, 0, 1.0), halved.step(batch, 0, 1.0)
    assert second.loss == pytest.approx(first.loss, rel=1e-5)
    assert second.grad_norm == pytest.approx(first.grad_norm, rel=1e-4)
    assert second.kinds == pytest.approx(first.kinds, rel=1e-5)


def test_two_lanes_repeat_to_the_bit(tokenizer: chat.Tokenizer) -> None:
    first, second = two_lanes(tokenizer, 4), two_lanes(tokenizer, 4)
    assert all(values.equal(second[name]) for name, values in first.items() if name != "rng")


def test_lanes_take_equal_work(tokenizer: chat.Tokenizer) -> None:
    batch = packed(tokenizer, world.samples(8, seed=4))[0]
    tiles = torch.tensor([6, 0, 0])
    one, two = micro.cut(replace(batch, tiles_NSS3=batch.tiles_NSS3[:6]), tiles, 2)
    assert (len(one.tokens_BT), len(two.tokens_BT)) == (1, 2)
    assert (len(one.tiles_NSS3), len(two.tiles_NSS3)) == (6, 0)


def test_a_decoder_trains_like_the_whole_model_without_images(tokenizer: chat.Tokenizer) -> None:
    batch = packed(tokenizer, [one for one in world.samples(10) if not one.images])[0]
    both = whole()
    alone = step.build(step.wrap(init.fresh(world.DECODER, 5)), world.stage(), CPU)
    alone.network.decoder.load_state_dict(both.network.decoder.state_dict())
    assert both.step(batch, 0, 1.0).loss == pytest.approx(alone.step(batch, 0, 1.0).loss, rel=1e-6)


def test_frozen_parts_stay_and_have_no_state(tokenizer: chat.Tokenizer) -> None:
    batch = packed(tokenizer, world.samples(8))[0]
    trainer = whole(trains=("adapter",))
    before = {name: weight.clone() for name, weight in trainer.network.state_dict().items()}
    trainer.step(batch, 0, 1.0)
    changed = {name.split(".")[0] for name, now in trainer.network.state_dict().items() if not now.equal(before[name])}
    assert changed == {"adapter"}
    assert {name.split(".")[1] for name in trainer.tensors() if name.startswith("optim.")} == {"adapter"}


def test_without_lm_weight_the_decoder_is_not_run(tokenizer: chat.Tokenizer) -> None:
    batch = packed(tokenizer, world.samples(8))[0]
    stage = world.stage(shape="full", lm_weight=0.0, cell_weight=1.0, trains=("vit", "adapter"))
    trainer = step.build(step.wrap(init.fresh(world.MODEL, 0)), stage, CPU)
    calls = []
    trainer.network.decoder.layers[0].register_forward_hook(lambda *_: calls.append(1))
    result = trainer.step(batch, 0, 1.0)
    assert not calls and result.lm == 0 and result.loss == pytest.approx(result.cells) and result.loss > 0


def test_losses_fall_on_one_batch(tokenizer: chat.Tokenizer) -> None:
    batch = packed(tokenizer, world.samples(8))[0]
    trainer = whole()
    run = [trainer.step(batch, number, 3.0) for number in range(25)]
    assert run[-1].lm < 0.7 * run[0].lm and run[-1].cells < run[0].cells
    assert set(run[0].kinds) == {"prose", "screen/ocr"}


def test_distillation_pulls_towards_the_teacher(tokenizer: chat.Tokenizer) -> None:
    batch = packed(tokenizer, [one for one in world.samples(10) if not one.images])[0]
    teacher = step.wrap(init.fresh(world.TEACHER, 7))
    frozen = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    stage = world.stage(distil=config.Distil("teacher", temperature=2.0, chunk=32))
    trainer = step.build(step.wrap(init.fresh(world.DECODER, 0)), stage, CPU, teacher)
    run = [trainer.step(batch, number, 3.0) for number in range(25)]
    assert run[-1].distil < 0.5 * run[0].distil
    assert all(weight.equal(frozen[name]) for name, weight in teacher.state_dict().items())


def test_a_number_that_is_none_changes_nothing(tokenizer: chat.Tokenizer) -> None:
    batch = packed(tokenizer, [one for one in world.samples(10) if not one.images])[0]
    trainer = text()
    before = {name: tensor.clone() for name, tensor in trainer.tensors().items()}
    bad = replace(batch, weights_BT=batch.weights_BT * float("nan"))
    with pytest.raises(NonFinite, match="step 3: loss is nan"):
        trainer.step(bad, 3, 1.0)
    assert all(tensor.equal(before[name]) for name, tensor in trainer.tensors().items())
    assert trainer.updates == 0 and trainer.step(batch, 4, 1.0).loss > 0


def test_bf16_stays_near_fp32(tokenizer: chat.Tokenizer) -> None:
    batch = packed(tokenizer, world.samples(8))[0]
    rough = whole()
    rough.place = dataclasses.replace(CPU, dtype=torch.bfloat16)
    assert rough.step(batch, 0, 1.0).loss == pytest.approx(whole().step(batch, 0, 1.0).loss, rel=0.02)
    assert {weight.dtype for weight in rough.network.parameters()} == {torch.float32}


def test_compiled_layers_give_the_same(tokenizer: chat.Tokenizer) -> None:
    batch = packed(tokenizer, [one for one in world.samples(10) if not one.images])[0]
    shape = dataclasses.replace(world.DECODER, layers=1)
    plain, fast = (step.build(step.wrap(init.fresh(shape, 0)), world.stage(), CPU) for _ in range(2))
    step.compile_layers(fast.network)
    for number in range(2):
        assert fast.step(batch, number, 1.0).loss == pytest.approx(plain.step(batch, number, 1.0).loss, rel=1e-4)
    assert fast.network.state_dict().keys() == plain.network.state_dict().keys()


def test_without_a_compiler_training_goes_on(
    tokenizer: chat.Tokenizer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(inductor.cpp, "cxx", (None, str(tmp_path / "no-such-compiler")))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    torch.compiler.reset()
    trainer = text()
    with caplog.at_level(logging.WARNING, logger="lapis"):
        step.compile_layers(trainer.network)
    assert [one.getMessage().split(" (")[0] for one in caplog.records if one.name == step.__name__] == [
        "torch.compile does not work here"
    ]
    batch = packed(tokenizer, [one for one in world.samples(10) if not one.images])[0]
    assert trainer.step(batch, 0, 1.0).loss > 0
