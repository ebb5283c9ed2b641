"""What counts as read on a page: whole lines that nothing covers, and names that somebody can see."""

import dataclasses
import random
from pathlib import Path
from typing import Any

import pytest

from lapis.data.screens import phrases, tasks
from lapis.data.screens.browser import installed_fonts
from lapis.data.screens.kits import kits, shots
from lapis.data.screens.kits.asked import above
from lapis.data.screens.kits.describe import part, row
from lapis.data.screens.kits.tab import KitTab
from lapis.data.screens.page import Screen
from tests.data.screens.kits.tabs import AT, browser, elements, here, screen, shown

__all__ = ["browser"]

HERE = shots.Series(0, "train", (kits.PLAIN,), ("phone", "tablet", "desktop"))
OVER = "position:absolute;background:#000"


def lists(seen: Screen) -> list[tuple[str, str]]:
    """(question, answer) of all that lists texts."""
    (made,) = tasks.samples(seen, random.Random(0), ("ocr",))
    words = [frames for one in (phrases.LIST, *phrases.LIST_HALF.values(), phrases.LIST_OVER) for frames in one["en"]]
    texts = [turn.text for turn in made.turns]
    return [(asked, said) for asked, said in zip(texts[::2], texts[1::2], strict=True) if asked in words]


def test_what_a_toast_covers_in_part_is_not_read_but_is_there(browser: Any, tmp_path: Path) -> None:
    html = f"""<p style="{AT};left:10px;top:10px">8月22日</p><p style="{AT};left:10px;top:60px">Rent</p>
    <button style="{AT};left:200px;top:60px">8月22日</button>
    <div style="{OVER};left:54px;top:20px;width:60px;height:40px"></div>"""
    seen = screen(shown(browser, tmp_path, html))
    assert [line[0] for line in seen.lines] == ["Rent", "8月22日"]
    assert seen.behind == ("8月22日",) and len(seen.torn) == 1
    assert {one.name for one in seen.elements if one.unique} == {"Rent"}
    assert not lists(seen), "a list of the rest would leave out what can be read of it"


def test_what_ends_in_dots_is_not_read(browser: Any, tmp_path: Path) -> None:
    short = "width:70px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    name = f'<div style="{short}">Scarlet banana a b</div><b data-fact=\'["price","Scarlet banana a b",7,"$"]\'>$7</b>'
    seen = screen(shown(browser, tmp_path, f'<div role="listitem" aria-label="Scarlet banana a b">{name}</div>'))
    assert [line[0] for line in seen.lines] == ["$7"] and seen.torn
    assert [one.role for one in seen.elements if one.unique] == ["value"]


def test_what_a_menu_of_choices_shows_is_read(browser: Any, tmp_path: Path) -> None:
    html = """<label for="a">City</label><select id="a" style="width:200px"><option>Oslo</option>
    <option selected>Canberra</option></select><p>Lima</p>"""
    seen = screen(shown(browser, tmp_path, html))
    assert [line[0] for line in seen.lines] == ["City", "Canberra", "Lima"]
    found = {one.name: one for one in seen.elements}
    assert found["City"].data["value"] == "Canberra"
    x, y, w, h = next(line[1:] for line in seen.lines if line[0] == "Canberra")
    left, top, wide, high = found["City"].box
    assert left <= x and top <= y and x + w <= left + wide and y + h <= top + high


def test_under_a_dialogue_its_texts_alone_are_listed_and_asked_for_as_its_own(browser: Any, tmp_path: Path) -> None:
    box = '<div role="dialog" aria-modal="true" style="background:#fff;margin:100px"><p>Delete?</p><button>Yes</button>'
    over = f'<div style="position:fixed;inset:0;background:#0008">{box}</div></div>'
    seen = screen(shown(browser, tmp_path, f"<p>Dimmed</p>{over}"))
    assert seen.over == "alone" and seen.behind == ("Dimmed",)
    ((asked, said),) = lists(seen)
    assert asked in phrases.LIST_OVER["en"] and [line.split(" (")[0] for line in said.splitlines()] == [
        "Delete?",
        "Yes",
    ]
    beside = screen(shown(browser, tmp_path, f"<p>Plain</p>{box}"))
    assert beside.over == "among" and not lists(beside)


def test_a_name_that_stands_nowhere_in_the_picture_is_not_asked_for(browser: Any, tmp_path: Path) -> None:
    html = """<input aria-label="Search all" value="tea"><div><input aria-label="Email" placeholder="Email"></div>
    <button aria-label="Close"><svg width="10" height="10"></svg></button><button aria-label="Buy tea">Buy</button>"""
    found = elements(shown(browser, tmp_path, html))
    assert {name for name, one in found.items() if one.unique} == {"Email", "Close"}


def test_the_hint_of_a_password_is_read_and_its_dots_are_not(browser: Any, tmp_path: Path) -> None:
    html = '<input type="password" placeholder="8 to 20"><input type="password" placeholder="Again" value="secret">'
    assert [line[0] for line in screen(shown(browser, tmp_path, html)).lines] == ["8 to 20"]


def test_values_are_counted_only_where_no_other_number_is_shown(browser: Any, tmp_path: Path) -> None:
    fact = '<p>{name} <b data-fact=\'["price","{name}",{value},"$"]\'>${value}</b></p>'
    prices = "".join(fact.format(name=name, value=value) for name, value in (("Tea", 7), ("Rye", 9), ("Fig", 4)))
    assert above(screen(shown(browser, tmp_path, prices)), random.Random(0), "en")
    assert not above(screen(shown(browser, tmp_path, prices + "<p>Total <b>$20</b></p>")), random.Random(0), "en")


def test_words_that_may_be_asked_for_are_text_and_numbers_are_values(browser: Any, tmp_path: Path) -> None:
    fact = '<p data-fact=\'["{field}","Mia",{value},""]\'>{shown}</p>'
    facts = (("subject", '"Shy bison"', "Shy bison"), ("unread", 7, "7"))
    html = "".join(fact.format(field=field, value=value, shown=shown) for field, value, shown in facts)
    found = elements(shown(browser, tmp_path, html))
    assert {name: one.role for name, one in found.items()} == {"Shy bison": "text", "7": "value"}
    assert found["Shy bison"].data["field"] == "subject"


DETAILS = f'<button style="{AT};left:10px;top:{{top}}px">Details</button>'


def test_numbers_are_given_only_where_all_of_one_name_are_whole(browser: Any, tmp_path: Path) -> None:
    two = DETAILS.format(top=10) + DETAILS.format(top=60)
    numbered = [one.data.get("nth") for one in screen(shown(browser, tmp_path, two)).elements]
    assert numbered == [1, 2]
    for more in (DETAILS.format(top=290), '<p style="margin:150px 0 0"><a href="#">Details</a></p>'):
        seen = screen(shown(browser, tmp_path, two + more))
        assert len(seen.elements) >= 2 and not [one for one in seen.elements if "nth" in one.data]


CARD = """<article style="margin:{top}px 0 0 10px"><b>Rupert Hale</b><p style="margin:0">Feb {day}</p>
<button aria-label="Like"><svg width="10" height="10"></svg></button></article>"""


def test_nothing_belongs_to_a_card_whose_head_is_cut_off(browser: Any, tmp_path: Path) -> None:
    cards = CARD.format(top=-20, day="seven") + CARD.format(top=20, day="nine").replace("Rupert Hale", "Mia")
    likes = [one for one in screen(shown(browser, tmp_path, cards)).elements if one.name == "Like"]
    assert [one.data.get("of") for one in likes] == [None, "Mia"]


def test_how_far_a_page_can_be_scrolled_is_told(browser: Any, tmp_path: Path) -> None:
    assert screen(shown(browser, tmp_path, "<p>Short</p>")).spare == (0, 0)
    tab = shown(
        browser, tmp_path, "<main style='height:300px;overflow:auto'><div style='height:900px'>Long</div></main>"
    )
    tab.page.evaluate("document.querySelector('main').scrollTop = 100")
    assert screen(tab).spare == (100, 500)


def drawn(browser: Any, kit: kits.Kit, lang: str, body: list[dict[str, Any]]) -> Screen:
    """A described page in a kit's tab."""
    series = dataclasses.replace(HERE, kits=(kit,), views=1)
    plan = shots.planned(series, 0, installed_fonts())
    tab = KitTab(browser, kit)
    tab.resize(plan.view)
    tab.show({**plan.views[0], "lang": lang, "body": body, "foot": [], "scroll": 0.0})
    return screen(tab, lang)


def test_a_drawing_has_no_name_that_only_its_maker_knows(browser: Any) -> None:
    body = [
        part("picture", name="Kangaroo", hue=10, height=90),
        part("gallery", columns=2, names=["Fox", "Owl"], hue=3),
    ]
    seen = drawn(browser, kits.PLAIN, "en", body)
    assert not {"Kangaroo", "Fox", "Owl"} & {one.name for one in seen.elements}
    assert "kangaroo" not in seen.texts


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_element_names_its_steps_in_the_language_of_the_page(browser: Any, lang: str) -> None:
    seen = drawn(browser, here(kits.named(["element"])[0]), lang, [row("Tea", count=2, fact=("count", "Tea", 2, ""))])
    names = {"en": {"increase number", "decrease number"}, "zh": {"增加数值", "减少数值"}}
    assert names[lang] <= {one.name for one in seen.elements}
    assert not names["zh" if lang == "en" else "en"] & {one.name for one in seen.elements}


def test_what_a_picture_is_called_names_nothing(browser: Any, tmp_path: Path) -> None:
    picture = '<img alt="{}" width="40" height="30" src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=">'
    html = picture.format("A red car") + 2 * picture.format("Photo") + "<p>Oslo</p>"
    seen = screen(shown(browser, tmp_path, html))
    assert {one.name for one in seen.elements if one.role == "image"} == {"A red car", "Photo"}
    assert {one.name for one in seen.elements if one.unique or "nth" in one.data} == {"Oslo"}
    assert not seen.missing(["A red car"]), "nor is it said not to be there"


def test_what_is_not_written_is_asked_for_neither_by_number_nor_by_its_row(browser: Any, tmp_path: Path) -> None:
    row = '<div role="listitem" aria-label="{0}"><p>{0}</p><button aria-label="Buy it">Buy</button></div>'
    html = row.format("Tea") + row.format("Rye") + 2 * '<button aria-label="Leave it">Go</button>'
    found = screen(shown(browser, tmp_path, html)).elements
    assert len([one for one in found if one.role == "button"]) == 4
    assert not [one for one in found if one.role == "button" and ("of" in one.data or "nth" in one.data)]


def test_an_icon_that_a_menu_covers_is_there(browser: Any, tmp_path: Path) -> None:
    html = f"""<button style="{AT};left:10px;top:10px" aria-label="Back"><svg width="10" height="10"></svg></button>
    <div style="{OVER};left:0;top:0;width:200px;height:80px"></div><p style="margin:100px 0 0">Oslo</p>"""
    seen = screen(shown(browser, tmp_path, html))
    assert [one.name for one in seen.elements] == ["Oslo"] and seen.behind == ("Back",)


def test_a_word_of_a_longer_line_is_no_name_of_a_field(browser: Any, tmp_path: Path) -> None:
    field = '<input aria-label="{}" value="tea" style="display:block">'
    html = "<h1>Search results</h1><p>City:</p><p>搜索结果</p>" + "".join(map(field.format, ("Search", "City", "搜索")))
    found = elements(shown(browser, tmp_path, html))
    assert {name for name, one in found.items() if one.role == "input" and one.unique} == {"City"}


def test_a_shape_that_stands_for_nothing_has_no_name(browser: Any) -> None:
    tools = part("tools", items=[{"icon": "search", "name": "Search"}, {"icon": "arrow-repeat", "name": "Refresh"}])
    names = {one.name for one in drawn(browser, kits.PLAIN, "en", [tools]).elements}
    assert "Search" in names and "Refresh" not in names
    others = drawn(browser, here(kits.named(["bootstrap"])[0]), "en", [tools]).elements
    assert {"Search", "Refresh"} <= {one.name for one in others}, "a kit with a font of icons draws both"
