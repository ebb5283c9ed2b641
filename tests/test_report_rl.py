"""What the report shows of RL: accuracy against thought before and after, rewards by task, and both in a table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lapis import report
from tests.fake_run import make_run, write


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "pocket")


def section(run: Path) -> str:
    report.build(run)
    page = (run / "report.html").read_text(encoding="utf-8")
    return page[page.index('<section id="rl">') : page.index("</section>", page.index('<section id="rl">'))]


def figure(page: str, title: str) -> str:
    start = page.index(f"<figcaption>{title}</figcaption>")
    return page[start : page.index("</figure>", start)]


def circles(picture: str) -> dict[str, tuple[float, float]]:
    """Place of every circle by what it says."""
    found = re.findall(r'<circle class="(?:ring|dot) s\d" cx="([\d.]+)" cy="([\d.]+)" r="4"><title>(.*?)<', picture)
    return {title: (float(x), float(y)) for x, y, title in found}


def test_each_task_goes_from_where_it_was_to_where_it_is(run: Path) -> None:
    picture = figure(section(run), "accuracy against thought")
    places = circles(picture)
    assert set(places) == {
        "all, before: 50.0% at 35.0",
        "all, after: 60.0% at 33.0",
        "math/word, before: 52.0% at 41.0",
        "math/word, after: 61.0% at 39.0",
        "screen/math, before: 31.0% at 28.0",
        "screen/math, after: 40.0% at 26.0",
    }
    first, last = places["math/word, before: 52.0% at 41.0"], places["math/word, after: 61.0% at 39.0"]
    assert last[0] < first[0] and last[1] < first[1]
    whiskers = re.findall(r'class="line thin s\d" d="M([\d.]+) ([\d.]+)V([\d.]+)"', picture)
    assert len(whiskers) == 6
    x, low, high = map(float, whiskers[0])
    left, top = places["all, before: 50.0% at 35.0"]
    assert x == left and high < top < low


def test_a_task_that_only_one_side_has_is_left_out(run: Path) -> None:
    done = json.loads((run / "rl" / "done.json").read_text())
    del done["after"]["kinds"]["math/word"]
    write(run / "rl" / "done.json", done)
    page = section(run)
    assert {title.partition(",")[0] for title in circles(figure(page, "accuracy against thought"))} == {"screen/math"}
    assert "math/word</td>" not in page and "screen/math</td>" in page


def test_rewards_by_task_over_steps_and_in_the_table(run: Path) -> None:
    page = section(run)
    picture = figure(page, "mean reward by task")
    assert picture.count('<path class="line') == 2
    assert re.findall(r"<li class=\"s\d\">(.*?)</li>", picture) == ["math/word", "screen/math"]
    cells = ("120", "52.0%", "61.0%", "0.600", "0.700", "41.0", "39.0")
    assert "math/word</td>" + "".join(f"<td>{cell}</td>" for cell in cells) in page


def test_a_run_whose_steps_tell_no_tasks_has_no_such_chart(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "rl" / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        del line["rewards"]
    (run / "rl" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "mean reward by task" not in section(run)
