"""What the model answered: accuracy, grounding pictures, the budget curve, thoughts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image as Picture

from lapis import verify
from lapis.eval.goals import GOALS
from lapis.eval.tasks import ALL
from lapis.report_parts import charts
from lapis.report_parts.charts import Row, Series
from lapis.report_parts.figures import SHARES
from lapis.report_parts.inputs import Json, Run
from lapis.report_parts.page import clip, data_uri, section

PINS = 8
"""Grounding pictures of each verdict."""
HOW = {"think": ", thinking", "direct": ""}
THOUGHTS = 3
"""Thoughts shown of each task."""


def accuracy(run: Run) -> str:
    """A bar a task and mode, with its interval, its goal and its blind baseline."""
    tasks: dict[str, Json] = run.results.get("tasks", {})
    goals = {task: GOALS[name].of(run.recipe) for name, task in SHARES.items()}
    asked = [(task, mode) for task in ALL for mode in task.modes]
    entries = [_accuracy_row(f"{task.name}/{mode}", task.title + HOW[mode], tasks, goals) for task, mode in asked]
    entries += [_accuracy_row(name, name.replace("/", ", "), tasks, goals) for name in _own(tasks)]
    found = [row for row in entries if row is not None]
    key = (
        '<p class="key"><i class="k3"></i>95% interval<i class="k1"></i>blind: image swapped for another screen'
        '<i class="k2"></i>goal</p>'
    )
    lead = (
        "Share of held-out questions answered right. The red ring is what the question gives away without its screen."
    )
    return section("Accuracy", lead, charts.rows(found) + key if found else "", _benchmarks(tasks))


def _own(tasks: dict[str, Json]) -> list[str]:
    """What was asked of the user's own kinds."""
    ours = ("screenspot", *(f"{task.name}/" for task in ALL))
    return [name for name in tasks if not name.startswith(ours) and not name.endswith("/blind")]


def _accuracy_row(name: str, label: str, tasks: dict[str, Json], goals: dict[str, float | None]) -> Row | None:
    if name not in tasks:
        return None
    entry, blind = tasks[name], tasks.get(f"{name}/blind")
    note = f"n = {entry['n']}"
    if entry["thought_tokens"]:
        note += f", {entry['thought_tokens']:.0f} thought"
    note += f", blind {100 * blind['value']:.0f}%" if blind else ""
    return Row(
        label,
        entry["value"],
        entry["low"],
        entry["high"],
        note,
        blind["value"] if blind else None,
        goals.get(name),
        "b" if name.endswith("/think") else "a",
    )


def _benchmarks(tasks: dict[str, Json]) -> str:
    """ScreenSpot's own sets, where they were measured."""
    names = [name for name in tasks if name.startswith("screenspot")]
    rows = [_accuracy_row(name, name, tasks, {}) for name in names]
    found = [row for row in rows if row is not None]
    own = any(tasks[name].get("own") for name in names)
    lead = (
        "<p>No published set was given: these are held-out screens, written in ScreenSpot's files.</p>" if own else ""
    )
    return f"<h3>ScreenSpot</h3>{lead}{charts.rows(found)}" if found else ""


def pictures(run: Run) -> str:
    """Screens with the true box and the predicted point: right ones, then wrong ones."""
    pins = [entry for entry in run.results.get("pictures", []) if entry.get("box")]
    folder = run.measured / "pictures"
    good = [pin for pin in pins if pin["score"] >= 0.5]
    bad = [pin for pin in pins if pin["score"] < 0.5]
    lead = "The frame is the true box, the dot is the model's point; a line joins them where the point went astray."
    parts = [
        f'<h3>{title}</h3><div class="pins">{"".join(_pin(pin, folder) for pin in _mixed(chosen))}</div>'
        for title, chosen in (("In the box", good), ("Missed", bad))
        if chosen
    ]
    return section("Where the model points", lead, *parts)


def _mixed(pins: Sequence[Json]) -> list[Json]:
    """As many of each task as there is room for, in turn."""
    by_task: dict[str, list[Json]] = {}
    for pin in pins:
        by_task.setdefault(pin["task"], []).append(pin)
    turns = [row for place in range(PINS) for row in (group[place : place + 1] for group in by_task.values())]
    return [pin for turn in turns for pin in turn][:PINS]


def _pin(pin: Json, folder: Path) -> str:
    path = folder / pin["file"]
    with Picture.open(path) as opened:
        width, height = opened.size
    right = pin["score"] >= 0.5
    verdict, tone = ("in the box", "ok") if right else (_astray(pin), "bad")
    return (
        f'<figure class="pin {"right" if right else "wrong"}">'
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(pin["prompt"], quote=True)}">'
        f'<image href="{data_uri(path)}" width="{width}" height="{height}"/>{_marks(pin, width, height)}</svg>'
        f'<figcaption><b class="{tone}">{escape(pin["tags"].get("template", ""))} &middot; {verdict}</b>'
        f"{clip(pin['prompt'], 110)}</figcaption></figure>"
    )


def _marks(pin: Json, width: int, height: int) -> str:
    x, y, w, h = (side / 1000 * scale for side, scale in zip(pin["box"], (width, height, width, height), strict=True))
    size = max(width, height) / 100
    box = f'x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="none" rx="{size / 3:.1f}"'
    marks = f'<rect {box} stroke="#fff" stroke-width="{size:.1f}"/>'
    marks += f'<rect {box} stroke="#1a9e63" stroke-width="{size / 2:.1f}"/>'
    if pin["point"]:
        px, py = pin["point"][0] / 1000 * width, pin["point"][1] / 1000 * height
        fill = "#1a9e63" if pin["score"] >= 0.5 else "#d23a28"
        if pin["score"] < 0.5:
            marks += (
                f'<path d="M{px:.1f} {py:.1f}L{x + w / 2:.1f} {y + h / 2:.1f}" stroke="{fill}" '
                f'stroke-width="{size / 3:.1f}" stroke-dasharray="{size:.1f}"/>'
            )
        stroke = f'stroke="#fff" stroke-width="{size / 2:.1f}"'
        marks += f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{1.5 * size:.1f}" fill="{fill}" {stroke}/>'
    return marks


def _astray(pin: Json) -> str:
    """How far outside the box the point lies, in per cent of the screen's sides."""
    if not pin["point"]:
        return "no point in the answer"
    return f"{verify.astray(pin['point'], pin['box']) / 10:.0f}% of the screen away"


def budget(run: Run) -> str:
    """Accuracy against the thinking budget, one chart for text and one for screens."""
    curves: dict[str, Json] = run.results.get("budgets", {})
    drawn = _shares_chart(curves) + _spent_chart(curves) if curves else ""
    points = [point for curve in curves.values() for side in ("points", "cut") for point in curve.get(side, ())]
    kept, asked = sum(point["kept"] for point in points), sum(point["n"] for point in points)
    lead = (
        "The budget stands in the prompt and is enforced; where a thought is only cut, the prompt does not tell it. "
        "The band is the 95% interval. "
        f"{kept:,} of {asked:,} requests stayed at or under their budget and answered after it."
    )
    return section("Accuracy against thinking budget", lead, f'<div class="grid two">{drawn}</div>' if drawn else "")


def _shares_chart(curves: dict[str, Json]) -> str:
    ticks, top = _ticks(curves), 0.1
    series = []
    for name, curve in curves.items():
        points = curve["points"]
        band = [(place, point["low"], point["high"]) for place, point in enumerate(points)]
        series.append(Series(name, [(place, point["value"]) for place, point in enumerate(points)], band, dots=True))
        if cut := curve.get("cut"):
            series.append(Series(f"{name}, cut", [(place, point["value"]) for place, point in enumerate(cut)]))
        top = max(top, *(point["high"] for point in points))
    return charts.lines(series, "answered right", "budget, tokens", True, ticks, (0.0, top))


def _spent_chart(curves: dict[str, Json]) -> str:
    longest = max((curve["points"] for curve in curves.values()), key=len)
    series = [
        Series(name, [(place, point["thought_tokens"]) for place, point in enumerate(curve["points"])], dots=True)
        for name, curve in curves.items()
    ]
    series.append(Series("the budget itself", [(place, float(point["budget"])) for place, point in enumerate(longest)]))
    return charts.lines(series, "tokens of thought, mean", "budget, tokens", x_ticks=_ticks(curves))


def _ticks(curves: dict[str, Json]) -> list[tuple[float, str]]:
    longest = max((curve["points"] for curve in curves.values()), key=len)
    return [(place, str(point["budget"])) for place, point in enumerate(longest)]


def found(run: Run) -> str:
    """Facts found in long documents, before and after the stage that lengthens positions."""
    stages: dict[str, Json] = run.results.get("needles", {})
    drawn = "".join(_found_chart(stage, sides) for stage, sides in stages.items())
    lead = (
        "One fact stands at a drawn depth in prose, in half of the documents beside one of another place; the model is "
        "asked for it. Words of the fact are held out. The band is the 95% interval."
    )
    return section("Long documents", lead, f'<div class="grid two">{drawn}</div>' if drawn else "")


def _found_chart(stage: str, sides: Json) -> str:
    ticks = [(float(place), tokens) for place, tokens in enumerate(sides["after"])]
    series = []
    for side, lengths in sides.items():
        points = [*enumerate(lengths.values())]
        band = [(place, point["low"], point["high"]) for place, point in points]
        series.append(Series(f"{side} {stage}", [(place, point["value"]) for place, point in points], band, dots=True))
    return charts.lines(series, "facts found", "tokens of the document", True, ticks, (0.0, 1.0))


def thoughts(run: Run) -> str:
    """Thoughts in the model's own words, right and wrong ones, with their screens where there are any."""
    screens = {entry["id"]: entry for entry in run.results.get("pictures", [])}
    blocks = []
    for task in ALL:
        answers = [answer for answer in run.answers if answer["ask"] == f"{task.name}/think"]
        shown = [answer for answer in answers if answer["id"] in screens] if task.blind else answers
        good = [answer for answer in shown if answer["score"] >= 0.5][: THOUGHTS - 1]
        bad = [answer for answer in shown if answer["score"] < 0.5][: THOUGHTS - len(good)]
        folder = run.measured / "pictures"
        blocks += [_thought(task.title, answer, screens.get(answer["id"]), folder) for answer in (*good, *bad)]
    lead = "What the model wrote between <code>&lt;think&gt;</code> and <code>&lt;/think&gt;</code>, and its answer."
    return section("Thoughts", lead, *blocks)


def _thought(title: str, answer: Json, screen: Json | None, folder: Path) -> str:
    right = answer["score"] >= 0.5
    image = ""
    if screen is not None:
        image = f'<img alt="the screen" src="{data_uri(folder / screen["file"])}">'
    wrong = f'<b class="bad">&#10007; wrong</b>, expected {clip(str(answer["expected"]), 80)}'
    mark = '<b class="ok">&#10003; right</b>' if right else wrong
    return (
        f'<div class="thought {"pictured" if image else ""}">{image}<div><span class="chip">{escape(title)}</span>'
        f'<p>{clip(answer["prompt"], 500)}</p><p class="think">{clip(answer["thought"], 900)}</p>'
        f"<p><b>{clip(answer['answer'], 200)}</b> &nbsp; {mark}</p></div></div>"
    )
