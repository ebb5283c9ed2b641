"""Batches against what the samples say, resume, read-ahead, shares of ranks, and held-out batches."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from lapis import chat, config
from lapis.data import shards, tokenise
from lapis.data.deal import cost_of
from lapis.data.labels import LABELS
from lapis.data.loader import Loader, eval_batches
from lapis.types import IGNORE, Batch, InputError
from tests.data import world

PACK = config.Pack(row_tokens=96, rows=3, tiles=8)
WIDE = config.Pack(row_tokens=96, rows=12, tiles=30)
COST = cost_of(world.MODEL)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    tokenizer = tokenise.train_tokenizer([" ".join(world.ENGLISH)] * 5, 400, folder, world.MODEL.tokens_per_tile)
    examples = (tokenise.example(sample, tokenizer, world.MODEL) for sample in world.mixed(40))
    shards.write_index(folder, [shards.write_shard(folder, "a", examples)], shards.fingerprint(folder))
    return folder


def load(root: Path, steps: int = 12, **changes: object) -> Loader:
    options = {"mixture": {"prose": 1.0, "screen": 1.0}, "epochs": {}, "seed": 0, "pack": PACK, **changes}
    return Loader(root, steps=steps, tokens_per_tile=world.MODEL.tokens_per_tile, **options)


def same(one: Batch, other: Batch) -> bool:
    pairs = [
        (getattr(one, name), getattr(other, name)) for name, value in one.items() if isinstance(value, torch.Tensor)
    ]
    return all(torch.equal(*pair) for pair in pairs) and one.kinds == other.kinds


def test_shapes_and_dtypes(root: Path) -> None:
    batch = load(root).batch(0)
    for name, dtype in (
        ("tokens_BT", torch.int64),
        ("targets_BT", torch.int64),
        ("weights_BT", torch.float32),
        ("documents_BT", torch.int32),
        ("positions_BT", torch.int64),
        ("kinds_BT", torch.int16),
    ):
        value = getattr(batch, name)
        assert (value.shape, value.dtype) == ((3, 96), dtype)
    tiles = len(batch.tiles_NSS3)
    assert batch.tiles_NSS3.shape == (tiles, 56, 56, 3)
    assert batch.cells_VK.shape == (tiles * world.MODEL.tokens_per_tile, LABELS)
    assert (batch.tokens_BT == world.MODEL.image_token).sum() == len(batch.cells_VK)


def test_every_document_is_a_sample_with_shifted_targets(root: Path) -> None:
    loader = load(root)
    opened = shards.Shards(root)
    known = {tuple(opened.read(n).ids.tolist()): opened.read(n) for n in range(len(opened))}
    for step in range(loader.steps):
        batch = loader.batch(step)
        for row in range(PACK.rows):
            documents = batch.documents_BT[row]
            for number in range(int(documents.max()) + 1):
                mask = documents == number
                one = known[tuple(batch.tokens_BT[row][mask].tolist())]
                targets = batch.targets_BT[row][mask].tolist()
                expected = [a if t else IGNORE for a, t in zip(one.ids[1:], one.trained[1:], strict=True)]
                assert targets == [*expected, IGNORE]
                assert batch.positions_BT[row][mask].tolist() == list(range(len(one.ids)))
                assert batch.kinds[int(batch.kinds_BT[row][mask][0])] == one.kind
            padding = documents == -1
            assert (batch.targets_BT[row][padding] == IGNORE).all()
            assert (batch.kinds_BT[row][padding] == -1).all()
        assert torch.equal(batch.weights_BT, (batch.targets_BT != IGNORE).float())
        assert not (batch.targets_BT == world.MODEL.image_token).any()


def test_tiles_stand_in_the_order_of_their_placeholders(root: Path) -> None:
    loader = load(root)
    opened = shards.Shards(root)
    batch = loader.batch(0)
    samples = [loader.pieces.sample[piece] for row in range(PACK.rows) for piece in loader.plan.row(0, row)]
    expected = [tokenise.unpng(tile) for sample in samples for tile in opened.read(int(sample)).tiles]
    assert len(expected) == len(batch.tiles_NSS3) > 1
    assert all((batch.tiles_NSS3[at].numpy() == tile).all() for at, tile in enumerate(expected))


def test_resume_gives_the_same_batches_and_closing_leaves_no_thread(root: Path) -> None:
    before = set(threading.enumerate())
    whole = list(load(root).iterate())
    stream = load(root).iterate(5)
    rest = [next(stream) for _ in range(3)]
    stream.close()
    assert len(whole) == 12
    assert all(same(one, other) for one, other in zip(whole[5:8], rest, strict=True))
    assert set(threading.enumerate()) <= before
    assert not same(whole[0], load(root, seed=1).batch(0))


def test_text_alone_has_no_tiles_but_their_shape(root: Path) -> None:
    batch = load(root, mixture={"prose": 1.0}).batch(0)
    assert batch.tiles_NSS3.shape == (0, 56, 56, 3)
    assert batch.cells_VK.shape == (0, LABELS)


def test_the_end_of_capped_data_is_told(root: Path) -> None:
    loader = load(root, steps=500, epochs={"prose": 1, "screen": 2})
    assert 0 < loader.steps < 500
    assert loader.passes == {"prose": 1.0, "screen": 2.0}
    with pytest.raises(InputError, match=f"holds {loader.steps} steps"):
        loader.batch(loader.steps)


def rows_of(batch: Batch) -> list[tuple[bytes, ...]]:
    """Each row with all that belongs to it, as bytes."""
    per_tile = world.MODEL.tokens_per_tile
    ends = [0, *((batch.tokens_BT == world.MODEL.image_token).sum(1) // per_tile).cumsum(0).tolist()]
    names = ("tokens_BT", "targets_BT", "weights_BT", "documents_BT", "positions_BT", "kinds_BT")
    found = []
    for row, (start, stop) in enumerate(zip(ends, ends[1:], strict=False)):
        looks = batch.looks_L5[batch.looks_L5[:, 0] == row][:, 1:]
        tiles, cells = batch.tiles_NSS3[start:stop], batch.cells_VK[start * per_tile : stop * per_tile]
        parts = [*(getattr(batch, name)[row] for name in names), tiles, cells, looks]
        found.append(tuple(part.numpy().tobytes() for part in parts))
    return found


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 6, 12])
def test_ranks_together_have_the_rows_of_one(root: Path, ranks: int) -> None:
    alone = load(root, pack=WIDE)
    parts = [load(root, pack=WIDE, share=(rank, ranks), cost=COST) for rank in range(ranks)]
    for step in (0, 5, 11):
        batches = [part.batch(step) for part in parts]
        assert all(len(batch.tokens_BT) == 12 // ranks for batch in batches)
        whole, dealt = rows_of(alone.batch(step)), [rows_of(batch) for batch in batches]
        assert sorted(row for rows in dealt for row in rows) == sorted(whole)


def test_a_run_goes_on_at_another_world_size(root: Path) -> None:
    whole = [sorted(rows_of(batch)) for batch in load(root, pack=WIDE).iterate()]
    found = []
    for ranks, steps in ((2, range(4)), (6, range(4, 9)), (1, range(9, 12))):
        streams = [load(root, pack=WIDE, share=(rank, ranks), cost=COST).iterate(steps[0]) for rank in range(ranks)]
        found += [sorted(row for stream in streams for row in rows_of(next(stream))) for _ in steps]
        for stream in streams:
            stream.close()
    assert found == whole


def test_one_rank_has_the_rows_of_the_plan_in_order(root: Path) -> None:
    loader = load(root, cost=COST)
    opened = shards.Shards(root)
    for step in range(loader.steps):
        for row, tokens in enumerate(loader.batch(step).tokens_BT):
            samples = loader.pieces.sample[loader.plan.row(step, row)].tolist()
            ids = [token for sample in samples for token in opened.read(sample).ids.tolist()]
            assert tokens.tolist() == ids + [0] * (96 - len(ids))


@pytest.mark.parametrize("ranks", [1, 4])
def test_kinds_keep_their_stated_shares_over_all_ranks(root: Path, ranks: int) -> None:
    weights, pack = {"prose": 3.0, "screen": 1.0}, config.Pack(row_tokens=600, rows=12, tiles=99)
    parts = [load(root, 60, pack=pack, mixture=weights, share=(rank, ranks), cost=COST) for rank in range(ranks)]
    counts = dict.fromkeys(weights, 0)
    for batch in (part.batch(step) for part in parts for step in range(60)):
        begins_BT = (batch.positions_BT == 0) & (batch.kinds_BT >= 0)
        for number in batch.kinds_BT[begins_BT].tolist():
            counts[batch.kinds[number].split("/")[0]] += 1
    assert counts["prose"] / sum(counts.values()) == pytest.approx(0.75, abs=0.02)


def test_ranks_that_do_not_divide_the_rows_are_refused(root: Path) -> None:
    with pytest.raises(InputError, match="pack.rows: 3 rows .* 2 ranks"):
        load(root, share=(0, 2))


def test_held_out_batches_hold_every_sample_once(root: Path) -> None:
    tokenizer = chat.Tokenizer.load(root, world.MODEL.tokens_per_tile)
    samples = world.mixed(11, seed=3)
    batches = list(eval_batches(samples, tokenizer, world.MODEL, PACK))
    found = sum(int(batch.documents_BT[row].max()) + 1 for batch in batches for row in range(PACK.rows))
    assert found == len(samples)
    assert all(batch.tokens_BT.shape == (3, 96) for batch in batches)


def test_position_is_counted_from_the_plan(root: Path) -> None:
    """Against a count of what every step reads, in any order of asking, the same on each of three ranks."""
    loader, ranks = load(root, 30), [load(root, 30, share=(rank, 3)) for rank in range(3)]
    kind, kinds = loader.pieces.kind, loader.kinds
    for step in (1, 7, 7, 30, 4):
        read = [int(kind[piece]) for at in range(step) for row in loader._rows(at) for piece in row]
        for name in ("prose", "screen"):
            mine = [number for number, one in enumerate(kinds) if one.split("/")[0] == name]
            passes = sum(one in mine for one in read) / sum(int(one) in mine for one in kind)
            assert loader.position(step)[name] == pytest.approx(passes, abs=1e-4)
        assert all(rank.position(step) == loader.position(step) for rank in ranks)
    assert min(loader.position(30).values()) > 1
