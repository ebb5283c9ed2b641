"""The whole evaluation on small held-out sets: tasks, modes, blind twins, curves, resuming, a real tiny model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lapis import config
from lapis.data import store
from lapis.eval import run as evaluation
from lapis.eval.tasks import ALL
from lapis.model.anyres import decode
from lapis.types import Completion, InputError, Request
from tests.eval.scripted import Scripted, Silent, ground, picture, question

PLAN = config.Eval(samples=8, budgets=(0, 4, 8), max_tokens=96, pictures=4)


def centre(index: int) -> str:
    return f"({index * 100 + 50:03d},500)"


def make_heldout(folder: Path) -> Path:
    """Eight screens whose colour says where their button is, and questions on them and on text."""
    screens = [picture(0x100000 + index) for index in range(8)]
    boxes = [(index * 100, 450, 100, 100) for index in range(8)]
    pairs = list(zip(screens, boxes, strict=True))
    for name in ("ground_seen", "ground_unseen"):
        samples = [ground("Send", box, image, "login" if box[0] < 400 else "shop") for image, box in pairs]
        store.write_samples(folder / f"{name}.parquet", samples)
    store.write_samples(folder / "math.parquet", [question(f"{number} + 1?", str(number + 1)) for number in range(12)])
    maths = [question("Sum?", str(index), image, "screen/math", template="shop") for index, image in enumerate(screens)]
    store.write_samples(folder / "screen_math_seen.parquet", maths)
    store.write_samples(folder / "needle.parquet", [])
    return folder


def sees(request: Request) -> tuple[str, str]:
    """Right on screens by their colour; right on sums only with at least 4 tokens of thought."""
    text, images = request.turns[-1].text, request.turns[-1].images
    if images:
        index = decode(images[0]).getpixel((0, 0))[2]
        return (centre(index), "") if "Where" in text else (str(index), "look add it up now")
    able = request.think and (request.budget < 0 or request.budget >= 4)
    return str(int(text.split()[0]) + (1 if able else 0)), "one two three four five"


@pytest.fixture
def heldout(tmp_path: Path) -> Path:
    return make_heldout(tmp_path / "heldout")


def test_tasks_modes_blind_and_curves(heldout: Path, tmp_path: Path) -> None:
    progress = Silent()
    found = evaluation.measure_all(Scripted(sees), PLAN, heldout, tmp_path / "eval", progress)
    shares = {name: entry["value"] for name, entry in found["tasks"].items()}
    assert shares == {
        "ground_seen/direct": 1, "ground_seen/direct/blind": 0,
        "ground_unseen/direct": 1, "ground_unseen/direct/blind": 0,
        "math/think": 1, "math/direct": 0,
        "screen_math_seen/think": 1, "screen_math_seen/think/blind": 0,
        "screen_math_seen/direct": 1, "screen_math_seen/direct/blind": 0,
        "screenspot": 1, "screenspot_v2": 1, "screenspot_pro": 1,
    }  # fmt: skip
    assert found["tasks"]["math/think"]["over_direct"]["value"] == 1
    assert found["tasks"]["ground_seen/direct"]["over_blind"]["low"] == 1
    assert found["tasks"]["ground_seen/direct"]["groups"]["template"].keys() == {"login", "shop"}
    text = found["budgets"]["text"]
    assert [point["budget"] for point in text["points"]] == [0, 4, 8]
    assert [point["value"] for point in text["points"]] == [0, 1, 1] and text["rise"]["value"] == 1
    assert [point["value"] for point in text["cut"]] == [0, 1, 1] and text["trained"]["value"] == 0
    assert all(point["kept"] == point["n"] == 4 for curve in found["budgets"].values() for point in curve["points"])
    assert progress.steps == evaluation.count(PLAN, heldout)


def test_no_rise_is_told_where_the_model_is_right_only_with_a_budget_told(heldout: Path, tmp_path: Path) -> None:
    told = Scripted(lambda request: sees(request) if request.show_budget else ("", ""))
    text = evaluation.measure_all(told, PLAN, heldout, tmp_path / "eval", Silent())["budgets"]["text"]
    assert [point["value"] for point in text["cut"]] == [0, 0, 0] and text["points"][-1]["value"] == 1
    assert text["trained"] == {"value": None, "low": None, "high": None, "n": 12}


def test_every_answer_is_kept(heldout: Path, tmp_path: Path) -> None:
    out = tmp_path / "eval"
    found = evaluation.measure_all(Scripted(sees), PLAN, heldout, out, Silent())
    lines = [json.loads(line) for line in (out / "answers.jsonl").read_text(encoding="utf-8").split("\n") if line]
    assert len(lines) == evaluation.count(PLAN, heldout)
    asked = {line["ask"] for line in lines}
    assert {"math/think@4", "screen_math_seen/direct/blind", "ground_unseen/direct"} <= asked
    assert {"id", "prompt", "answer", "thought", "score", "reason"} <= lines[0].keys()
    pictures = {path.name for path in (out / "pictures").iterdir()}
    assert {entry["file"] for entry in found["pictures"]} == pictures and pictures
    pins = [entry for entry in found["pictures"] if entry["task"] == "ground_seen"]
    assert len(pins) == 4 and all(entry["box"] and entry["point"] for entry in pins)


def test_pictures_show_right_and_wrong_ones(heldout: Path, tmp_path: Path) -> None:
    half = Scripted(lambda ask: (centre(7), "") if "Where" in ask.turns[0].text else sees(ask))
    found = evaluation.measure_all(half, PLAN, heldout, tmp_path / "eval", Silent())
    scores = [entry["score"] for entry in found["pictures"] if entry["task"] == "ground_seen"]
    assert sorted(scores) == [0, 0, 0, 1]


def test_a_cut_evaluation_goes_on_where_it_was(heldout: Path, tmp_path: Path) -> None:
    out = tmp_path / "eval"

    class Killed(Scripted):
        def generate(self, requests: Sequence[Request]) -> list[Completion]:
            if len(self.asked) >= 40:
                raise KeyboardInterrupt
            return super().generate(requests)

    with pytest.raises(KeyboardInterrupt):
        evaluation.measure_all(Killed(sees), PLAN, heldout, out, Silent(), "key")
    again = Scripted(sees)
    progress = Silent()
    found = evaluation.measure_all(again, PLAN, heldout, out, progress, "key")
    whole = Scripted(sees)
    expected = evaluation.measure_all(whole, PLAN, heldout, tmp_path / "other", Silent(), "key")
    assert 0 < len(again.asked) <= len(whole.asked) - 40
    assert found | {"seconds": 0} == expected | {"seconds": 0}
    assert progress.steps == evaluation.count(PLAN, heldout)
    assert (out / "answers.jsonl").read_bytes() == (tmp_path / "other" / "answers.jsonl").read_bytes()


def test_parts_of_another_model_are_thrown_away(heldout: Path, tmp_path: Path) -> None:
    out = tmp_path / "eval"
    evaluation.measure_all(Scripted(sees), PLAN, heldout, out, Silent(), "old weights")
    again = Scripted(lambda ask: ("?", ""))
    found = evaluation.measure_all(again, PLAN, heldout, out, Silent(), "new weights")
    assert len(again.asked) == evaluation.count(PLAN, heldout)
    assert found["tasks"]["math/think"]["value"] == 0


def test_one_screen_has_no_blind_twin(tmp_path: Path) -> None:
    samples = [ground("Send", (0, 0, 500, 500), picture(1))] * 3
    store.write_samples(tmp_path / "ground_seen.parquet", samples)
    found = evaluation.measure_all(Scripted(lambda ask: ("(1,1)", "")), PLAN, tmp_path, tmp_path / "eval", Silent())
    assert "ground_seen/direct" in found["tasks"] and "ground_seen/direct/blind" not in found["tasks"]


def test_no_held_out_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no held-out set there"):
        evaluation.count(PLAN, tmp_path)


def test_task_names_are_unique_and_curves_are_thinking() -> None:
    assert len({task.name for task in ALL}) == len(ALL)
    assert all("think" in task.modes for task in ALL if task.curve)


def test_own_held_out_files_are_asked_where_they_can_be_checked(heldout: Path, tmp_path: Path) -> None:
    """With a thought where there are thoughts, blind where all have pictures; what nobody can check is left out."""
    seen = [question("Sum?", str(index), picture(0x100000 + index), "meter") for index in range(8)]
    store.write_samples(heldout / "meter.parquet", [replace(one, think=True) for one in seen])
    store.write_samples(heldout / "clock.parquet", [question("5 + 1?", "5", kind="clock") for _ in range(3)])
    store.write_samples(heldout / "prose.parquet", [replace(question("Tell.", ""), meta={})])
    store.write_samples(heldout / "none.parquet", [])
    progress = Silent()
    tasks = evaluation.measure_all(Scripted(sees), PLAN, heldout, tmp_path / "eval", progress)["tasks"]
    assert progress.steps == evaluation.count(PLAN, heldout)
    assert {name: entry["value"] for name, entry in tasks.items() if name.startswith(("meter", "clock", "none"))} == {
        "meter/think": 1, "meter/think/blind": 0, "meter/direct": 1, "meter/direct/blind": 0, "clock/direct": 1,
    }  # fmt: skip
    assert "prose/direct" not in tasks and "math/think" in tasks
