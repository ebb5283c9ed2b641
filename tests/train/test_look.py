"""The look loss against the decoder's own attention, and what it does to a head."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from lapis import chat
from lapis.data import tokenise
from lapis.data.labels import END
from lapis.data.loader import eval_batches
from lapis.data.looks import FROM_PICTURE
from lapis.data.synth import program
from lapis.dist.guard import Place
from lapis.model import init
from lapis.model.decoder import Layer, rotate, rotation
from lapis.train import look, numbers, step
from lapis.train.places import directions
from lapis.types import Batch, Sample, Text, Turn
from tests.train import world

CPU = Place(torch.device("cpu"), torch.float32)
CORNERS = [[0, 0, 500, 500], [500, 0, 500, 500], [0, 500, 500, 500], [500, 500, 500, 500]]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> chat.Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    return tokenise.train_tokenizer([world.SENTENCE + " (1,2)"] * 3, 400, folder, 4)


@pytest.fixture(scope="module")
def batch(tokenizer: chat.Tokenizer) -> Batch:
    samples = [pointing(number) for number in range(6)] + [world.prose(random.Random(1))]
    return next(eval_batches(samples, tokenizer, world.MODEL, replace(world.PACK, row_tokens=128)))


def pointing(seed: int) -> Sample:
    rng = random.Random(seed)
    x, y, w, h = box = rng.choice(CORNERS)
    asked = Turn("user", (world.picture(rng), Text("lamp")))
    said = Turn("assistant", (Text(f"lamp ({x + w // 2},{y + h // 2})"),))
    return Sample("screen/ground", "en", "test", "CC0-1.0", (asked, said), meta={"boxes": [box]})


def summing(seed: int) -> Sample:
    first, second = random.Random(seed).sample(range(10, 100), 2)
    asked = Turn("user", (Text(f"one lamp costs {first} coins plus {second}"),))
    thought = program.full(program.Program(program.Term(first), (program.Change("+", program.Term(second)),)))
    return Sample("math/word", "en", "test", "CC0-1.0", (asked, Turn("assistant", (Text(thought),))))


@pytest.fixture(scope="module")
def sums(tokenizer: chat.Tokenizer) -> Batch:
    pack = replace(world.PACK, row_tokens=256)
    return next(eval_batches([summing(number) for number in range(6)], tokenizer, world.MODEL, pack))


def trainer(weight: float) -> step.Trainer:
    stage = world.stage(shape="full", look_weight=weight)
    return step.build(step.wrap(init.fresh(world.MODEL, 0)), stage, CPU)


def naive(network: torch.nn.Module, number: int, head: int, x_BTD: torch.Tensor, batch: Batch, alike: bool) -> float:
    """Token by token, from the layer's own queries and keys."""
    decoder = network.decoder
    layer, shape = decoder.layers[number], decoder.config
    assert isinstance(layer, Layer)
    share = shape.heads // shape.kv_heads
    groups = layer.attention.qkv(layer.norm1(x_BTD)).unflatten(-1, (shape.kv_heads, share + 2, shape.head_dim))
    turn = rotation(shape, batch.positions_BT)
    query = rotate(layer.attention.q_norm(groups[:, :, head // share, head % share][:, :, None]), turn)[:, :, 0]
    key = rotate(layer.attention.k_norm(groups[:, :, head // share, share][:, :, None]), turn)[:, :, 0]
    losses = []
    for row, at in {(row, at) for row, at, *_ in batch.looks_L5.tolist()}:
        same = [place for place in range(at + 1) if batch.documents_BT[row, place] == batch.documents_BT[row, at]]
        scores = torch.stack([query[row, at] @ key[row, place] for place in same]) / shape.head_dim**0.5
        wanted = {cell for r, a, cell, *_ in batch.looks_L5.tolist() if (r, a) == (row, at)}
        shares = torch.stack(
            [share for place, share in zip(same, F.softmax(scores, 0), strict=True) if place in wanted]
        )
        losses.append(-shares.log().mean() if alike else -shares.sum().log())
    return torch.stack(losses).sum().item()


def test_the_loss_is_the_attention_on_what_is_meant(batch: Batch) -> None:
    made = trainer(1.0)
    early, *_ = made.network(batch, taps=look.taps(made.network.decoder)).taps
    last, *_ = look.heads(made.network.decoder)
    found = look.seen(early, last, batch, look.parts(batch).points)
    totals = look.totals(batch)
    assert totals[0] == 6 and totals[1] > 6 and totals[5] >= 6 and totals[2:5] == (0, 0, 0)
    alone = replace(batch, looks_L5=look.parts(batch).points)
    assert found.item() == pytest.approx(naive(made.network, look.LAYER, last, early.x_BTD, alone, False), rel=1e-4)


def test_copies_are_looked_at_alike_by_a_head_of_the_layer_between(sums: Batch) -> None:
    """The whole loss of a batch that only copies: each kind of look by its own head and its own total."""
    network = step.wrap(init.fresh(replace(world.DECODER, layers=4), 0))
    passed = network(sums, taps=look.taps(network.decoder)).taps
    totals = look.totals(sums)
    assert look.taps(network.decoder) == (1, 2, 3) and totals[0] == totals[3] == totals[5] == 0 < totals[6]
    parts = []
    _, asked, own, _, clues, _, orders = look.parts(sums)
    for layer, head, looks_L5, total in zip(
        (2, 2, 1), look.heads(network.decoder), (asked, own, clues), (*totals[1:3], totals[4]), strict=True
    ):
        alone = replace(sums, looks_L5=looks_L5)
        parts.append(naive(network, layer, head, passed[layer - 1].x_BTD, alone, layer == 2) / total)
    held_MD = torch.stack([passed[1].x_BTD[row, at] for row, at, *_ in orders.tolist()])
    scores_MC = F.rms_norm(held_MD, held_MD.shape[-1:]) @ directions(held_MD.shape[1], 11, numbers.LINES_SEED)
    parts.append(look.LINES_WEIGHT * F.cross_entropy(scores_MC, orders[:, 4]).item())
    found = look.loss(network.decoder, passed, sums, totals)
    assert found.item() == pytest.approx(sum(parts), rel=1e-4) and len(set(look.heads(network.decoder))) == 3


def test_what_is_held_is_the_point_in_all_tokens_of_its_digits(batch: Batch) -> None:
    """Tokens that lie on the right directions have no loss, and one that does not costs its share."""
    late_BTD = torch.zeros(*batch.tokens_BT.shape, 64)
    lines = directions(64, 2 * look.SIDE)
    for row, at, _, x, y in look.parts(batch).points.tolist():
        told = lines[:, x * look.SIDE // 1000] + lines[:, look.SIDE + y * look.SIDE // 1000]
        late_BTD[row, at : at + look.HELD] = told
    assert look.held(late_BTD, look.parts(batch).points).item() < 6 * 0.1
    row, at = look.parts(batch).points[0, :2].tolist()
    late_BTD[row, at] *= -1
    assert look.held(late_BTD, look.parts(batch).points).item() > 0.5


def test_a_number_that_is_read_is_held_digit_by_digit() -> None:
    """A token that says 47 on the directions of its digits has no loss, one that says 42 pays for its second digit."""
    lines, late_BTD = directions(64, 33, numbers.SEED), torch.zeros(1, 4, 64)
    reads_L5 = torch.tensor([[0, at, 0, FROM_PICTURE, 47] for at in (1, 2)])
    for at in (1, 2):
        late_BTD[0, at] = lines[:, 4] + lines[:, 11 + 7] + lines[:, 22 + END]
    assert look.counted(late_BTD, reads_L5).item() < 2 * 0.2
    late_BTD[0, 2] += lines[:, 11 + 2] - lines[:, 11 + 7]
    assert look.counted(late_BTD, reads_L5).item() > 1.0
    assert look.counted(late_BTD, reads_L5[:0]).item() == 0


def test_taps_change_nothing(batch: Batch) -> None:
    network = trainer(1.0).network
    torch.testing.assert_close(network(batch, taps=(1, 2)).hidden_BTD, network(batch).hidden_BTD)


def test_a_head_learns_where_to_look(batch: Batch) -> None:
    with_eyes, without = trainer(1.0), trainer(0.0)
    lines = [with_eyes.step(batch, number, 3.0) for number in range(30)]
    assert lines[-1].looks < 0.5 * lines[0].looks
    assert without.step(batch, 0, 3.0).looks == 0


def test_heads_learn_what_to_copy(sums: Batch) -> None:
    """Signs look at words, digits at digits; nothing is pointed at."""
    points, asked, own, shown, clues, names, orders = look.totals(sums)
    assert clues > 6 * 15 and asked > 6 * 5 and own > 6 * 10 < orders and not shown + names + points
    decoder = step.build(step.wrap(init.fresh(world.DECODER, 0)), world.stage(look_weight=1.0), CPU)
    lines = [decoder.step(sums, number, 3.0) for number in range(30)]
    assert lines[-1].looks < 0.6 * lines[0].looks


def test_two_lanes_look_alike(batch: Batch) -> None:
    straight, halved = trainer(1.0), trainer(1.0)
    halved.place = replace(CPU, lanes=2)
    assert halved.step(batch, 0, 1.0).looks == pytest.approx(straight.step(batch, 0, 1.0).looks, rel=1e-4)


def test_a_batch_that_points_nowhere_has_no_look_loss(batch: Batch) -> None:
    nowhere = replace(batch, looks_L5=batch.looks_L5[:0])
    assert trainer(1.0).step(nowhere, 0, 1.0).looks == 0
