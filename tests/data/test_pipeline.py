"""The data stage over a user's texts and hand-made screens: files, held-out sets, resuming, leaks, a full disk."""

from __future__ import annotations

import dataclasses
import errno
import json
import random
from pathlib import Path

import pytest

from lapis import chat, config
from lapis.data import gather, pipeline, store
from lapis.data.loader import Loader
from lapis.data.screens import render
from lapis.data.shards import Shards, fingerprint
from lapis.data.tokenise import example
from lapis.data_pages import behind
from lapis.types import Image, InputError, Sample, Text, Turn
from tests.data import world

HELD = {
    "prose",
    "caption",
    "act_seen",
    "act_unseen",
    "ground_seen",
    "ground_unseen",
    "math",
    "screen_math_seen",
    "screen_math_unseen",
    "screen_qa",
    "needle",
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    rng = random.Random(0)
    for number in range(30):
        english = "\n\n".join(" ".join(rng.choices(world.ENGLISH, k=60)) + "." for _ in range(12))
        chinese = "\n\n".join("".join(rng.choices(world.CHINESE, k=90)) + "。" for _ in range(12))
        (folder / f"en{number}.txt").write_text(english, encoding="utf-8")
        (folder / f"zh{number}.txt").write_text(chinese, encoding="utf-8")
    return folder


def recipe(texts: Path) -> config.Recipe:
    pack = config.Pack(256, 2, 8)
    data = config.Data(
        vocab=400,
        prose_mb=0.02,
        packages=False,
        texts=str(texts),
        screens=5,
        held_screens=3,
        questions=30,
        held_questions=3,
        fresh=4,
        captions=2,
        needles=3,
        workers=1,
    )
    stage = config.Train("text", None, {"prose": 1.0}, 2, pack)
    return config.Recipe("t", world.MODEL, world.DECODER, data, (stage,), config.Eval(), config.Export())


@pytest.fixture()
def screens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "render", world.shops)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_everything_is_made_and_made_again_the_same(tmp_path: Path, texts: Path, screens: None) -> None:
    progress = world.Seen()
    out = tmp_path / "a"
    pipeline.build(recipe(texts), out, progress)
    assert progress.steps == pipeline.UNITS
    assert {path.stem for path in (out / "heldout").glob("*.parquet")} == HELD
    counts = json.loads((out / "counts.json").read_text(encoding="utf-8"))
    assert not any(counts["leaked"].values())
    fresh = set(store.read_column(out / "fresh" / "questions.parquet", "key"))
    assert fresh and not fresh & set(store.read_column(out / "samples" / "questions.parquet", "key"))
    assert not set(store.read_column(out / "fresh" / "screens.parquet", "key")) & {
        key for path in (out / "samples").glob("screens-*") for key in store.read_column(path, "key")
    }
    assert {"prose", "math/arith", "screen/ground", "screen/math", "long/needle"} <= set(counts["kinds"])
    assert any("packages are off" in note for note in counts["notes"])
    shards = Shards(out / "shards", fingerprint(out / "tokenizer"))
    assert len(shards) == sum(kind["samples"] for kind in counts["kinds"].values())
    assert not list(out.rglob("*.tmp")) and not (out / "corpus").exists()
    loader = Loader(out / "shards", {"screen": 1.0, "prose": 1.0}, config.Pack(256, 2, 8), 3, 0, {}, 4)
    assert len(loader.batch(0).tiles_NSS3)
    pipeline.build(recipe(texts), tmp_path / "b", world.Seen())
    again = contents(tmp_path / "b")
    assert {name: data for name, data in contents(out).items() if "plans" not in name} == again


def test_sources_are_on_one_side_and_reasons_are_kept(tmp_path: Path, texts: Path, screens: None) -> None:
    pipeline.build(recipe(texts), tmp_path, world.Seen())
    sides = [set(store.read_column(tmp_path / name / "prose.parquet", "source")) for name in ("samples", "heldout")]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]
    assert isinstance(json.loads((tmp_path / "samples/dropped.json").read_text(encoding="utf-8")), dict)


def test_long_documents_of_every_kind_where_they_are_wanted(tmp_path: Path, texts: Path, screens: None) -> None:
    small = recipe(texts)
    wide = dataclasses.replace(small.stages[0], pack=config.Pack(12000, 1, 8))
    data = dataclasses.replace(small.data, long=config.Long(hop=6, order=6, count=6, screens=4, joined=9))
    pipeline.build(dataclasses.replace(small, data=data, stages=(wide,)), tmp_path, world.Seen())
    kinds = store.read_column(tmp_path / "samples" / "long.parquet", "kind")
    made = {kind: kinds.count(kind) for kind in kinds}
    joined = made.pop("long/joined")
    assert made == {"long/hop": 6, "long/order": 6, "long/count": 6, "long/screens": 4} and 0 < joined <= 9
    held = {path.stem: list(store.read_samples(path)) for path in (tmp_path / "heldout").glob("long_*")}
    assert {*held} == {"long_hop", "long_order", "long_count", "long_screens", "long_joined"}
    assert all(len(samples) == 1 for name, samples in held.items() if name != "long_joined")
    counts = json.loads((tmp_path / "counts.json").read_text(encoding="utf-8"))
    assert counts["kinds"]["long/hop"]["samples"] == 6
    tokens = Shards(tmp_path / "shards", fingerprint(tmp_path / "tokenizer"))
    hop = tokens.kinds.index("long/hop")
    assert max(tokens.lengths[tokens.kind == hop]) > 3000
    loader = Loader(tmp_path / "shards", {"long": 1.0}, config.Pack(12000, 1, 8), 9, 0, {}, 4)
    assert not {"long/hop", "long/order", "long/count"} & {*loader.left_out}


class Cut(Exception):
    """The run is killed."""


def test_a_killed_stage_goes_on_where_it_was(
    tmp_path: Path, texts: Path, screens: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    pipeline.build(recipe(texts), whole, world.Seen())
    asked: list[int] = []

    def dies(count: int, seed: int, split: str, *rest: object, start: int = 0, **named: object) -> object:
        asked.append(start)
        if split == "train" and start == 2 and asked.count(2) == 1:
            raise Cut
        return world.shops(count, seed, split, *rest, start=start, **named)

    monkeypatch.setattr(gather, "CHUNK", 2)
    monkeypatch.setattr(render, "render", dies)
    with pytest.raises(Cut):
        pipeline.build(recipe(texts), cut, world.Seen())
    progress = world.Seen()
    pipeline.build(recipe(texts), cut, progress)
    assert progress.steps == pipeline.UNITS
    assert asked[:4] == [0, 0, 2, 2]  # tokenizer's screens, then files 0 and 1; the second run begins at file 1
    assert contents(whole / "heldout") == contents(cut / "heldout")
    assert contents(whole / "tokenizer") == contents(cut / "tokenizer")


def test_what_equals_a_held_out_sample_is_dropped(
    tmp_path: Path, texts: Path, screens: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaking(stage: gather.Stage) -> dict[str, object]:
        made = gather.make_questions(stage)
        held = list(store.read_samples(stage.held / "math.parquet"))
        taught = list(store.read_samples(stage.samples / "questions.parquet"))
        store.write_samples(stage.samples / "questions.parquet", [*taught, *held[:2], held[0]])
        return made

    steps = tuple(
        dataclasses.replace(step, make=leaking) if step.name == "questions" else step for step in pipeline.STEPS
    )
    monkeypatch.setattr(pipeline, "STEPS", steps)
    pipeline.build(recipe(texts), tmp_path, world.Seen())
    counts = json.loads((tmp_path / "counts.json").read_text(encoding="utf-8"))
    assert counts["leaked"]["questions"] == 3
    assert all(
        {sum(kind[one].values()) for one in ("lang", "licence")} == {kind["samples"]}
        for kind in counts["kinds"].values()
    )
    own = {name: kind["samples"] for name, kind in counts["kinds"].items() if name.startswith("math/")}
    assert sum(own.values()) - own.get("math/told", 0) == 30  # told ones come from screens
    _same(tmp_path, 3)


def test_a_caption_of_a_held_out_figure_is_dropped(
    tmp_path: Path, texts: Path, screens: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another page of a package may show the same figure under other words."""
    rng = random.Random(0)
    twice, once = world.picture(rng, 64, 48), world.picture(rng, 64, 48)

    def caption(image: Image, text: str) -> Sample:
        turns = (Turn("user", (image, Text("What is shown?"))), Turn("assistant", (Text(text),)))
        return Sample("caption", "en", f"page of {text}", "MIT", turns)

    def figures(stage: gather.Stage) -> dict[str, object]:
        taught = [caption(twice, "A plan of the house"), caption(once, "A plan of the garden")]
        store.write_samples(stage.samples / "captions.parquet", taught)
        store.write_samples(stage.held / "caption.parquet", [caption(twice, "Where the rooms are")])
        return {}

    steps = tuple(
        dataclasses.replace(step, make=figures) if step.name == "captions" else step for step in pipeline.STEPS
    )
    monkeypatch.setattr(pipeline, "STEPS", steps)
    pipeline.build(recipe(texts), tmp_path, world.Seen())
    counts = json.loads((tmp_path / "counts.json").read_text(encoding="utf-8"))
    assert counts["leaked"]["captions"] == 1 and counts["kinds"]["caption"]["samples"] == 1
    _same(tmp_path, 1)


def _same(out: Path, dropped: int) -> None:
    """Each sample of the shards is that of the row which is told as its origin."""
    shards, made = Shards(out / "shards"), recipe(out).model
    tokenizer = chat.Tokenizer.load(out / "tokenizer", made.tokens_per_tile)
    samples = {path: [*store.read_samples(path)] for path in (out / "samples").glob("*.parquet")}
    rows = behind.rows(out / "shards", len(shards))
    assert len(rows) == len(shards) == sum(map(len, samples.values())) - dropped
    for number, (path, row) in enumerate(rows):
        assert shards.read(number).ids.tolist() == example(samples[path][row], tokenizer, made).ids.tolist()


def test_a_full_disk_is_one_line(tmp_path: Path, texts: Path, screens: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, samples: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "write_samples", full)
    with pytest.raises(InputError, match="disk is full"):
        pipeline.build(recipe(texts), tmp_path, world.Seen())
    assert not (tmp_path / "done.json").exists()


def test_a_bad_text_stops_before_anything_is_written(tmp_path: Path, screens: None) -> None:
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="bad.txt: not UTF-8"):
        pipeline.build(recipe(tmp_path), tmp_path / "out", world.Seen())
    assert not list((tmp_path / "out").rglob("*.parquet*"))
