"""Drawn and given pages in a real Chromium: what is labelled, proven on pixels, and what is not."""

import dataclasses
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pictures

from lapis import actions
from lapis.data import store
from lapis.data.screens.browser import installed_fonts
from lapis.data.screens.kits import given, kits, labels, naming, proof, shots
from lapis.data.screens.kits.asked import samples
from lapis.data.screens.kits.draw import MOST_VIEWS
from lapis.data.screens.kits.tab import KitTab
from lapis.types import Silent
from lapis.verify import check
from tests.data.screens.kits.tabs import AT, SIZE, browser, elements, here, shown

__all__ = ["browser"]

HERE = shots.Series(0, "train", (kits.PLAIN,), ("phone", "tablet", "desktop"))


@pytest.fixture(scope="module")
def plain(browser: Any) -> KitTab:
    return KitTab(browser, kits.PLAIN)


PAGE = f"""
<button style="{AT};left:10px;top:10px">Shown</button>
<button style="{AT};left:10px;top:50px">Covered</button>
<div style="position:absolute;left:0;top:45px;width:60px;height:40px;background:#000"></div>
<button style="{AT};left:10px;top:90px;visibility:hidden">Hidden</button>
<button style="{AT};left:10px;top:120px;opacity:0">Faded</button>
<button style="{AT};left:350px;top:10px">Cut off</button>
<button style="{AT};left:10px;top:420px">Below</button>
<div style="{AT};left:10px;top:150px;width:40px;overflow:hidden"><a href="#" style="white-space:nowrap">Half a link</a>
</div>
<div style="position:absolute;left:200px;top:20px;width:150px;height:60px;overflow:auto">
 <div style="height:200px"><button style="margin-top:100px">Scrolled away</button></div></div>
<div id="host" style="{AT};left:200px;top:120px"></div>
<button style="{AT};left:200px;top:160px" aria-label="Close"><svg width="10" height="10"></svg></button>
<script>document.getElementById("host").attachShadow({{mode: "open"}}).innerHTML =
 "<button style='width:80px;height:24px'>In a shadow</button>"</script>"""


def test_only_what_is_wholly_seen_and_on_top_is_labelled(browser: Any, tmp_path: Path) -> None:
    found = elements(shown(browser, tmp_path, PAGE))
    assert set(found) == {"Shown", "In a shadow", "Close"}
    assert found["Shown"].box == (20, 20, 160, 48), "CSS pixels times the scale factor"
    assert found["In a shadow"].box == (400, 240, 160, 48)
    assert (found["Close"].role, found["Shown"].role) == ("icon", "button")


ROWS = """<div role="list">{rows}</div><p>Wi-Fi guide</p><button>Reset</button><button>Reset</button>"""
ROW = """<div role="listitem" aria-label="{name}" style="height:40px;width:380px"><span>{name}</span>
<input type="checkbox" role="switch" aria-label="{name}"><button>Edit</button></div>"""


def test_each_is_named_alone_by_its_row_or_by_its_number(browser: Any, tmp_path: Path) -> None:
    tab = shown(browser, tmp_path, ROWS.format(rows="".join(ROW.format(name=name) for name in ("Wi-Fi", "Roaming"))))
    join = labels.Join(tab.look())
    found = naming.elements(join, labels.found(join), 1.0, frozenset())
    switches = [one for one in found if one.role == "switch"]
    assert [(one.name, one.data["of"], one.data["value"]) for one in switches] == [
        ("", "Wi-Fi", "off"), ("", "Roaming", "off"),
    ]  # fmt: skip
    edits = [one for one in found if one.name == "Edit"]
    assert [one.data["of"] for one in edits] == ["Wi-Fi", "Roaming"] and not any(one.unique for one in edits)
    resets = [one for one in found if one.name == "Reset"]
    assert [(one.data["nth"], one.data["same"]) for one in resets] == [(1, 2), (2, 2)]
    assert {one.name for one in found if one.unique} == {"Wi-Fi", "Roaming", "Wi-Fi guide"}


def test_a_name_that_is_half_seen_elsewhere_is_not_unique(browser: Any, tmp_path: Path) -> None:
    cut = f"<button style='{AT};left:10px;top:10px'>Buy</button><button style='{AT};left:10px;top:290px'>Buy</button>"
    assert [one.unique for one in elements(shown(browser, tmp_path, cut)).values()] == [False]


def test_a_label_and_what_stands_in_a_field_are_read(browser: Any, tmp_path: Path) -> None:
    html = """<label for="a">Email</label><input id="a" value="mia@x.org">
    <input placeholder="Search all" type="search">
    <textarea aria-label="Notes" style="display:block;width:300px;height:60px">first line
second line</textarea>"""
    tab = shown(browser, tmp_path, html)
    found = elements(tab)
    assert {name: one.role for name, one in found.items()} == {
        "Email": "input", "Search all": "input", "Notes": "input",
    }  # fmt: skip
    assert found["Email"].data["value"] == "mia@x.org"
    seen = tab.look().look
    lines = {line[0]: line for line in seen["lines"]}
    assert {"Email", "mia@x.org", "Search all", "first line", "second line"} == set(lines)
    verdicts = proof.judged(tab, SIZE, 50)
    assert verdicts and all(one.right for one in verdicts)


def test_recolouring_proves_the_plain_kit_and_finds_a_wrong_box(plain: KitTab) -> None:
    verdicts = []
    for number in (0, 1, 2, 3):
        plan = shots.planned(HERE, number, installed_fonts())
        plain.resize(plan.view)
        plain.show(plan.views[-1])
        verdicts += proof.judged(plain, plan.view, 30)
    wrong = [one for one in verdicts if not one.right]
    assert len(verdicts) >= 60 and len(wrong) <= 0.01 * len(verdicts), wrong


def test_a_box_beside_its_element_is_found_wrong(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tab = shown(browser, tmp_path, f"<button style='{AT};left:100px;top:100px'>Here</button>")
    real = labels.found

    def moved(join: labels.Join) -> list[labels.Found]:
        return [dataclasses.replace(one, box=(one.box[0] + 5, *one.box[1:])) for one in real(join)]

    monkeypatch.setattr(labels, "found", moved)
    assert [one.right for one in proof.judged(tab, SIZE, 5)] == [False]


def test_a_page_gives_at_most_four_different_screens(browser: Any, plain: KitTab) -> None:
    fonts = installed_fonts()
    for number in range(3):
        made = shots.drawn(browser, {"plain": plain}, shots.planned(HERE, number, fonts), HERE)
        assert 1 <= len(made) <= MOST_VIEWS
        known = {tuple((line[0], round(line[1]), round(line[2])) for line in one.screen.lines) for one in made}
        assert len(known) == len(made)
        for one in made:
            picture = Pictures.open(io.BytesIO(one.screen.image.data))
            assert picture.size == (one.screen.image.width, one.screen.image.height)
            assert one.screen.elements and one.licence == "Apache-2.0" and one.meta["kit"] == "plain"
            for x, y, w, h in (two.box for two in one.screen.elements):
                assert min(x, y) >= -1 and x + w <= picture.width + 1 and y + h <= picture.height + 1


def test_workers_give_the_same_screens_in_order(browser: Any, plain: KitTab) -> None:
    series, fonts = dataclasses.replace(HERE, views=2), installed_fonts()
    alone = [
        shots.drawn(browser, {"plain": plain}, shots.planned(series, number, fonts), series) for number in range(2)
    ]
    assert list(shots.shots(series, range(2), workers=2)) == [*enumerate(alone)]


@pytest.mark.parametrize("kit", [kit for kit in kits.KITS if kit.packages], ids=lambda kit: kit.name)
def test_published_kits_draw_labelled_pages_where_they_are_here(browser: Any, kit: kits.Kit) -> None:
    series = dataclasses.replace(HERE, kits=(here(kit),), views=1)
    (one,) = shots.drawn(browser, {}, shots.planned(series, 0, installed_fonts()), series)
    assert len([two for two in one.screen.elements if two.unique or "of" in two.data]) >= 4
    assert kit.packages[0].version in one.meta["versions"] and "MIT" in one.licence


def test_given_pages_are_served_from_their_folder_alone(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "deep").mkdir(parents=True)
    (tmp_path / "secret.css").write_text("body{background:#f00!important}", encoding="utf-8")
    text = "".join(f"<p>Zeile {number}</p>" for number in range(60))
    outside = '<link rel=stylesheet href="../secret.css"><img src="http://example.com/a.png" alt="far">'
    (folder / "deep" / "a.html").write_text(f"<!doctype html>{outside}<h1>Über uns</h1>{text}", encoding="utf-8")
    (folder / "zh.html").write_text("<!doctype html><h1>关于我们</h1><button>确定</button>", encoding="utf-8")
    pages = given.of_folder(folder, licence="CC0-1.0", devices=("phone",), views=3, seed=1)
    with ThreadPoolExecutor(1) as thread:
        made = dict(thread.submit(lambda: [*given.shots(pages, range(2), Silent())]).result())
    assert [one.screen.lang for one in made[1]] == ["zh"], "a page that does not scroll is one screen"
    assert 2 <= len(made[0]) <= 3
    first = made[0][0]
    assert "Über uns" in {one.name for one in first.screen.elements}
    corner = Pictures.open(io.BytesIO(first.screen.image.data)).convert("RGB").getpixel((1, 1))
    assert corner != (255, 0, 0)
    assert first.source == "lapis:given/deep/a.html" and first.licence == "CC0-1.0"
    assert all(sample.licence == "CC0-1.0" for sample in samples(first, 0))


def test_samples_say_where_each_thing_is(browser: Any, plain: KitTab) -> None:
    """Every pointing answer lies in the box of what it names, negatives have one answer, and rows survive the store."""
    series, fonts = dataclasses.replace(HERE, views=2), installed_fonts()
    tabs = {"plain": plain}
    drawn = [shots.drawn(browser, tabs, shots.planned(series, number, fonts), series) for number in (5, 6, 7)]
    made = [one for page in drawn for one in page]
    found = [sample for one in made for sample in samples(one, 0)]
    kinds = {sample.kind for sample in found}
    assert {"screen/ground", "screen/ocr", "screen/describe", "screen/qa", "screen/told", "screen/act"} <= kinds
    assert {sample.lang for sample in found if sample.kind == "screen/ground"} == {"en", "zh"}
    absent = 0
    for sample in found:
        answers = [turn.text for turn in sample.turns if turn.role == "assistant"]
        if sample.kind == "screen/ground":
            for answer, box in zip(answers, sample.meta["wholes"], strict=True):
                absent += answer in ("not here", "不在这里")
                if answer not in ("not here", "不在这里"):
                    assert check({"verifier": "point", "box": box, "answer": answer}, answer).score == 1
        if sample.kind == "screen/act":
            assert all(actions.parse(answer) for answer in answers)
        assert sample.meta["drawn"]["kit"] == "plain" and json.dumps(dict(sample.meta))
    assert absent
    table = store.to_table(found)
    assert table.schema == store.SCHEMA and store.from_table(table)[0].turns == found[0].turns
    assert [*samples(made[0], 0)] == [*samples(made[0], 0)]
