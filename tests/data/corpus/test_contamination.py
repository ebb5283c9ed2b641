"""What has read an evaluation set leaves, with the sample that it read; and what is wrong with a source is one line."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pixels

from lapis import coherent, config
from lapis.data import pipeline, store
from lapis.data.corpus import contamination, evaluations, plan, signatures
from lapis.model import anyres
from lapis.recipes import corpus as recipe
from lapis.types import InputError, Silent
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
    counted = json.loads((tmp_path / "out/corpus/counts.json").read_text(encoding="utf-8"))["evaluations"]
    assert counted == {
        "exam": {"samples": 14, "dropped": {"evaluation text": 2}},
        "more": {"samples": 1, "dropped": {"evaluation text": 1}},
    }
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
    reasons, read = contamination.Index(tmp_path / "index.npz", settings, 3).judge(store.to_table(rows))
    assert reasons.to_pylist() == ["evaluation picture", None, "evaluation picture", None]
    assert [bool(one) for one in read] == [True, False, True, False]
    assert np.load(tmp_path / "index.npz")["names"].shape == (2,)


def test_photographs_of_an_evaluation_are_found_as_far_apart_as_copies_may_be(tmp_path: Path) -> None:
    first = photo(0)
    lossy = [png(first, "JPEG", quality=quality) for quality in range(2, 60)]
    hashes = [signatures.perceptual(Pixels.open(io.BytesIO(one.data)).convert("RGB")) for one in lossy]
    apart = [(one ^ signatures.perceptual(first)).bit_count() for one in hashes]
    assert {0, 2} <= {*apart} and max(apart) > 3
    store.write_samples(tmp_path / "exam.parquet", [sample("caption", png(first), "x")])
    contamination.write_index(tmp_path / "index.npz", [tmp_path / "exam.parquet"], config.Evaluations(), True)
    rows = store.to_table([sample("caption", one, "y") for one in lossy])
    for distance in (1, 3):
        index = contamination.Index(tmp_path / "index.npz", config.Evaluations(), distance)
        assert [bool(one) for one in index.judge(rows)[1]] == [bits <= distance for bits in apart]


def judged(folder: Path, held: list[str], texts: list[str]) -> list[bool]:
    """Which of some documents have read an evaluation set."""
    (folder / "exam.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in held), encoding="utf-8")
    contamination.write_index(folder / "index.npz", [folder / "exam.jsonl"], config.Evaluations(), False)
    rows = store.to_table([world.document(text) for text in texts])
    index = contamination.Index(folder / "index.npz", config.Evaluations(), 3)
    return [bool(one) for one in index.judge(rows)[1]]


def test_a_passage_counts_however_many_questions_are_about_it(tmp_path: Path) -> None:
    rng = random.Random(0)
    passages, frame = [made.text(rng, 12) for _ in range(3)], f"Read this and answer: {' '.join(made.WORDS[:15])}."
    held = [f"{frame} {one} {made.text(rng, 1)}" for one in passages for _ in range(12)]
    quoted = [f"{made.text(rng)} {' '.join(one.split()[20:50])} {made.text(rng)}" for one in passages]
    assert judged(tmp_path, held, [*quoted, f"{frame} {made.text(rng)}"]) == [True, True, True, False]


def test_two_chinese_characters_are_a_word(tmp_path: Path) -> None:
    rng = random.Random(0)

    def draw(many: int) -> str:
        return "".join(chr(rng.randrange(0x4E00, 0x9F00)) for _ in range(many))

    asked, short = draw(90), draw(20)
    office, passage, mixed = asked[10:35], asked[40:66], f"{asked[70:]}，OpenGL 4.6"
    held = [asked, short, f"{mixed} wants these many drivers beside it to draw"]
    texts = [
        f"{draw(40)}{office}{draw(40)}", f"{draw(40)}{passage}{draw(40)}", f"An English text about {passage}.",
        f"{draw(9)}{asked[70:80]}：{mixed} wants these many drivers", short, f"{draw(9)}{short}{draw(9)}",
    ]  # fmt: skip
    assert judged(tmp_path, held, texts) == [False, True, True, True, True, False]


def test_a_text_of_both_scripts_counts_whatever_its_length(tmp_path: Path) -> None:
    """Of 15 to 23 words with Chinese amid them all n-grams of 13 may be half Chinese, and there are none of 26."""
    shapes = [(before, han, after) for before in range(16) for han in range(16) for after in range(16)][1:]
    texts = pa.array(" ".join([*made.WORDS[:one], "字" * han, *made.WORDS[:other]]) for one, han, other in shapes)
    assert [*np.unique(contamination.grams(texts, 13)[1])] == [*range(len(shapes))]
    asked = "please click on the button named 系统语言和输入 to open the next page"
    assert judged(tmp_path, [asked], [asked, asked.replace("next", "last")]) == [True, False]


def screenspot(folder: Path, count: int) -> Path:
    """Screens in ScreenSpot's own form, the last one asked about twice."""
    (folder / "screenspot_imgs").mkdir(parents=True)
    rows = []
    for number in range(count):
        shown = png(photo(number).resize((200, 100)))
        (folder / "screenspot_imgs" / f"{number}.png").write_bytes(shown.data)
        row = {"img_filename": f"{number}.png", "instruction": f"close {number}", "bbox": [20, 10, 60, 30]}
        rows.append({**row, "data_type": "icon", "data_source": "windows"})
    rows.append({**rows[-1], "instruction": "open"})
    (folder / "screenspot_desktop.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder


def test_a_source_that_holds_what_the_recipe_evaluates_loses_it(tmp_path: Path) -> None:
    exam = screenspot(tmp_path / "exam", 4)
    own = screenspot(tmp_path / "own", 6)
    (own / "screenspot_desktop.json").write_text((own / "screenspot_desktop.json").read_text().replace("open", "shut"))
    words = ["data.sources.shots.form=grounding", f"data.sources.shots.place={own}", f"eval.screenspot={exam}"]
    asked = config.resolve(recipe.recipe(), [*words, "data.sources.shots.lang=en"])
    pipeline.build(asked, tmp_path / "out", Silent(), until="corpus")
    kept = [one for path in (tmp_path / "out/samples").glob("*") for one in store.read_samples(path)]
    left = {photo(number).resize((200, 100)).tobytes() for number in (4, 5)}
    assert {anyres.decode(one.images[0]).tobytes() for one in kept} == left
    told = json.loads((tmp_path / "out/corpus/counts.json").read_text(encoding="utf-8"))["evaluations"]
    assert told == {"exam": {"samples": 5, "dropped": {"evaluation picture": 4}}}


def test_a_folder_that_is_no_evaluation_set_is_one_line(tmp_path: Path) -> None:
    folder = screenspot(tmp_path / "exam", 2)
    (folder / "other.json").write_text('{"version": 2}', encoding="utf-8")
    assert sum(table.num_rows for table in evaluations.tables(folder)) == 3
    (folder / "screenspot_imgs/1.png").unlink()
    with pytest.raises(InputError, match=r"screenspot_desktop.json element 2: no such file; expected ScreenSpot's"):
        list(evaluations.tables(folder))
    (folder / "screenspot_desktop.json").unlink()
    with pytest.raises(InputError, match="no evaluation set; expected ScreenSpot's"):
        list(evaluations.tables(folder))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "no evaluation set there"),
        ("{", "no evaluation set; expected"),
        ('{"text": 5}', "no evaluation set; expected"),
        ('{"text": "a\\ud800"}', "no evaluation set; expected"),
    ],
)
def test_an_evaluation_set_that_is_none_is_one_line(tmp_path: Path, text: str | None, line: str) -> None:
    if text:
        (tmp_path / "exam.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=line):
        contamination.write_index(tmp_path / "i.npz", [tmp_path / "exam.jsonl"], config.Evaluations(), False)


@pytest.mark.parametrize("columns", [{"text": ["a"]}, {name: [5] for name in store.SCHEMA.names}])
def test_a_table_without_samples_is_one_line(tmp_path: Path, columns: dict[str, list[object]]) -> None:
    pq.write_table(pa.table(columns), tmp_path / "exam.parquet")
    with pytest.raises(InputError, match=r"exam.parquet: no evaluation set; expected JSON lines with `text`, or Parq"):
        list(evaluations.tables(tmp_path / "exam.parquet"))


def test_a_line_of_json_ends_where_the_line_does(tmp_path: Path) -> None:
    """What str.splitlines takes for ends of lines may stand in a JSON text as it is."""
    texts = ["one\u2028two\u2029three", "four\x85five"]
    lines = [json.dumps({"text": one}, ensure_ascii=False) for one in texts]
    (tmp_path / "exam.jsonl").write_bytes("\r\n".join(lines).encode())
    assert [one for table in evaluations.tables(tmp_path / "exam.jsonl") for one in table["text"].to_pylist()] == texts


WEB = ("data.sources.web.form=jsonl", "data.sources.web.place=x")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["data.sources.web.form=jsonl"], "data.sources.web.place: Field required"),
        (["data.sources.web.frm=x"], "data.sources.web.frm: Unexpected keyword argument|form: Field required"),
        (["data.sources.web.form=xml", "data.sources.web.place=x"], "data.sources.web.form: no form 'xml'; there are"),
        (["data.sources.prose.form=jsonl", "data.sources.prose.place=x"], "data.sources.prose: expected a name of its"),
        (["data.sources.kits.form=jsonl", "data.sources.kits.place=x"], "data.sources.kits: expected a name of its"),
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
