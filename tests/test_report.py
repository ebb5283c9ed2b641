"""The report of a made-up run folder: figures, sections, what is missing, what was not good."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lapis import report
from lapis.report_parts import charts
from lapis.report_parts.figures import figures
from lapis.report_parts.inputs import read_run
from lapis.report_parts.training import training_flops
from lapis.types import InputError
from tests.fake_run import make_run, write


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "pocket")


class Links(HTMLParser):
    """Collects every address that a page would load, every anchor and every open tag."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.anchors: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.ids.add(named.get("id", ""))
        self.loads += [named[name] for name in ("src", "srcset", "data") if name in named]
        self.loads += [named["href"]] if tag in ("image", "link", "use") else []
        self.anchors += [named["href"]] if tag == "a" else []
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "img", "br"):
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_figure_of_a_whole_run(run: Path) -> None:
    report.build(run)
    found = json.loads((run / "report.json").read_text())["figures"]
    wanted = "wall_seconds grounding_seen grounding_unseen math_think math_direct screen_math_think screen_math_direct"
    wanted += " distil_gain budget_kept rl_gain rl_gain_greedy rl_length grounding_seen_blind grounding_unseen_blind"
    wanted += " screen_math_think_blind screen_math_direct_blind needles_before needles_after"
    assert set(wanted.split()) <= set(found)
    assert all(set(figure) == {"value", "low", "high", "n", "goal"} for figure in found.values())
    assert found["grounding_seen"]["value"] == pytest.approx(0.39)
    assert found["grounding_seen"]["goal"] == 0.30 and found["grounding_unseen"]["goal"] is None
    assert found["grounding_seen"]["low"] < 0.39 < found["grounding_seen"]["high"]
    assert found["wall_seconds"]["value"] == pytest.approx(2200) and found["wall_seconds"]["goal"] == 2400
    assert found["budget_kept"]["value"] == 1.0 and found["budget_kept"]["n"] == 24 * 150
    assert found["needles_before"]["value"] == 0.05 and found["needles_after"]["value"] == 0.85
    assert found["distil_gain"]["value"] == pytest.approx(1 - 3.12 / 3.32)
    assert found["rl_gain"]["value"] == pytest.approx(0.2)
    assert 0.1 < found["rl_gain"]["low"] < 0.2 < found["rl_gain"]["high"]
    assert found["rl_gain_greedy"]["value"] == pytest.approx(130 / 110 - 1)
    assert found["rl_length"]["value"] == pytest.approx(-2 / 35, abs=1e-4) and found["rl_length"]["high"] < -0.05


def test_a_rise_from_nothing_has_no_value_and_misses_its_goal(run: Path) -> None:
    done = json.loads((run / "rl" / "done.json").read_text())
    done["before"]["each"] = {"correct": [0.0] * 200, "thought_tokens": [0.0] * 200}
    write(run / "rl" / "done.json", done)
    report.build(run)
    assert json.loads((run / "report.json").read_text())["figures"]["rl_gain"]["value"] is None
    assert "gained by RL: from nothing" in (run / "report.html").read_text(encoding="utf-8")


def test_a_budget_that_is_right_where_the_cut_one_never_is_has_no_rise(run: Path) -> None:
    results = json.loads((run / "eval" / "results.json").read_text())
    results["budgets"]["screens"]["trained"] = {"value": None, "low": None, "high": None, "n": 1200}
    write(run / "eval" / "results.json", results)
    report.build(run)
    assert json.loads((run / "report.json").read_text())["figures"]["budget_trained_screens"]["value"] is None


def test_a_chain_of_distillation_counts_as_one_student(run: Path) -> None:
    first = json.loads((run / "distil" / "done.json").read_text())
    write(run / "distil-decay" / "done.json", first | {"tokens": 300000, "heldout": {"prose": 2.988}})
    settings = json.loads((run / "config.json").read_text())
    settings["stages"].insert(3, {"name": "distil-decay", "op": "train"})
    write(run / "config.json", settings)
    report.build(run)
    found = json.loads((run / "report.json").read_text())["figures"]
    assert found["distil_gain"]["value"] == pytest.approx(0.1)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "distil + distil-decay</b></td><td>1.53M</td><td>2.9880</td><td>-10.00%" in page


def test_desk_has_its_own_goals(run: Path) -> None:
    settings = json.loads((run / "config.json").read_text())
    write(run / "config.json", settings | {"name": "desk"})
    found = figures(read_run(run))
    assert found["grounding_seen"]["goal"] == 0.80 and found["wall_seconds"]["goal"] == 7200
    assert found["grounding_seen_over_blind"]["goal"] == 0.20


def test_page_is_whole_and_loads_nothing(run: Path) -> None:
    report.build(run)
    page = (run / "report.html").read_text(encoding="utf-8")
    links = Links()
    links.feed(page)
    assert links.open == ["html"] or not links.open
    assert links.loads and all(address.startswith("data:image/png;base64,") for address in links.loads)
    assert all(anchor[1:] in links.ids for anchor in links.anchors) and len(links.anchors) >= 10
    assert "http://" not in page and "https://" not in page and "<script" not in page
    assert "&lt;here&gt;" in page and "<here>" not in page
    assert not re.search(r"\bnan\b|\bNone\b", re.sub(r"base64,[^\"]+", "", page))


def test_an_evaluation_of_another_name_is_found(run: Path) -> None:
    report.build(run)
    before = (run / "report.html").read_text(encoding="utf-8").count("data:image")
    (run / "eval").rename(run / "measure")
    settings = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps(settings | {"eval": {"name": "measure"}}), encoding="utf-8")
    report.build(run)
    assert (run / "report.html").read_text(encoding="utf-8").count("data:image") == before > 0


def test_same_run_gives_the_same_page(run: Path) -> None:
    report.build(run)
    first = (run / "report.html").read_bytes()
    report.build(run)
    assert (run / "report.html").read_bytes() == first


def test_what_was_not_good_names_misses_and_weak_groups(run: Path) -> None:
    report.build(run)
    page = (run / "report.html").read_text(encoding="utf-8")
    told = page[page.index('<section id="not-good">') : page.index('<section id="stages">')]
    assert "Word problems and arithmetic, thinking: 67.0%" in told and "goal &ge; 70%" in told
    assert "of the wrong answers: copied wrong from the question 67%, worked out wrong 33%" in told
    assert "calendar 5% (n = 38)" in told and "settings" not in told
    assert "4% of answers were cut" in told
    assert "ground_unseen/direct</b>: not clearly better" in told
    spots = json.loads((run / "report.json").read_text())["weak_spots"]
    assert len(spots) == 3


def test_scores_beside_training_and_where_its_time_went(run: Path) -> None:
    report.build(run)
    page = (run / "report.html").read_text(encoding="utf-8")
    curves = page[page.index('<section id="beside">') : page.index('<section id="goodput">')]
    assert curves.count("<svg") == 1 and curves.count("<circle") == 6 and curves.count('class="band') == 2
    assert "Word problems and arithmetic, thinking, n = 24: 62.5%" in curves
    spent = page[page.index('<section id="goodput">') : page.index('<section id="distillation">')]
    assert "65.2% of 3.8 min; from death to the next step 17.0 s" in spent
    parts = re.findall(r'title="(\w+): ([\d.]+) s"', spent)
    assert {name: float(seconds) for name, seconds in parts} == pytest.approx(
        {"productive": 150.0, "checkpoint": 0.8, "restart": 21.0, "lost": 50.0, "other": 8.2}, abs=0.06
    )
    assert "gradient norm 60, and 5.7 is usual" in spent
    stages = {stage["name"]: stage for stage in json.loads((run / "report.json").read_text())["stages"]}
    assert stages["sft"]["goodput"] == 0.6522 and "goodput" not in stages["teacher"]


def test_desk_stands_beside(run: Path, tmp_path: Path) -> None:
    desk = {"figures": {"math_think": {"value": 0.913, "low": 0.88, "high": 0.94, "n": 300, "goal": 0.7}}}
    write(tmp_path / "desk.json", desk)
    report.build(run, tmp_path / "desk.json")
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "desk: 91.3%" in page and "88.0% to 94.0%" in page
    report.build(run, tmp_path / "absent.json")
    assert "91.3%" not in (run / "report.html").read_text(encoding="utf-8")


def test_desk_of_another_form_is_refused(run: Path, tmp_path: Path) -> None:
    write(tmp_path / "desk.json", "[1, 2]")
    with pytest.raises(InputError, match=r"desk\.json: no figures there"):
        report.build(run, tmp_path / "desk.json")


@pytest.mark.parametrize("gone", ["eval", "rl", "distil", "data", "timeline.json", "config.json", "sft"])
def test_a_missing_stage_leaves_its_figures_out(run: Path, gone: str) -> None:
    target = run / gone
    target.rename(run.parent / "gone")
    report.build(run)
    found = json.loads((run / "report.json").read_text())["figures"]
    absent = {"eval": "grounding_seen", "rl": "rl_gain", "distil": "distil_gain"}.get(gone)
    assert absent is None or absent not in found
    assert "</html>" in (run / "report.html").read_text(encoding="utf-8")


def test_an_empty_folder_still_gets_a_report(tmp_path: Path) -> None:
    report.build(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["figures"] == {}
    with pytest.raises(InputError, match="no run there"):
        report.build(tmp_path / "nothing")


def test_a_metrics_line_cut_by_a_kill_is_left_out(run: Path) -> None:
    path = run / "sft" / "metrics.jsonl"
    path.write_text(path.read_text() + '{"step": 300, "lo')
    stage = read_run(run).stage("sft")
    assert stage is not None and len(stage.metrics) == 300


def test_segments_and_parameters_are_summed(run: Path) -> None:
    stage = read_run(run).stage("joint")
    assert stage is not None and stage.seconds == pytest.approx(930)
    assert stage.parameters == {"decoder": 1024, "vit": 64}
    assert training_flops(stage, 324) == 6 * (1024 * 4096 * 300 + 64 * 24 * 324)


def test_chart_puts_values_where_they_belong() -> None:
    axis = charts.Axis(0.0, 10.0, 40.0, 330.0)
    assert axis.at(0) == 40 and axis.at(10) == 330 and axis.at(5) == 185
    assert axis.ticks(4) == [0, 2.5, 5, 7.5, 10]
    assert charts.Axis(2.61, 2.94, 0, 1).ticks(4) == pytest.approx([2.7, 2.8, 2.9])
    assert charts.lines([charts.Series("none", [])], "t", "x") == ""
    assert "<circle" in charts.lines([charts.Series("one", [(1.0, 2.0)])], "t", "x")


def test_smoothing_keeps_the_mean_and_the_end() -> None:
    points = [(float(step), float(step % 10)) for step in range(1000)]
    short = charts.smooth(points, 100)
    assert len(short) == 100 and short[-1][0] == 999
    assert sum(y for _, y in short) / 100 == pytest.approx(4.5)


def test_forms_of_low_precision_stand_in_the_report_where_they_were_measured(run: Path) -> None:
    report.build(run)
    assert "Low precision" not in (run / "report.html").read_text()
    share = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}
    form = {"loss": 1.0, "loss_more": share, "cosine": {"mean": 0.99}, "seconds": 0.1}
    none, less = share | {"value": 0.0, "low": 0.0, "high": 0.0}, share | {"value": -0.1, "low": -0.2, "high": 0.01}
    told = {
        "fp32": form | {"tasks": {"math/think": share | {"more": none}}},
        "int4 <i>": form | {"tasks": {"math/think": share | {"value": 0.4, "more": less}}},
    }
    write(run / "export" / "executorch" / "report.json", {"quality": {"reference": "fp32", "forms": told}})
    write(run / "export" / "other" / "report.json", {"quality": {"something": "else"}})
    report.build(run)
    page = (run / "report.html").read_text()
    assert "Low precision" in page and "<h3>executorch</h3>" in page and "<h3>other</h3>" not in page
    assert "50% <i>(40 to 60)</i>" in page and "40%, -10 <i>(-20 to +1)</i>" in page and "int4 &lt;i&gt;" in page
