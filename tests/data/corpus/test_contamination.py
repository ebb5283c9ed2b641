"""What has read an evaluation set leaves, with the sample that it read; and what is wrong with a source is one line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pixels

from lapis import coherent, config
from lapis.data import store
from lapis.data.corpus import contamination, plan
from lapis.recipes import corpus as recipe
from lapis.types import InputError
from tests.data import world
from tests.data.corpus import made
from tests.data.corpus.test_copies import photo, png, sample


def test_documents_that_share_an_ngram_or_are_a_short_sample_leave(tmp_path: Path) -> None:
    rng = random.Random(0)
    asked, shorter, frame = made.text(rng, 3), "How many pears are left", " ".join(made.WORDS[:15])
    held = [world.document(asked), world.document(shorter)] + [world.document(f"{frame} {at}") for at in range(12)]
    store.write_samples(tmp_path / "out/heldout/exam.parquet", held)
    words = asked.replace(",", "").split()
    quoted = f"{made.text(rng)} {' '.join(words[4:17]).upper()}! {made.text(rng)}"
    near_miss = f"{made.text(rng)} {' '.join(words[4:16])} {made.text(rng)}"
    framed, plain = f"{made.text(rng)} {frame} {made.text(rng)}", made.text(rng)
    texts = [quoted, near_miss, framed, plain, "how many PEARS are left?", "How many pears are left, one asks"]
    (tmp_path / "more.jsonl").write_text(json.dumps({"text": plain}) + "\n", encoding="utf-8")
    against = f'evaluations.against=["{tmp_path}/more.jsonl"]'
    source = {"web": made.write(tmp_path / "a.jsonl", texts)}
    made.run(made.data(source, against, 'skip=["quality"]'), tmp_path / "out")
    assert made.kept(tmp_path / "out") == [near_miss, framed, texts[5]]
    told = {row["text"]: row["other"] for row in made.dropped(tmp_path / "out")}
    more = world.document(plain).fingerprint
    assert told == {
        quoted: f"exam {held[0].fingerprint}",
        texts[4]: f"exam {held[1].fingerprint}",
        plain: f"more {more}",
    }


def test_pictures_of_an_evaluation_are_found(tmp_path: Path) -> None:
    screen = Pixels.new("RGB", (80, 60), "white")
    store.write_samples(
        tmp_path / "exam.parquet", [sample("caption", png(photo(0)), "x"), sample("screen/qa", png(screen), "x")]
    )
    settings = config.Evaluations()
    contamination.write_index(tmp_path / "index.npz", [tmp_path / "exam.parquet"], settings, True)
    rows = [
        sample("caption", png(photo(0).resize((60, 45))), "y"),
        sample("caption", png(photo(1)), "y"),
        sample("screen/qa", png(screen, compress_level=0), "y"),
        sample("screen/qa", png(Pixels.new("RGB", (80, 60), "black")), "y"),
    ]
    reasons, read = contamination.Index(tmp_path / "index.npz", settings).judge(store.to_table(rows))
    assert reasons.to_pylist() == ["evaluation picture", None, "evaluation picture", None]
    assert [bool(one) for one in read] == [True, False, True, False]
    assert np.load(tmp_path / "index.npz")["names"].shape == (2,)


@pytest.mark.parametrize(("text", "line"), [(None, "no evaluation set there"), ("{", "no evaluation set; expected")])
def test_an_evaluation_set_that_is_none_is_one_line(tmp_path: Path, text: str | None, line: str) -> None:
    if text:
        (tmp_path / "exam.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=line):
        contamination.write_index(tmp_path / "i.npz", [tmp_path / "exam.jsonl"], config.Evaluations(), False)


WEB = ("data.sources.web.form=jsonl", "data.sources.web.place=x")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["data.sources.web.form=jsonl"], "data.sources.web.place: Field required"),
        (["data.sources.web.frm=x"], "data.sources.web.frm: Unexpected keyword argument|form: Field required"),
        (["data.sources.web.form=xml", "data.sources.web.place=x"], "data.sources.web.form: no form 'xml'; there are"),
        (["data.sources.prose.form=jsonl", "data.sources.prose.place=x"], "data.sources.prose: expected a name of its"),
        ([], "data.sources: none, and data.made is false"),
        ([*WEB, 'data.corpus.skip=["private","privat"]'], "data.corpus.skip: no step 'privat' to skip; there are"),
        ([*WEB, 'data.corpus.skip=["near"]'], "data.corpus.skip: no step 'near' to skip; .*classify, agreement$"),
        ([*WEB, "data.sources.web.columns.txt=body"], "data.sources.web.columns.txt: no such field; there are text"),
        (["data.sources.web.form=text", *WEB[1:], "data.sources.web.columns.text=x"], "text: records of text have no"),
    ],
)
def test_a_wrong_source_is_one_line_before_any_work(words: list[str], line: str) -> None:
    with pytest.raises(InputError, match=line):
        coherent.check(config.resolve(recipe.recipe(), words))


def test_a_place_without_files_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data.sources.web.place: .*nowhere"):
        plan.parts(made.data({"web": tmp_path / "nowhere/*.jsonl"}))


def test_sources_come_of_words(tmp_path: Path) -> None:
    words = ["data.sources.web.form=jsonl", f"data.sources.web.place={tmp_path}", "data.sources.web.columns.text=body"]
    resolved = config.resolve(recipe.recipe(), words)
    assert resolved.data.sources == {"web": config.Source("jsonl", str(tmp_path), columns={"text": "body"})}
    assert config.load(config.dump(resolved)) == resolved
