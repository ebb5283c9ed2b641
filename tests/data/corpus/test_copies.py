"""Near copies against brute force, and copies of photographs and screens."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pixels

from lapis import config
from lapis.data import store
from lapis.data.corpus import engine, part, plan
from lapis.data.models import Models
from lapis.data.sources import records
from lapis.data.sources.base import Origin
from lapis.types import Embedder, Image, Sample, Silent, Text, Turn
from tests.data import world
from tests.data.corpus import made
from tests.data.corpus.test_words import naive


def jaccard(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)


def test_near_copies_are_those_of_brute_force(tmp_path: Path) -> None:
    rng = random.Random(0)
    texts = [made.text(rng, rng.randint(6, 12)) for _ in range(120)]
    for at in range(0, 120, 2):
        texts.append(made.changed(texts[at], rng, rng.randint(1, 3)))
    made.run(made.data({"web": made.write(tmp_path / "a.jsonl", texts)}), tmp_path / "out")
    kept = set(made.kept(tmp_path / "out"))
    grams = [naive(text, 5) for text in texts]
    alike = [(a, b) for b in range(len(texts)) for a in range(b) if jaccard(grams[a], grams[b]) >= 0.8]
    assert len(alike) >= 20
    missed = [(a, b) for a, b in alike if texts[a] in kept and texts[b] in kept]
    assert len(missed) <= 0.05 * len(alike)
    later = {b: [a for a, other in alike if other == b] for _, b in alike}
    for at, text in enumerate(texts):
        if text not in kept:
            assert any(texts[a] in kept for a in later[at])


def test_each_dropped_copy_tells_the_row_that_it_is_one_of(tmp_path: Path) -> None:
    rng = random.Random(0)
    first = made.text(rng, 12)
    later = made.changed(first, rng, 1)
    made.run(made.data({"web": made.write(tmp_path / "a.jsonl", [first, later, later])}), tmp_path / "out")
    told = {row["reason"]: row["other"] for row in made.dropped(tmp_path / "out")}
    ids = [world.document(one).fingerprint for one in (first, later)]
    assert told == {"near copy": ids[0], "exact copy": ids[1]}


def png(pixels: Pixels.Image, form: str = "PNG", **how: int) -> Image:
    out = io.BytesIO()
    pixels.save(out, form, **how)
    return Image(out.getvalue(), *pixels.size)


def photo(seed: int) -> Pixels.Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Pixels.fromarray(small).resize((120, 90), Pixels.Resampling.BICUBIC)


def sample(kind: str, image: Image, asked: str, cells: tuple[dict[str, object], ...] = ()) -> Sample:
    turns = (Turn("user", (image, Text(asked))), Turn("assistant", (Text("an answer"),)))
    return Sample(kind, "en", "test", "CC0-1.0", turns, cells=cells)


@pytest.fixture
def join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, object]]]:
    """The engine over given samples; returns the dropped rows."""

    def run(*samples: Sample, embed: Embedder | None = None) -> list[dict[str, object]]:
        source = config.Source("jsonl", str(made.write(tmp_path / "a.jsonl", ["x"])))
        data = config.Data(sources={"web": source}, made=False, workers=1, corpus=made.corpus('skip=["pictures"]'))
        monkeypatch.setattr(part, "_read", lambda *words: iter([store.to_table(samples)]))
        engine.make_parts(data, tmp_path / "corpus", Silent())
        engine.make_samples(data, tmp_path / "corpus", tmp_path / "samples", [], Silent(), Models(embed))
        assert plan.parts(data)
        return made.dropped(tmp_path)

    return run


def test_photographs_are_copies_at_other_sizes_and_qualities(join: Callable[..., list[dict[str, object]]]) -> None:
    first = photo(0)
    small = png(first.resize((60, 45)))
    lossy = png(first, "JPEG", quality=60)
    captions = [sample("caption", one, asked) for one, asked in ((png(first), "a"), (small, "b"), (png(photo(1)), "c"))]
    questions = [sample("chat/see", one, asked) for one, asked in ((png(first), "How many?"), (lossy, "Which colour?"))]
    again = sample("chat/see", lossy, "how  MANY?")
    rows = join(*captions, *questions, again)
    assert [(row["reason"], row["kind"], row["step"]) for row in rows] == [
        ("same photograph", "caption", "looks"),
        ("same photograph", "chat/see", "looks"),
    ]
    assert rows[0]["other"] == captions[0].fingerprint and rows[1]["other"] == questions[0].fingerprint


def test_photographs_are_copies_whichever_of_our_questions_was_drawn(
    join: Callable[..., list[dict[str, object]]],
) -> None:
    first = photo(0)
    shown = [png(first), *(png(first, "JPEG", quality=quality) for quality in range(60, 90, 3))]
    origin = Origin("web", "shots", "CC0-1.0")
    found = [
        next(records.captions(records.Record({"image": one, "caption": f"A {n}"}, f"{n}", origin, records.no_pictures)))
        for n, one in enumerate(shown)
    ]
    assert len({one.turns[0].text for one in found}) == 3
    rows = join(*found)
    assert {row["reason"] for row in rows} == {"same photograph"} and len(rows) == len(shown) - 1
    assert {row["other"] for row in rows} == {found[0].fingerprint}


def test_screens_are_copies_by_pixels_or_elements_and_never_by_looks(
    join: Callable[..., list[dict[str, object]]],
) -> None:
    light, dark = Pixels.new("RGB", (80, 60), "white"), Pixels.new("RGB", (80, 60), "black")
    other = light.copy()
    other.putpixel((3, 3), (250, 250, 250))
    words: tuple[dict[str, object], ...] = ({"words": [["Save", 1.0, 2.0, 20.0, 10.0]]},)
    moved: tuple[dict[str, object], ...] = ({"words": [["Save", 1.0, 30.0, 20.0, 10.0]]},)
    asked = "Where is: Save?"
    samples = [
        sample("screen/ground", png(light), asked, words),
        sample("screen/ground", png(other), asked, moved),
        sample("screen/ground", png(dark), asked, words),
        sample("screen/ground", png(light, compress_level=0), asked),
        sample("screen/ground", png(light), "Where is: Quit?", words),
    ]
    rows = join(*samples)
    assert sorted((str(row["reason"]), str(row["id"])) for row in rows) == sorted(
        [("same elements", samples[2].fingerprint), ("same pixels", samples[3].fingerprint)]
    )


def test_photographs_are_copies_by_an_embedding(join: Callable[..., list[dict[str, object]]]) -> None:
    turned = photo(0).transpose(Pixels.Transpose.FLIP_LEFT_RIGHT)
    samples = [sample("caption", png(one), "a") for one in (photo(0), photo(1), turned)]

    class Looks:
        def embed(self, images: Sequence[bytes]) -> Any:
            same = (samples[0].images[0].data, samples[2].images[0].data)
            return np.array([[1.0, 0.0] if one in same else [0.0, 1.0] for one in images], dtype=np.float32)

    rows = join(*samples, embed=Looks())
    assert [(row["reason"], row["id"], row["other"]) for row in rows] == [
        ("same look", samples[2].fingerprint, samples[0].fingerprint)
    ]
    assert json.loads(str(rows[0]["turns"]))
