"""The evaluation of a model: every task in its modes, the blind baselines, the budget curves, the pictures.

Unusual: the evaluation resumes by part. Each (task, mode) writes its answers to its own file when it is done; a key
over the weights, the settings and the held-out files says whether those answers still belong to this evaluation.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Picture

from lapis import chat, config, files
from lapis.data import store
from lapis.data.evenly import spread
from lapis.eval import grounding, losses, needles, screenspot
from lapis.eval.harness import Ask, Record, kept, measure, right, share, summary, swap_images
from lapis.eval.program import Program
from lapis.eval.sized import Sized
from lapis.eval.stats import difference, relative
from lapis.eval.tasks import ALL, Task
from lapis.eval.tasks.own import own
from lapis.model import convert
from lapis.types import Generator, InputError, Progress, Sample

CURVE_SHARE = 0.5
"""Part of `eval.samples` that each point of a budget curve takes."""
POINTING = "ground_seen.parquet"
"""Held-out screens that stand in for ScreenSpot's where none are given."""
POINT_TOKENS = 32
"""Most tokens of an answer to ScreenSpot."""
PICTURE_SIDE = 420
"""Longest side of a picture kept for the report, in pixels."""


def evaluate(
    folder: Path, recipe: config.Recipe, heldout: Path, out: Path, progress: Progress, run: Path | None = None
) -> dict[str, Any]:
    """Measure the model in `folder` on `heldout`; writes results.json, answers.jsonl and pictures/ into `out`. With
    `run`, also what compares stages of that run: distillation, and needles before and after longer positions.

    Returns what results.json holds. A finished part is not asked again as long as weights, settings and held-out
    files are the same. Raises InputError where `folder` is no model or `heldout` holds none of the tasks' files.
    """
    key = _key(folder, recipe.eval, heldout)
    done = _finished(out, key)
    if done is not None:
        progress.advance(total(recipe, heldout) if run else count(recipe.eval, heldout), "eval")
        return done
    results = measure_all(load(folder, recipe), recipe.eval, heldout, out, progress, key)
    if run is not None:
        results |= _of_stages(run, recipe, heldout, progress)
    files.write_json(out / "results.json", results)
    shutil.rmtree(out / "parts")
    return results


def _of_stages(run: Path, recipe: config.Recipe, heldout: Path, progress: Progress) -> dict[str, Any]:
    distilled = losses.distillation(run, recipe, heldout)
    found = needles.compare(lambda model: load(model, recipe), run, recipe, heldout, progress)
    return ({} if distilled is None else {"distil": distilled}) | {"needles": found}


def load(folder: Path, recipe: config.Recipe) -> Generator:
    """A run's model on the recipe's device, in fp32 so that figures do not hang on the machine's bf16; or a program
    of `lapis export --to executorch`.

    Raises InputError where `folder` is neither.
    """
    if files.is_program(folder):
        return Program(folder)
    model = convert.read(folder)
    shape = convert.config_of(folder)
    tiles = shape.tokens_per_tile if isinstance(shape, config.Model) else recipe.model.tokens_per_tile
    cuda = recipe.device == "cuda" or (recipe.device == "auto" and torch.cuda.is_available())
    tokenizer = chat.Tokenizer.load(folder, tiles)
    return Sized(model, tokenizer, "cuda" if cuda else "cpu")


def measure_all(
    generator: Generator, plan: config.Eval, heldout: Path, out: Path, progress: Progress, key: str = ""
) -> dict[str, Any]:
    """All tasks of any generator; leaves answers.jsonl and pictures/ in `out`, and the finished parts in out/parts."""
    parts = _parts(out, key)
    results: dict[str, Any] = {"key": key, "parent": plan.parent, "tasks": {}, "budgets": {}, "pictures": []}
    began = time.monotonic()
    for task in _present(heldout):
        samples = chosen(heldout, task, plan)
        ask = _asker(generator, plan, parts, progress, task)
        results["tasks"] |= _modes(task, samples, ask)
        if task.curve:
            results["budgets"][task.curve] = curve(task, samples, plan, ask)
        results["pictures"] += _pictures(task, samples, parts, out, plan.pictures)
    results["tasks"] |= _screenspot(generator, plan, heldout, out, progress)
    results["seconds"] = time.monotonic() - began
    _join(parts, out / "answers.jsonl")
    return results


def total(recipe: config.Recipe, heldout: Path) -> int:
    """Requests of a run's own evaluation at most: the length of its progress bar."""
    return count(recipe.eval, heldout) + needles.count(recipe, heldout)


def count(plan: config.Eval, heldout: Path) -> int:
    """Requests of all tasks at most."""
    asked = 0
    for task in _present(heldout):
        everything = len(store.read_column(heldout / f"{task.name}.parquet", "kind"))
        samples = min(everything, _most(task, plan))
        asked += samples * len(task.modes) * (2 if task.blind else 1)
        asked += len(_curve_part(range(samples), plan)) * len(plan.budgets) * 2 if task.curve else 0
    if plan.screenspot:
        return asked + sum(map(len, grounding.read(Path(plan.screenspot)).values()))
    return asked + min(len(_column(heldout / POINTING)), screenspot.MOST)


AskFor = Callable[[Ask, Sequence[Sample]], list[Record]]


def _asker(generator: Generator, plan: config.Eval, parts: Path, progress: Progress, task: Task) -> AskFor:
    """A function that measures, or reads what an earlier process measured."""

    def ask(how: Ask, samples: Sequence[Sample]) -> list[Record]:
        path = part_file(parts, how)
        if path.is_file():
            progress.advance(len(samples), how.name)
            return _read(path)
        records = measure(generator, samples, how, plan.max_tokens, progress, task.breakdown)
        _keep(path, records)
        return records

    return ask


def _keep(path: Path, records: Sequence[Record]) -> None:
    files.write(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def _modes(task: Task, samples: Sequence[Sample], ask: AskFor) -> dict[str, Any]:
    """Each mode's summary, beside its blind twin's; thinking beside direct as a paired difference."""
    results: dict[str, Any] = {}
    records = {}
    swapped = swap_images(samples) if task.blind else None
    for mode in task.modes:
        how = Ask(task.name, mode)
        records[mode] = ask(how, samples)
        results[how.name] = summary(records[mode])
        if swapped is not None:
            blind = dataclasses.replace(how, blind=True)
            answers = ask(blind, swapped)
            results[blind.name] = summary(answers)
            results[how.name]["over_blind"] = _difference(records[mode], answers)
    if len(records) == 2:
        results[f"{task.name}/think"]["over_direct"] = _difference(records["think"], records["direct"])
    return results


def _pointing(heldout: Path) -> list[Sample]:
    """Held-out screens for ScreenSpot's forms."""
    path = heldout / POINTING
    return list(islice(store.read_samples(path), screenspot.MOST)) if path.is_file() else []


def _column(path: Path) -> list[Any]:
    return store.read_column(path, "kind") if path.is_file() else []


def _screenspot(
    generator: Generator, plan: config.Eval, heldout: Path, out: Path, progress: Progress
) -> dict[str, dict[str, Any]]:
    """ScreenSpot by benchmark, from the plan's folder or from held-out screens in the same files."""
    folder = Path(plan.screenspot) if plan.screenspot else out / "screenspot"
    pointing = [] if plan.screenspot else _pointing(heldout)
    if pointing:
        screenspot.write(pointing, folder)
    if not plan.screenspot and not pointing:
        return {}
    found, records = grounding.evaluate(generator, folder, POINT_TOKENS, progress)
    _keep(out / "parts" / "screenspot.jsonl", records)
    return {name: summary | {"own": bool(pointing)} for name, summary in found.items()}


def _difference(first: Sequence[Record], second: Sequence[Record]) -> dict[str, Any]:
    return difference([*map(right, first)], [*map(right, second)]).entry()


def _curve_part(samples: Sequence[Any], plan: config.Eval) -> Sequence[Any]:
    return spread(samples, max(1, int(plan.samples * CURVE_SHARE)))


def curve(task: Task, samples: Sequence[Sample], plan: config.Eval, ask: AskFor) -> dict[str, Any]:
    """Accuracy at each budget, enforced and shown in the prompt or not, and how many requests kept to it."""
    chosen, budgets = _curve_part(samples, plan), sorted(plan.budgets)
    told, cut = (
        [ask(Ask(task.name, "think", budget=budget, told=one), chosen) for budget in budgets] for one in (True, False)
    )
    correct = [[right(record) for records in side for record in records] for side in (told, cut)]
    return {
        "task": task.name,
        "points": [_point(records, budget) for records, budget in zip(told, budgets, strict=True)],
        "cut": [_point(records, budget) for records, budget in zip(cut, budgets, strict=True)],
        "rise": _difference(told[-1], told[0]),
        "trained": relative(correct[0], correct[1]).entry(),
    }


def _point(records: Sequence[Record], budget: int) -> dict[str, Any]:
    within = sum(kept(record, budget) for record in records)
    thought = sum(record["thought_tokens"] for record in records) / len(records)
    return share(records) | {"budget": budget, "kept": within, "thought_tokens": thought}


def chosen(heldout: Path, task: Task, plan: config.Eval) -> list[Sample]:
    """The samples of a task that the plan asks: as many as it takes, evenly spread over the set."""
    everything = list(store.read_samples(heldout / f"{task.name}.parquet"))
    return spread(everything, _most(task, plan))


def _most(task: Task, plan: config.Eval) -> int:
    return max(1, int(plan.samples * task.share))


def _present(heldout: Path) -> list[Task]:
    """Tasks whose held-out file exists and is not empty."""
    present = [task for task in ALL if (heldout / f"{task.name}.parquet").is_file()]
    present += own(heldout, {task.name for task in ALL})
    if not present:
        raise InputError(f"{heldout}: no held-out set there, expected {ALL[0].name}.parquet or another task's")
    return [task for task in present if store.groups(heldout / f"{task.name}.parquet")]


def _pictures(task: Task, samples: Sequence[Sample], parts: Path, out: Path, most: int) -> list[dict[str, Any]]:
    """Up to `most` pictures of a set, right and wrong ones in equal parts, spread over the set."""
    if not samples[0].images:
        return []
    records = _read(part_file(parts, Ask(task.name, task.modes[0])))
    good = [number for number, record in enumerate(records) if right(record)]
    bad = [number for number, record in enumerate(records) if not right(record)]
    half = most // 2
    right_ones, wrong_ones = spread(good, max(half, most - len(bad))), spread(bad, max(half, most - len(good)))
    chosen = (*right_ones[:most], *wrong_ones[: most - len(right_ones)])
    return [_picture(samples[number], records[number], out / "pictures", task.name) for number in chosen]


def _picture(sample: Sample, record: Record, folder: Path, task: str) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{task}-{record['id']}.png"
    with Picture.open(io.BytesIO(sample.images[0].data)) as opened:
        small = opened.convert("RGB")
    small.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Picture.Resampling.LANCZOS)
    small.save(path, optimize=True)
    names = ("id", "prompt", "answer", "thought", "expected", "score", "reason", "box", "point", "tags")
    return {"task": task, "file": path.name} | {name: record[name] for name in names if name in record}


def _key(folder: Path, plan: config.Eval, heldout: Path) -> str:
    """What the answers depend on: weights or program by content, settings, held-out files by name, size and time."""
    digest = hashlib.sha256(json.dumps(dataclasses.asdict(plan), sort_keys=True).encode())
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.pte")]):
        digest.update(path.read_bytes())
    for path in sorted(heldout.glob("*.parquet")):
        stat = path.stat()
        digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _finished(out: Path, key: str) -> dict[str, Any] | None:
    path = out / "results.json"
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return results if results.get("key") == key else None


def _parts(out: Path, key: str) -> Path:
    """The folder of finished parts; parts of another evaluation are thrown away."""
    parts = out / "parts"
    mark = parts / "key"
    if parts.is_dir() and (not mark.is_file() or mark.read_text() != key):
        shutil.rmtree(parts)
    parts.mkdir(parents=True, exist_ok=True)
    files.write(mark, key)
    return parts


def part_file(parts: Path, ask: Ask) -> Path:
    """Where the answers of one way of asking are kept."""
    return parts / (ask.name.replace("/", "-").replace("@", "-") + ".jsonl")


def _join(parts: Path, target: Path) -> None:
    files.write(target, "".join(path.read_text(encoding="utf-8") for path in sorted(parts.glob("*.jsonl"))))


def _read(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
