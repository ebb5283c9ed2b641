"""The page of a data stage tells its counts, shows what was kept and dropped, and nothing in a sample acts on it."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pixels
from playwright.sync_api import Page, sync_playwright

from lapis import cli
from lapis.data import store
from lapis.data.screens.browser import find_browser
from lapis.data.shards import write_index, write_shard
from lapis.data.tokenise import example
from lapis.data_pages import counts, flow, measures, report
from lapis.data_pages.counts import Flow, place_of
from lapis.types import Image, InputError, Sample, Text, Turn
from tests import tiny
from tests.data import world
from tests.data.corpus import made

HOSTILE = """</script><script>document.title='taken'</script><img src=x onerror="document.title='taken'">"><b>"""
STEPS = [
    {
        "name": "quality",
        "source": "web",
        "kind": "prose",
        "in": 100,
        "out": 60,
        "dropped": {"few words": 30, "letters": 10},
    },
    {"name": "quality", "source": "own", "kind": "screen/ocr", "in": 20, "out": 20, "dropped": {}},
    {"name": "near", "source": "web", "kind": "prose", "in": 60, "out": 45, "dropped": {"near copy": 15}},
    {"name": "near", "source": "own", "kind": "screen/ocr", "in": 20, "out": 18, "dropped": {"near copy": 2}},
]


def hostile(kind: str) -> Sample:
    turns = (Turn("user", (Text(HOSTILE),)), Turn("assistant", (Text("\x1b]0;taken\x07" + HOSTILE),)))
    return Sample(
        kind, f'en" onclick="{HOSTILE}', HOSTILE, HOSTILE, turns, meta={"answer": HOSTILE, "verifier": "text"}
    )


def bomb() -> Image:
    """A small PNG that says that it is larger than anybody wants."""
    out = io.BytesIO()
    Pixels.new("1", (8, 8)).save(out, "PNG")
    png = out.getvalue()
    head = b"IHDR" + struct.pack(">II", 20000, 20000) + png[24:29]
    return Image(png[:12] + head + struct.pack(">I", zlib.crc32(head)) + png[33:], 20000, 20000)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a corpus, 60 samples and their shards."""
    run = tmp_path_factory.mktemp("run")
    data, rng = run / "data", random.Random(0)
    samples = [
        *(world.prose(rng) for _ in range(25)),
        *(world.screen_sample(rng) for _ in range(25)),
        hostile("math/word"),
    ]
    cut = replace(
        world.screen_sample(rng, "caption"), turns=(Turn("user", (Image(b"no picture", 4, 4), bomb())),), cells=()
    )
    store.write_samples(data / "samples" / "a.parquet", [*samples, cut])
    tokenizer = tiny.tiny_tokenizer()
    entry = write_shard(data / "shards", "a", (example(one, tokenizer, world.MODEL) for one in samples))
    write_index(data / "shards", [entry], "t")
    corpus = data / "corpus"
    corpus.mkdir()
    exam = {"samples": 40, "dropped": {"evaluation text": 3, "evaluation picture": 4}}
    told = {"steps": STEPS, "evaluations": {HOSTILE: exam, "more": {"samples": 5, "dropped": {}}}}
    (corpus / "counts.json").write_text(json.dumps(told))
    lost = store.to_table([*(world.prose(rng, source=f"s{at}") for at in range(40)), hostile("prose")])
    for name, values in (
        ("step", ["quality"] * 30 + ["near"] * 11),
        ("reason", ["few words"] * 30 + ["near copy"] * 10 + [HOSTILE]),
        ("other", [None] * 30 + ["abc"] * 11),
    ):
        lost = lost.append_column(name, pa.array(values, pa.string()))
    pq.write_table(lost, corpus / "dropped.parquet")
    broken = [{"source": "web", "place": f"a.jsonl:{at}", "reason": "bad JSON"} for at in range(12)]
    broken.append({"source": HOSTILE, "place": HOSTILE, "reason": HOSTILE})
    (corpus / "broken.jsonl").write_text("".join(json.dumps(one) + "\n" for one in broken))
    return run


def test_counts_add_up(stage: Path) -> None:
    lines = counts.steps(place_of(stage))
    assert counts.by_step(lines) == [
        Flow("quality", 120, 80, {"few words": 30, "letters": 10}),
        Flow("near", 80, 63, {"near copy": 17}),
    ]
    assert counts.ends(lines, "kind") == [
        Flow("prose", 100, 45, {"few words": 30, "letters": 10, "near copy": 15}),
        Flow("screen/ocr", 20, 18, {"near copy": 2}),
    ]
    assert [flow.name for flow in counts.ends(lines, "source")] == ["own", "web"]
    assert counts.by_step_and_kind(lines)[2] == ("near", Flow("prose", 60, 45, {"near copy": 15}))
    assert len(counts.by_step_and_kind(lines)) == 4
    assert counts.evaluations(place_of(stage)) == [(HOSTILE, 40, 7), ("more", 5, 0)]
    found = measures.kinds(place_of(stage))
    assert found["prose"].samples == 25 and found["prose"].langs == {"en": 25} and len(found["screen/ocr"].tokens) == 25
    assert measures.histogram(found["prose"].tokens).sum() == 25
    assert measures.histogram(pa.array([1, 2, 3, 4, 1 << 20]).to_numpy()).tolist() == [1, 2, 1, *[0] * 12, 1]


def test_a_data_stage_without_a_corpus_tells_what_it_knows(tmp_path: Path) -> None:
    rng = random.Random(1)
    store.write_samples(tmp_path / "samples" / "prose.parquet", [world.prose(rng) for _ in range(8)])
    (tmp_path / "samples" / "dropped.json").write_text(
        json.dumps({"few words": {"count": 7, "examples": [{"source": "x", "text": "two words"}]}})
    )
    (tmp_path / "counts.json").write_text(json.dumps({"leaked": {"prose": 2}, "notes": ["no Chinese prose"]}))
    place = place_of(tmp_path)
    assert counts.stage_flows(place) == [Flow("prose", 8, 6, {"equals a held-out sample": 2})]
    assert counts.reasons(place) == {"few words": 7}
    assert cli.main(["data", "report", str(tmp_path)]) == 0
    page = (tmp_path / "data.html").read_text(encoding="utf-8")
    assert "8 \u2192 6 (75.0%)" in page and "two words" in page and "no Chinese prose" in page


def test_a_run_with_sources_still_tells_what_it_dropped_itself(tmp_path: Path) -> None:
    rng = random.Random(2)
    store.write_samples(tmp_path / "samples" / "prose.parquet", [world.prose(rng) for _ in range(8)])
    (tmp_path / "samples" / "dropped.json").write_text(
        json.dumps({"one language": {"count": 7, "examples": [{"source": "x", "text": "two words"}]}})
    )
    (tmp_path / "counts.json").write_text(json.dumps({"leaked": {"prose": 2}}))
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "counts.json").write_text(json.dumps({"steps": STEPS}))
    page = report.html(place_of(tmp_path), "both")
    assert "120 \u2192 80 (66.7%)" in page and "8 \u2192 6 (75.0%)" in page
    assert "<b>one language</b>" in page and "two words" in page


def test_every_reason_has_its_count_and_only_the_commonest_share_no_colour() -> None:
    many = {f"reason {at}": 100 - at for at in range(18)}
    legend = re.findall(r'<li class="(\w+)">(.+?)</li>', flow.bars([Flow("quality", 2000, 353, many)]))
    assert [text for _, text in legend] == [f"reason {at} {100 - at}" for at in range(18)]
    marks = [mark for mark, _ in legend]
    assert len(set(marks[: flow.COLOURS])) == flow.COLOURS and set(marks[flow.COLOURS :]) == {"rest"}
    assert not set(marks[: flow.COLOURS]) & {"rest"}


def test_what_stayed_in_a_copys_place_is_on_the_page_and_found_by_its_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(3)
    texts = [made.text(rng) for _ in range(60)]
    texts += [texts[31].upper(), made.changed(texts[47], rng, 1)]
    made.run(made.data({"web": made.write(tmp_path / "a.jsonl", texts)}), tmp_path / "out")
    copies = {row["reason"]: row["other"] for row in made.dropped(tmp_path / "out")}
    page = report.html(place_of(tmp_path / "out"), "copies")
    kept = page[page.index('<section id="kept">') : page.index('<section id="dropped">')]
    for reason, place in (("exact copy", 31), ("near copy", 47)):
        assert copies[reason] in kept and texts[place] in kept
        words = ["data", "inspect", str(tmp_path / "out"), "--id", copies[reason][:12]]
        assert cli.main(words) == 0
        said = capsys.readouterr().out
        assert texts[place] in said and "1 of 1: prose" in said and f"id {copies[reason]}" in said


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data there"):
        place_of(tmp_path)
    (tmp_path / "corpus").mkdir()
    for text, why in (
        ("{", "not whole JSON"),
        ('{"steps": [{"name": "a"}]}', "expected steps with name, source, kind"),
    ):
        (tmp_path / "corpus" / "counts.json").write_text(text)
        with pytest.raises(InputError, match=why):
            counts.steps(place_of(tmp_path))
    (tmp_path / "corpus" / "counts.json").write_text('{"evaluations": {"exam": {}}}')
    with pytest.raises(InputError, match="expected evaluations with samples and dropped"):
        counts.evaluations(place_of(tmp_path))


def test_the_page_is_turned_filtered_and_safe_in_a_browser(stage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "report", str(stage)]) == 0
    path = stage / "data" / "data.html"
    assert capsys.readouterr().out == f"{path}\n"
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(find_browser()), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1200, "height": 900})
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path.as_uri())
        assert page.title().startswith("Lapis data: ")
        _turn(page)
        _choose(page)
        assert "120 \u2192 80 (66.7%)" in page.inner_text("#flow") and "12" in page.inner_text("#broken table")
        assert page.locator("#flow .legend").first.inner_text().split("\n") == [
            "few words 30",
            "near copy 17",
            "letters 10",
        ]
        rows = page.locator("#flow .why tr").all_inner_texts()
        assert rows[1] == "quality\tprose\t100\t60\tfew words 30, letters 10"
        unread = page.locator("#kept .chip.why").all_text_contents()
        assert unread == ["a picture that cannot be read"] * 2
        page.emulate_media(color_scheme="dark")
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.emulate_media(color_scheme="light")
        assert dark != page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert page.title() != "taken" and said == []
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        chromium.close()


def _visible(page: Page, place: str) -> int:
    return page.locator(f"{place} .entries > :not([hidden])").count()


def _turn(page: Page) -> None:
    """By button and by key; the list in view is the one that turns."""
    told = page.locator("#kept output")
    assert _visible(page, "#kept") == 10 and told.inner_text() == "1\u201310 of 26"
    page.get_by_role("button", name="Next").first.click()
    assert told.inner_text() == "11\u201320 of 26"
    page.keyboard.press("ArrowRight")
    assert told.inner_text() == "21\u201326 of 26" and _visible(page, "#kept") == 6
    assert page.get_by_role("button", name="Next").first.is_disabled()
    page.keyboard.press("ArrowLeft")
    assert told.inner_text() == "11\u201320 of 26"
    page.locator("#dropped").scroll_into_view_if_needed()
    page.evaluate("document.activeElement.blur(); document.querySelector('#dropped .browser').scrollIntoView()")
    page.keyboard.press("ArrowRight")
    assert page.locator("#dropped output").inner_text().startswith("11\u2013")
    assert told.inner_text() == "11\u201320 of 26"


def _choose(page: Page) -> None:
    reasons = page.locator("#dropped select").first
    labels = reasons.locator("option").all_inner_texts()
    assert [re.sub(r"^.* \(", "(", label) for label in labels] == ["(35)", "(24)", "(10)", "(1)"]
    reasons.select_option(label="near copy (10)")
    assert page.locator("#dropped output").inner_text() == "1\u201310 of 10"
    reasons.select_option(index=3)
    assert _visible(page, "#dropped") == 1
    assert "<img src=x onerror" in page.locator("#dropped .entries > :not([hidden]) .words").inner_text()
    reasons.select_option(index=0)
    page.locator("#broken input").fill("a.jsonl:11")
    assert page.locator("#broken output").inner_text() == "1\u20131 of 1"
