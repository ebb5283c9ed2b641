"""Records: licence, language and address travel, fields are found by any name, pictures and turns are what they say."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lapis.data.sources import pictures
from lapis.data.sources.base import Bad, Broken, Origin
from lapis.data.sources.forms import FORMS
from lapis.model import anyres
from lapis.types import TOLD, Image, Sample
from tests.data.sources import basics


def one(folder: Path, row: dict[str, Any], form: str = "jsonl", **origin: Any) -> Sample | Broken:
    (folder / "a.jsonl").write_text(json.dumps(row), encoding="utf-8")
    samples, broken = basics.read(FORMS[form], folder / "a.jsonl", replace(basics.ORIGIN, **origin))
    return [*samples, *broken][0]


def test_a_records_own_licence_wins(tmp_path: Path) -> None:
    found = one(tmp_path, {"text": "x", "license": "MIT", "lang": "fr", "url": "https://a.b/c"})
    assert isinstance(found, Sample)
    assert (found.licence, found.lang, found.meta["url"]) == ("MIT", "fr", "https://a.b/c")
    assert found.source == "web a.jsonl line 1" and found.document
    listed = one(tmp_path, {"text": "x", "license": ["MIT", "BSD-3-Clause"]})
    assert isinstance(listed, Sample) and listed.licence == "MIT AND BSD-3-Clause"
    assert one(tmp_path, {"text": "x"}, licence="") == Broken("a.jsonl line 1", "no licence")


def test_a_record_has_the_kind_of_what_it_is_unless_the_source_has_one(tmp_path: Path) -> None:
    shown = {"image": basics.uri(basics.png(random.Random(0), 100, 100))}
    rows: dict[str, dict[str, Any]] = {
        "prose": {"text": "x"},
        "caption": {**shown, "caption": "x"},
        "chat": {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "x"}]},
        "screen/ground": {**shown, "instruction": "Save", "bbox": [0.1, 0.1, 0.3, 0.3]},
    }
    assert tuple(rows) == TOLD
    for kind, row in rows.items():
        found = one(tmp_path, row, kind="")
        own = one(tmp_path, row, kind="web/x")
        assert isinstance(found, Sample) and isinstance(own, Sample)
        assert (found.kind, own.kind) == (kind, kind if kind == "screen/ground" else "web/x")


def test_columns_map_fields_also_within_fields(tmp_path: Path) -> None:
    columns = (("text", "body"), ("licence", "meta.rights"), ("lang", "meta.tongue"))
    row = {"text": "not this", "body": "this", "meta": {"rights": "CC-BY-4.0", "tongue": "zh"}}
    found = one(tmp_path, row, columns=columns)
    assert isinstance(found, Sample)
    assert (found.turns[0].text, found.licence, found.lang) == ("this", "CC-BY-4.0", "zh")
    flat = one(tmp_path, row | {"meta": "MIT"}, columns=columns)
    assert isinstance(flat, Sample) and flat.licence == "CC0-1.0"


def test_thoughts_become_thoughts(tmp_path: Path) -> None:
    ask = {"role": "user", "content": "q"}
    written = one(tmp_path, {"messages": [ask, {"role": "assistant", "content": "<think>\na\n\nb\n</think>\n\nyes"}]})
    told = one(tmp_path, {"messages": [ask, {"role": "assistant", "content": "yes", "reasoning_content": "a\n\nb"}]})
    none = one(tmp_path, {"messages": [ask, {"role": "assistant", "content": "<think>\n\n</think>\n\nyes"}]})
    for found in (written, told):
        assert isinstance(found, Sample) and found.think
        assert (found.turns[-1].thought, found.turns[-1].text) == ("a\n\nb", "yes")
    assert isinstance(none, Sample) and none.turns[-1].thought is None and not none.think


def test_texts_that_say_nothing_are_none(tmp_path: Path) -> None:
    asked, answer = {"role": "user", "content": "q"}, {"role": "assistant", "content": "yes"}
    call = {"tool_calls": [{"function": {"name": "add", "arguments": "{}"}}]}
    for turns in (
        [asked, answer | {"reasoning_content": "\n\n"}],
        [{"role": "system", "content": " \n"}, asked, answer],
        [asked, {"role": "assistant", "content": "\n\n", **call}, {"role": "tool", "content": "0"}, answer],
    ):
        found = one(tmp_path, {"messages": turns})
        assert isinstance(found, Sample) and found.turns[-1].text == "yes" and not found.think
    assert one(tmp_path, {"messages": [asked | {"content": []}, answer]}) == Broken("a.jsonl line 1", "no text")


def test_pictures_stand_where_their_marks_do(tmp_path: Path) -> None:
    first, second = (basics.png(random.Random(seed)) for seed in (1, 2))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.png").write_bytes(first)
    (tmp_path / "2.png").write_bytes(second)
    turns = [{"from": "human", "value": "<image>\nagainst\n<image>"}, {"from": "gpt", "value": "the <image> left"}]
    found = one(tmp_path, {"images": ["1.png", "2.png"], "conversations": turns}, "chat")
    assert isinstance(found, Sample)
    assert [part.data if isinstance(part, Image) else part.text for part in found.turns[0].parts] == [
        first, "against", second,
    ]  # fmt: skip
    assert found.turns[1].text == "the <image> left"
    unmarked = [{"from": "system", "value": ""}, {"from": "human", "value": "what?"}, {"from": "gpt", "value": "x"}]
    found = one(tmp_path, {"image": "2.png", "conversations": unmarked}, "chat")
    assert isinstance(found, Sample) and [type(part) for part in found.turns[0].parts][0] is Image
    plain = one(tmp_path, {"conversations": [{"from": "human", "value": "an <image> tag"}, turns[1]]}, "chat")
    assert isinstance(plain, Sample) and plain.turns[0].text == "an <image> tag"


def test_calls_of_functions_are_written_as_the_server_writes_them(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    turns = [
        {"role": "user", "content": "q"}, {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "2"}, {"role": "assistant", "content": "two"},
    ]  # fmt: skip
    found = one(tmp_path, {"messages": turns}, "chat")
    assert isinstance(found, Sample)
    assert [turn.role for turn in found.turns] == ["user", "assistant", "tool", "assistant"]
    assert found.turns[1].text == '{"name": "add", "arguments": {"a": 1}}'


def test_elements_of_a_screen_that_are_broken_cost_themselves(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(basics.png(random.Random(0), 100, 100))
    boxes = [[0.1, 0.1, 0.2, 0.2]] * 14 + [[0.9, 0.9, 0.8, 0.8], [0, 0, 2, 2.5]]
    elements = [{"instruction": f"No {number}", "bbox": box} for number, box in enumerate(boxes)]
    (tmp_path / "a.json").write_text(json.dumps([{"img_filename": "a.png", "elements": elements}]))
    samples, broken = basics.read(FORMS["grounding"], tmp_path / "a.json")
    assert [len(sample.turns) for sample in samples] == [24, 6]
    assert samples[0].kind == "screen/ground" and samples[0].turns[1].text == "(150,150)"
    assert samples[1].meta["boxes"][2] == [0, 0, 20, 25]
    assert [(one.place, one.reason) for one in broken] == [("a.json element 1 box 15", "box outside the picture")]


@pytest.mark.parametrize("more", [{}, {"img_size": [100, 100]}])
def test_shares_that_were_rounded_over_one_are_no_pixels(more: dict[str, Any], tmp_path: Path) -> None:
    shown = {"image": basics.uri(basics.png(random.Random(0), 100, 100)), "instruction": "Save", **more}
    found = one(tmp_path, {**shown, "bbox": [0.5, 0.2, 1.0004, 0.3]})
    assert isinstance(found, Sample) and found.meta["box"] == pytest.approx([500, 200, 500.4, 100])
    over = one(tmp_path, {**shown, "bbox": [0.5, 0.2, 1.0004, 0.2]})
    assert over == Broken("a.jsonl line 1", "box outside the picture")


@pytest.mark.parametrize(("instruction", "lang"), [("close 0", "en"), ("关闭 0", "zh")])
def test_a_question_that_we_ask_says_its_language(tmp_path: Path, instruction: str, lang: str) -> None:
    """Such a text is too short for a guess, and would be dropped for having no known language."""
    (tmp_path / "a.png").write_bytes(basics.png(random.Random(0), 100, 100))
    fields = {"img_filename": "a.png", "instruction": instruction, "bbox": [10, 10, 20, 20]}
    (tmp_path / "a.json").write_text(json.dumps([fields]))
    origin = Origin("a", "", "CC0-1.0")
    (found,) = (
        one for part in FORMS["grounding"].slices(tmp_path / "a.json") for one in FORMS["grounding"].read(part, origin)
    )
    assert isinstance(found, Sample) and found.lang == lang


def test_screenspot_keeps_its_pictures_one_folder_up(tmp_path: Path) -> None:
    for folder in ("images", "annotations"):
        (tmp_path / folder).mkdir()
    (tmp_path / "images" / "a.png").write_bytes(basics.png(random.Random(0), 200, 100))
    row = {"img_filename": "a.png", "instruction": "关闭", "bbox": [20, 10, 60, 30], "ui_type": "icon"}
    (tmp_path / "annotations" / "a.json").write_text(json.dumps([row]), encoding="utf-8")
    samples, broken = basics.read(FORMS["grounding"], tmp_path)
    assert not broken and samples[0].meta["verifier"] == "point" and "关闭" in samples[0].turns[0].text
    assert samples[0].meta["box"] == pytest.approx([100, 100, 200, 200])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_pictures_that_samples_hold_stay_as_they_are(form: str) -> None:
    data = basics.encoded(form)
    assert pictures.picture(data, f"a.{form.lower()}") == Image(data, 40, 30)
    with pytest.raises(Bad):
        pictures.picture(data[: len(data) // 2])


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF"])
def test_other_pictures_become_png(form: str) -> None:
    found = pictures.picture(basics.encoded(form))
    assert found.data.startswith(b"\x89PNG") and anyres.decode(found).size == (40, 30)


def test_pictures_that_are_none_say_why() -> None:
    for reason, (name, data) in basics.bad_pictures(random.Random(0)).items():
        with pytest.raises(Bad, match=reason):
            pictures.picture(data, name)
    with pytest.raises(Bad, match="picture of another format than its name"):
        pictures.of_url(basics.uri(basics.encoded("JPEG"), "png"))


def test_a_head_of_markdown_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: T\nlicense: 'CC-BY-4.0'\nlang: en\n---\n# T\n", encoding="utf-8")
    (tmp_path / "b.md").write_text("---\n\nno head", encoding="utf-8")
    samples, _ = basics.read(FORMS["markdown"], tmp_path, Origin("notes", "prose", "MIT"))
    assert [(one.turns[0].text, one.licence) for one in samples] == [("# T\n", "CC-BY-4.0"), ("---\n\nno head", "MIT")]


def test_two_rules_with_prose_between_them_are_no_head(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\n\nWhat stands here, between rules, is prose.\n\n---\n\nAnd so is this.\n")
    (tmp_path / "b.md").write_text("---\n# of the site\n\ntitle: Roads\n---\nThe rest.\n")
    samples, _ = basics.read(FORMS["markdown"], tmp_path, Origin("notes", "prose", "MIT"))
    first, second = (sample.turns[0].text for sample in samples)
    assert "between rules" in first and second.strip() == "The rest."
