"""A whole run folder as the runner leaves it, with drawn screens and made-up numbers, for the report's tests."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from lapis.eval.stats import difference, wilson

Json = dict[str, Any]

TEMPLATES = ("settings", "chat", "shop", "mail", "calendar", "player", "table", "login")
STAGES = ("teacher", "prune", "distil", "scratch-low", "scratch-mid", "scratch-high", "joint", "sft", "rl")
SECONDS = (240, 130, 4, 160, 60, 60, 60, 930, 240, 180, 130, 6)
FLOOR = {"distil": 3.02, "scratch-low": 3.41, "scratch-mid": 3.22, "scratch-high": 3.30}
CURVE = ((0, 0.35), (8, 0.4), (16, 0.55), (32, 0.8), (64, 0.97), (128, 1.0))
QUESTION = "Mia buys 3 boxes at 14 each, gives back one for 6 and pays 9 more. What did she pay?"
THOUGHT = "3 boxes at 14 each: 3 * 14 = 42\n42 - 6 = 36\n36 + 9 = 45"


def write(path: Path, content: Any) -> None:
    """Text as it is, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def write_lines(path: Path, lines: Iterable[Json]) -> None:
    """JSON lines."""
    write(path, "".join(json.dumps(line) + "\n" for line in lines))


def make_run(folder: Path) -> Path:
    """A finished pocket run."""
    rng = random.Random(7)
    entries = [{"name": name, "op": name if name in ("prune", "rl") else "train", "steps": 400} for name in STAGES]
    shape = {"vit": {"tile": 252, "patch": 14}}
    recipe = {"name": "pocket", "model": shape, "data": {"name": "data"}, "stages": entries}
    write(folder / "config.json", recipe)
    write(folder / "timeline.json", _timeline())
    prose = {
        "samples": 5210,
        "tokens": 4100000,
        "tiles": 0,
        "lang": {"en": 3000, "zh": 2210},
        "licence": {"PSF-2.0": 5210},
    }
    counts = {"kinds": {"prose": prose, "screen/ground": prose | {"tiles": 9000}}, "dropped": {"short": 411}}
    held = {"ground_seen": 400, "math": 400}
    write(folder / "data" / "counts.json", counts | {"heldout": held, "leaked": {"math": 0}, "notes": ["no apt here"]})
    write(folder / "data" / "done.json", {"seconds": 240.0})
    for number, name in enumerate(STAGES):
        _stage(folder / name, number, rng)
    _rl(folder / "rl", rng)
    _evaluation(folder / "eval", rng)
    _course(folder / "sft")
    write(folder / "export" / "done.json", {})
    write(folder / "machine.json", {"cpu": "Example CPU @ 2.0GHz", "cores": 2, "torch": "2.13.0"})
    return folder


def _timeline() -> Json:
    """Stages one after another; joint was cut once."""
    spans: Json = {}
    now = 1000.0
    for name, seconds in zip(("data", *STAGES, "eval", "export"), SECONDS, strict=True):
        half = now + seconds / 2
        spans[name] = [[now, half], [half, now + seconds]] if name == "joint" else [[now, now + seconds]]
        now += seconds
    return {"total": now - 1000, "starts": [[1000.0, now]], **spans}


def _stage(folder: Path, number: int, rng: random.Random) -> None:
    kinds = ("prose", "math/word") if number < 6 else ("prose", "screen/ground", "math/word", "caption")
    floor = FLOOR.get(folder.name, 2.9)
    lines = []
    for step in range(0 if folder.name == "prune" else 300):
        start = floor + 4 * math.exp(-step / 60)
        each = {kind: start + place * 0.3 + rng.gauss(0, 0.06) for place, kind in enumerate(kinds)}
        lines.append({"step": step, "loss": sum(each.values()) / len(each), "kinds": each})
    write_lines(folder / "metrics.jsonl", lines)
    heldout = {kind: floor + 0.1 + 0.3 * place for place, kind in enumerate(kinds)} if lines else {}
    done = {"steps": len(lines), "tokens": 4096 * len(lines), "tiles": 24, "loss": floor + 0.05, "heldout": heldout}
    write(folder / "done.json", done)
    (folder / "model").mkdir()
    weights = {"model.language_model.embed": torch.zeros(64, 16), "model.vision_tower.a": torch.zeros(8, 8)}
    save_file(weights, folder / "model" / "model.safetensors")


def _course(folder: Path) -> None:
    """Lines as a real stage writes them: a death after step 200, an alarm, and scores of three snapshots."""
    old = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    module = {"parameters": 71.4, "gradients": 0.47, "updates": 0.005, "first moments": 0.08, "second moments": 0.001}
    norms = {"decoder.layers.0": module | {"update share": 7e-5}, "vit.patch": module | {"update share": 6.5e-5}}
    more = {"tokens": 2048, "seconds": 0.5, "tokens_per_s": 4096.0, "mfu": 0.244, "imbalance": 0.031, "grad_norm": 5.73}
    more |= {"rates": {"vit": 2.4e-5, "decoder": 2.8e-5}, "cells": 4.1}
    lines = [line | more | {"step": at, "passes": {"math": at / 200}} for at, line in enumerate(old, 1)]
    write_lines(
        folder / "metrics.jsonl", [line | ({"norms": norms} if line["step"] % 20 == 1 else {}) for line in lines]
    )
    events = [("start", 1000, 0, 0), ("working", 1004, 0, 0), ("saved", 1060, 0.5, 0), ("start", 1120, 0, 1110)]
    events += [("working", 1127, 0, 0), ("saved", 1180, 0.25, 0), ("ended", 1230, 0, 0)]
    names = ("what", "at", "seconds", "last")
    write_lines(folder / "ledger.jsonl", [dict(zip(names, event, strict=True)) for event in events])
    spent = {"wall": 230.0, "productive": 150.0, "checkpoint": 0.75, "restart": 21.0, "lost": 50.0, "back": [17.0]}
    done = json.loads((folder / "done.json").read_text(encoding="utf-8"))
    write(folder / "done.json", done | {"time": spent | {"other": 8.25, "goodput": 0.6522}})
    write_lines(folder / "alarms.jsonl", [{"step": 77, "at": 1050.0, "alarm": "gradient norm 60, and 5.7 is usual"}])
    asked = (("ground_seen", "direct"), ("math", "think"))
    scores = [
        {"step": step, "task": task, "mode": mode, "seconds": 3.0}
        | {"score": right / 24, "low": right / 24 - 0.05, "high": right / 24 + 0.05, "n": 24}
        for step, rights in ((100, (9, 6)), (200, (11, 12)), (300, (13, 15)))
        for (task, mode), right in zip(asked, rights, strict=True)
    ]
    write_lines(folder / "online.jsonl", scores)


def _each(right: int, thought: int) -> dict[str, list[float]]:
    """200 questions of which the first so many are right."""
    return {
        "correct": [float(number < right) for number in range(200)],
        "thought_tokens": [float(thought + number % 3 - 1) for number in range(200)],
        "greedy": [float(number < right + 10) for number in range(200)],
    }


def _rl(folder: Path, rng: random.Random) -> None:
    lines = []
    for step in range(40):
        share = 0.5 + 0.2 * (1 - math.exp(-step / 15)) + rng.gauss(0, 0.02)
        sampled = {"reward": share + 0.08, "correct": share, "thought_tokens": 40 - step / 8}
        sampled["rewards"] = {"math/word": share + 0.2, "screen/math": share - 0.1}
        lines.append({"step": step, "loss": 0.01, **sampled})
    write_lines(folder / "metrics.jsonl", lines)
    before = {
        "math/word": {"correct": 0.52, "reward": 0.6, "n": 120, "thought_tokens": 41.0},
        "screen/math": {"correct": 0.31, "reward": 0.4, "n": 80, "thought_tokens": 28.0},
    }
    after = {
        "math/word": {"correct": 0.61, "reward": 0.7, "n": 120, "thought_tokens": 39.0},
        "screen/math": {"correct": 0.4, "reward": 0.5, "n": 80, "thought_tokens": 26.0},
    }
    first = {"correct": 0.5, "reward": 0.51, "n": 200, "thought_tokens": 35.0, "kinds": before, "each": _each(100, 35)}
    last = {"correct": 0.6, "reward": 0.6, "n": 200, "thought_tokens": 33.0, "kinds": after, "each": _each(120, 33)}
    write(folder / "done.json", {"steps": 40, "tokens": 90000, "before": first, "after": last})


def shares(correct: int, n: int, **more: Any) -> Json:
    """A task's entry in results.json."""
    interval = wilson(correct, n)
    found = {"value": interval.value, "low": interval.low, "high": interval.high, "n": n}
    return found | {"thought_tokens": 0.0, "overflow": 0.0, "groups": {}} | more


def _over(first: int, second: int, n: int) -> Json:
    interval = difference([1] * first + [0] * (n - first), [1] * second + [0] * (n - second))
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n": n}


def _evaluation(folder: Path, rng: random.Random) -> None:
    curves = {
        name: {
            "task": task,
            "rise": _over(int(top * 150), 30, 150),
            "points": [_point(*at, top) for at in CURVE],
            "cut": [_point(*at, 0.8 * top) for at in CURVE],
            "trained": {"value": 0.25, "low": 0.2, "high": 0.31, "n": 900},
        }
        for name, task, top in (("text", "math", 0.66), ("screens", "screen_math_seen", 0.37))
    }
    pins = [_screen(folder / "pictures", number, rng) for number in range(16)]
    results = {"tasks": _tasks(), "budgets": curves, "needles": {"long": NEEDLES}, "pictures": pins, "seconds": 130.0}
    write(folder / "results.json", results)
    write_lines(folder / "answers.jsonl", _answers(pins))


WRONG = {"copied wrong from the question": 66, "worked out wrong": 33}
"""Causes of the thinking task's wrong answers."""


NEEDLES = {
    "before": {"225": shares(30, 40), "3686": shares(2, 40)},
    "after": {"225": shares(38, 40), "3686": shares(34, 40)},
}
"""Facts found by the length of their documents, before and after the long stage."""


def _tasks() -> Json:
    groups = {"template": {name: shares(2 if name == "calendar" else 16, 38) for name in TEMPLATES}}
    return {
        "ground_seen/direct": shares(117, 300, groups=groups, over_blind=_over(117, 18, 300)),
        "ground_seen/direct/blind": shares(18, 300),
        "ground_unseen/direct": shares(22, 300, over_blind=_over(22, 20, 300)),
        "ground_unseen/direct/blind": shares(20, 300),
        "math/think": shares(
            201, 300, thought_tokens=44.0, overflow=0.04, over_direct=_over(201, 96, 300), causes=WRONG
        ),
        "math/direct": shares(96, 300),
        "screen_math_seen/think": shares(111, 300, thought_tokens=30.0, over_direct=_over(111, 66, 300)),
        "screen_math_seen/direct": shares(66, 300),
        "screen_math_seen/think/blind": shares(21, 300, thought_tokens=30.0),
        "screen_math_seen/direct/blind": shares(24, 300),
        "screen_qa/direct": shares(70, 150),
        "screen_qa/direct/blind": shares(18, 150),
        "needle/direct": shares(40, 75),
    }


def _point(budget: int, part: float, top: float) -> Json:
    spent = {"budget": budget, "kept": 150, "thought_tokens": min(44.0, budget * 0.9)}
    return shares(int(150 * top * part), 150) | spent


def _screen(folder: Path, number: int, rng: random.Random) -> Json:
    width, height = (240, 420) if number % 2 else (420, 280)
    _draw(folder, number, width, height)
    box = [1000 * 16 / width, 1000 * 105 / height, 1000 * (width - 32) / width, 1000 * 40 / height]
    right = number < 8
    inside = [rng.uniform(200, 700), box[1] + box[3] / 2]
    point = inside if right else [rng.uniform(100, 900), rng.uniform(600, 950)]
    task = ("ground_unseen", "ground_seen", "ground_seen", "ground_seen", "ground_seen", "screen_math_seen")[number % 6]
    place = {"box": box, "point": None if number == 15 else [int(side) for side in point]}
    return {
        "task": task,
        "file": f"{number}.png",
        "id": f"id{number}",
        "prompt": f'Where is "Entry {number + 1}" <here>?',
        "score": float(right),
        "tags": {"template": TEMPLATES[number % 8]},
        **(place if task != "screen_math_seen" else {}),
    }


def _draw(folder: Path, number: int, width: int, height: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (width, height), (247, 248, 251))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width, 34), fill=(50 + 12 * number, 90, 160))
    for place in range(height // 60):
        top = 50 + 55 * place
        draw.rounded_rectangle((16, top, width - 16, top + 40), 8, fill="white", outline=(210, 214, 224))
        draw.text((28, top + 12), f"Entry {place + number}", fill=(40, 44, 60))
    picture.save(folder / f"{number}.png")


def _answers(pins: list[Json]) -> list[Json]:
    line = {"prompt": QUESTION, "thought": THOUGHT, "answer": "45", "expected": "45", "score": 1.0}
    maths = [line | {"ask": "math/think", "id": f"m{number}", "score": float(number % 2)} for number in range(6)]
    screens = [pin["id"] for pin in pins if pin["task"] == "screen_math_seen"]
    return [*maths, *(line | {"ask": "screen_math_seen/think", "id": name} for name in screens)]
