"""The stage runner: walks a recipe's stages in order, skips what is done, goes on with what was cut.

Unusual: `config.json` of the run tells what every stage in the folder was begun with, because a start that would
change a begun stage is refused before anything is written. A stage is done when its `done.json` exists, nothing else.
Stages import torch, Daft and a browser only when they begin, so a wrong word on the command line is told at once.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lapis import coherent, config, files
from lapis.dist import heap
from lapis.progress import Bars, Task
from lapis.timeline import Timeline
from lapis.types import InputError, Progress

if TYPE_CHECKING:
    from lapis.dist.nodes import Team

HOW = (
    *("device", "threads", "compile", "minutes", "workers", "runner", "checkpoint_every", "online"),
    *("engines", "engines_on", "outside", "slots", "judges"),
)
"""Config fields that say how a stage runs and is watched, not what comes out: they may change under way."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage as the runner sees it."""

    name: str
    folder: Path
    minutes: float
    work: Callable[[Progress], object]
    total: Callable[[], int] = lambda: 0
    """Steps of the whole stage, asked when it begins; 0 is unknown."""

    @property
    def done(self) -> bool:
        return (self.folder / "done.json").is_file()


def run(
    recipe: config.Recipe, folder: Path, restart: str | None = None, only: str | None = None, until: str | None = None
) -> None:
    """Everything of the recipe that is not yet done in `folder`, then the report.

    `restart` names a stage that is thrown away first with all later ones; `only` ends the run after that stage, and
    `until` already within the data stage, after a step of it.
    Where the recipe wants several machines, one of them does all this and the others take part in training.
    Raises InputError for a folder in use, a recipe that does not hold together, or one that would change a begun stage.
    """
    steps = walk(recipe, folder)
    if recipe.dist.nodes > 1 and only is None and not _leads(recipe):
        _follow(recipe, folder)
    if not steps[0].done:
        coherent.check_inputs(recipe)
    with locked(folder), _team(recipe, folder, alone=only is not None) as team:
        kept = steps if restart is None else steps[: _index(steps, restart)]
        unchanged(recipe, kept, folder)
        if restart is not None:
            forget(steps, restart, folder)
        files.write(folder / "config.json", config.dump(recipe))
        if not _settled(steps):
            _refresh(recipe, folder)
        if until is not None:
            return _until(steps[0], recipe, folder, until)
        steps = walk(recipe, folder, team)
        chosen = steps if only is None else steps[: _index(steps, only) + 1]
        fresh = perform(chosen, folder)
        if only is None and (fresh or not (folder / "report.json").is_file()):
            _report(folder, fresh)


def _settled(steps: list[Step]) -> bool:
    """Whether a stage has begun on the data, which is what it is from then on."""
    return any(step.folder.is_dir() for step in steps[1:])


def _refresh(recipe: config.Recipe, folder: Path) -> None:
    """Sources, evaluation sets and models that changed since the data stage read them are read again; those that are
    gone are not missed once it is done. RL items of the user's own are compared with evaluation sets too."""
    out = folder / recipe.data.name
    done = out / "steps" / "parts.json"
    compared = recipe.data.sources or recipe.data.sets.items or (out / "corpus").is_dir()
    if not done.is_file() or not compared:
        return
    from lapis import data_models
    from lapis.data import pipeline

    with suppress(InputError) if (out / "done.json").is_file() else nullcontext():
        if not pipeline.current(recipe.data, done, data_models.weights(recipe.data)):
            pipeline.reopen(recipe.data, out)
            if (out / "steps" / "tokenizer.json").is_file():
                told = f"sources changed, the tokenizer stays; `lapis run --restart {recipe.data.name}` trains another"
                print(f"{out}: {told}", file=sys.stderr)


def _until(step: Step, recipe: config.Recipe, folder: Path, last: str) -> None:
    with Bars([Task(step.name, step.minutes)], {}) as bars, bars.stage(step.name, step.total()) as progress:
        _data(recipe, folder, progress, last)


def _leads(recipe: config.Recipe) -> bool:
    from lapis.dist import nodes

    return nodes.leads(recipe.dist)


def _follow(recipe: config.Recipe, folder: Path) -> NoReturn:
    """Take part in the training stages of a run that another machine leads, and leave with its exit code."""
    from lapis.dist import nodes, processes
    from lapis.train import stages

    def work(name: str, team: nodes.Team) -> None:
        entry = next((one for one in recipe.stages if one.name == name), None)
        if not isinstance(entry, config.Train):
            raise InputError(f"{name}: the leading node trains it, and this recipe has no such stage")
        stages.run_entry(entry, recipe, folder, processes.Silent(), team)

    raise SystemExit(nodes.follow(recipe, folder, work))


def _team(recipe: config.Recipe, folder: Path, alone: bool) -> AbstractContextManager[Team | None]:
    if recipe.dist.nodes == 1 or alone:
        return nullcontext()
    from lapis.dist import nodes

    return nodes.lead(recipe, folder)


def walk(recipe: config.Recipe, folder: Path, team: Team | None = None) -> list[Step]:
    """The recipe's stages in their order: data, training and RL stages, eval, export; a team trains together."""
    coherent.check(recipe)
    data, measure, export = recipe.data, recipe.eval, recipe.export
    stage = partial(_stage, recipe=recipe, folder=folder, team=team)
    return [
        Step(data.name, folder / data.name, data.minutes, partial(_data, recipe, folder), _units),
        *(
            Step(entry.name, folder / entry.name, entry.minutes, partial(stage, entry), _steps(entry))
            for entry in recipe.stages
        ),
        Step(
            measure.name,
            folder / measure.name,
            measure.minutes,
            partial(_eval, recipe, folder),
            partial(_requests, recipe, folder),
        ),
        Step(export.name, folder / export.name, export.minutes, partial(_export, recipe, folder)),
    ]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process works in a run folder. Raises InputError where another does, or the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from None
    with file:
        try:
            # A record lock belongs to the process alone: children that outlive a killed run do not hold it.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise InputError(f"{folder}: process {file.read().strip() or '?'} is at work in this run") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def unchanged(recipe: config.Recipe, steps: list[Step], folder: Path) -> None:
    """Raises InputError that names the stage and the key where a begun stage would get another config."""
    path = folder / "config.json"
    if not path.is_file():
        return
    now = by_stage(json.loads(config.dump(recipe)))
    try:
        before = by_stage(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not the config of a run; expected an empty folder or a run's") from None
    free = () if _settled(steps) else (f"{recipe.data.name}.sources.", f"{recipe.data.name}.corpus.")
    for step in steps:
        if step.folder.is_dir():
            _same(step.name, before.get(step.name, {}), now[step.name], folder, free)


def _same(stage: str, before: Mapping[str, Any], now: Mapping[str, Any], folder: Path, free: tuple[str, ...]) -> None:
    for key in sorted(key for key in {*before, *now} if not key.startswith(free)):
        old, new = before.get(key), now.get(key)
        if old != new and not {*key.split(".")[1:]}.intersection(HOW):
            change = f"{key} was {json.dumps(old)} when it began and is {json.dumps(new)} now"
            raise InputError(f"{folder}: stage {stage}: {change}; set it back, or --restart {stage}, or another out=")


def by_stage(tree: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Stage name to everything that decides its outcome, as flat keys: its own entry and the recipe's shared fields."""
    shared = {key: tree[key] for key in ("name", "model", "teacher", "seed", "dtype")}
    if tree.get("start"):
        shared["start"] = tree["start"]
    entries = (tree["data"], *tree["stages"], tree["eval"], tree["export"])
    return {entry["name"]: {**config.flat(entry, f"{entry['name']}."), **config.flat(shared)} for entry in entries}


def _index(steps: list[Step], name: str) -> int:
    for number, step in enumerate(steps):
        if step.name == name:
            return number
    raise InputError(f"{name}: no such stage; expected one of {', '.join(step.name for step in steps)}")


def forget(steps: list[Step], name: str, folder: Path) -> None:
    """Remove stage `name` and all later ones. Raises InputError where the recipe has no such stage."""
    for step in steps[_index(steps, name) :]:
        files.remove(step.folder)
    (folder / "report.json").unlink(missing_ok=True)


def perform(steps: list[Step], folder: Path) -> bool:
    """Run the steps that are not done, in order, with bars and timeline; true where there was any."""
    waiting = [step for step in steps if not step.done]
    with Timeline(folder) as timeline:
        for step in steps:
            if not step.folder.is_dir():
                timeline.forget(step.name)
        done = {step.name: timeline.seconds(step.name) for step in steps if step.done}
        if waiting:
            with Bars([Task(step.name, step.minutes) for step in steps], done) as bars:
                for step in waiting:
                    _do(step, timeline, bars)
    return bool(waiting)


def _do(step: Step, timeline: Timeline, bars: Bars) -> None:
    with timeline.stage(step.name), bars.stage(step.name, step.total()) as progress:
        step.work(progress)
        heap.free()
        if not step.done:
            step.folder.mkdir(exist_ok=True)
            files.write(step.folder / "done.json", "{}\n")


def _units() -> int:
    from lapis.data import pipeline

    return pipeline.UNITS


def _data(recipe: config.Recipe, folder: Path, progress: Progress, until: str | None = None) -> None:
    from lapis import data_cluster, data_models
    from lapis.data import pipeline

    with data_cluster.joined(recipe):
        models = data_models.opened(recipe.data)
        pipeline.build(recipe, folder / recipe.data.name, progress, until=until, models=models)


def _stage(entry: Any, progress: Progress, recipe: config.Recipe, folder: Path, team: Team | None) -> None:
    if isinstance(entry, config.RL):
        return _rl(entry, recipe, folder, progress)
    from lapis.train import stages

    return stages.run_entry(entry, recipe, folder, progress, team)


def _rl(entry: config.RL, recipe: config.Recipe, folder: Path, progress: Progress) -> None:
    if entry.fleet.mode == "inline":
        from lapis.rl import loop

        return loop.run(entry, recipe, folder, progress)
    from lapis.rl.fleet import stage

    stage.run(entry, recipe, folder, progress)


def _steps(entry: Any) -> Callable[[], int]:
    return lambda: getattr(entry, "steps", 0)


def _requests(recipe: config.Recipe, folder: Path) -> int:
    from lapis.eval import run as evaluation

    return evaluation.total(recipe, folder / recipe.data.name / "heldout")


def _eval(recipe: config.Recipe, folder: Path, progress: Progress) -> None:
    from lapis.eval import run as evaluation

    model, heldout = folder / recipe.eval.parent / "model", folder / recipe.data.name / "heldout"
    evaluation.evaluate(model, recipe, heldout, folder / recipe.eval.name, progress, folder)


def _export(recipe: config.Recipe, folder: Path, progress: Progress) -> None:
    export_to(folder / recipe.export.parent / "model", folder / recipe.export.name / "hf")
    progress.advance()


def export_to(model: Path, out: Path) -> None:
    """The model in folder `model` as a Hugging Face folder `out`. Raises InputError where `model` is none."""
    from lapis import chat
    from lapis.export import hf
    from lapis.model import convert

    shape = convert.config_of(model)
    tiles = config.tile_tokens(shape)
    out.parent.mkdir(parents=True, exist_ok=True)
    hf.write(convert.read(model), chat.Tokenizer.load(model, tiles), out)


def _report(folder: Path, fresh: bool) -> None:
    from lapis import report
    from lapis.report_parts import inputs

    if fresh:
        files.write_json(folder / inputs.MACHINE, inputs.machine())
    report.build(folder)
