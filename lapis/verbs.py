"""What the words of the command line do. Unusual: each imports what it needs itself, so that `--help` and a wrong word
answer without loading torch."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from lapis import building, config, files, recipes
from lapis import run as road
from lapis.named import RUNS, is_run, model_folder, recipe_in, run_folder
from lapis.parsing import Words
from lapis.types import Image, InputError


def recipe_names() -> list[str]:
    """Recipes that can be named: the files of lapis/recipes."""
    return sorted(module.name for module in pkgutil.iter_modules(recipes.__path__))


def recipe_module(name: str) -> ModuleType:
    """The file of a recipe. Raises InputError for an unknown name."""
    if name not in recipe_names():
        raise InputError(f"{name}: no such recipe; there are {', '.join(recipe_names())}")
    return importlib.import_module(f"lapis.recipes.{name}")


def recipe_of(words: Words) -> config.Recipe:
    """The named recipe with its overrides. Raises InputError for an unknown name or a wrong override."""
    form = "smoke" if words.smoke else "recipe"
    make = getattr(recipe_module(words.recipe), form, None)
    if make is None:
        raise InputError(f"{words.recipe}: its file has no {form}(); `lapis plan {words.recipe}` tells its size")
    fields = [word for word in words.words if not word.startswith("out=")]
    recipe = config.resolve(make(), fields)
    if not recipe.start:
        return recipe
    from lapis.model import source

    return config.resolve(source.fitted(recipe), fields)


def out_of(words: Words, default: Path | None = None) -> Path:
    """The folder of the last `out=` word. Raises InputError where it is missing and has no default."""
    named = [word.partition("=")[2] for word in words.words if word.startswith("out=")]
    if not [word for word in named if word] and (named or default is None):
        raise InputError("out: no folder named; expected out=FOLDER")
    return Path(named[-1]) if named else default or Path()


def only_out(words: Words) -> None:
    """Raises InputError for a key=value word other than out=."""
    for word in words.words:
        if not word.startswith("out="):
            raise InputError(f"{word}: not understood here; expected out=FOLDER")


def folder_of(words: Words) -> Path:
    """The folder of a recipe's run: the one that `out=` names, else runs/RECIPE."""
    return out_of(words, RUNS / (words.recipe + ("-smoke" if words.smoke else "")))


def run(words: Words) -> None:
    """A recipe from its data to its report."""
    folder = folder_of(words)
    road.run(recipe_of(words), folder, restart=words.restart)
    print(folder / "report.html")


def plan(words: Words) -> None:
    """The parameters of a recipe's model; with --gpus its training on so many."""
    from lapis.dist import plan as parameters

    recipe = recipe_of(words)
    if words.gpus is not None:
        from lapis.plan import table

        copies = not any(word.startswith("dist.replicate=") for word in words.words)
        table.say(recipe, words.gpus, words.hardware, words.stage, copies, words.json)
        return
    if words.stage or words.json:
        raise InputError("--stage and --json: expected --gpus N with them")
    for name, value in parameters.plan(recipe.model).items():
        print(f"{name:<16} {value:>14,}" if isinstance(value, int) else value)


def preflight(words: Words) -> None:
    """Whether this machine is fit to train. Raises InputError where it is not."""
    recipe, folder = recipe_of(words), folder_of(words)
    from lapis.dist.preflight import checks

    failed = []
    for check in checks(recipe, folder):
        print(f"{check.name:<10} {'' if check.well else 'FAILED: '}{check.text}", flush=True)
        failed += [] if check.well else [check.name]
    if failed:
        raise InputError(f"preflight: this machine is not fit to train ({', '.join(failed)})")


def launch(words: Words) -> None:
    """The job file that runs a recipe on a cluster."""
    from lapis import launch as jobs

    fields = ("to", "nodes", "gpus", "partition", "minutes", "image", "claim", "shm")
    cluster, folder = jobs.Cluster(**{name: getattr(words, name) for name in fields}), folder_of(words)
    words.words = [word for word in words.words if not word.startswith("out=")]
    words.words += jobs.own_words(cluster, words.words)
    command = ["run", words.recipe, *(["--smoke"] if words.smoke else []), *words.words]
    print(jobs.write(recipe_of(words), command, cluster, folder))


def chat(words: Words) -> None:
    """Talk to a model, or ask it once."""
    folder = model_folder(words.model)
    for name, value, least in (("--budget", words.budget, -1), ("--max-tokens", words.max_tokens, 1)):
        if value < least:
            raise InputError(f"{name} {value}: expected {least} or more")
    image = read_image(words.image) if words.image else None
    from lapis import terminal

    how = terminal.How(words.think, words.budget, words.max_tokens)
    terminal.chat(folder, image, how, words.prompt)


def read_image(path: Path) -> Image:
    """A picture from disk, whole and not too large. Raises InputError with its name."""
    from lapis.model import anyres

    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return anyres.image_of(data, str(path))


def evaluate(words: Words) -> None:
    """A model measured on its run's held-out data, or on ScreenSpot."""
    folder = model_folder(words.path)
    if words.samples is not None and words.samples < 1:
        raise InputError(f"--samples {words.samples}: expected 1 or more")
    run_of = next((above for above in folder.absolute().parents if is_run(above)), None)
    if words.samples is not None and words.screenspot is not None:
        raise InputError("--samples: held-out tasks take it, --screenspot measures whole sets; expected one of the two")
    if run_of is None and words.screenspot is None:
        raise InputError(f"{folder}: in no run, so it has no held-out data here; expected --screenspot FOLDER")
    from lapis import terminal

    recipe = recipe_in(run_of) if run_of else None
    if words.screenspot is not None:
        results = terminal.screenspot(folder, words.screenspot)
    else:
        assert run_of is not None and recipe is not None
        results = terminal.heldout(folder, run_of, recipe, words.samples)
    print(json.dumps(results, indent=1, ensure_ascii=False) if words.json else "\n".join(_table(results)))


def _table(results: dict[str, Any]) -> Iterator[str]:
    """One line a task and mode."""
    for name, found in results.get("tasks", results).items():
        low, high = (f"{100 * found[side]:.1f}" for side in ("low", "high"))
        yield f"{name:<32} {100 * found['value']:5.1f}%  ({low} to {high}, n = {found['n']})"


def export(words: Words) -> None:
    """A model for other programs."""
    only_out(words)
    building.check(words)
    if words.to in building.FORMS:
        return building.FORMS[words.to].export(words)
    given = {"spec": words.spec, "tp": words.tp, "multiple": words.vocab_multiple}
    how = {name: value for name, value in given.items() if value is not None}
    if how and words.to != "megatron":
        raise InputError("--spec, --tp and --vocab-multiple: expected --to megatron with them")
    folder, stock = Path(words.model), words.to == "hf"
    ranks = any(folder.glob("mp_rank_*"))
    if ranks or (files.is_model(folder) and not stock):
        model, out = folder, out_of(words)
    else:
        model, place = trained(run_folder(words.model))
        out = out_of(words, place / words.to)
    if stock and not ranks:
        road.export_to(model, out)
    else:
        _megatron(model, out, None if stock else how)
    print(out)


def source_of(words: Words, form: str) -> tuple[Path, Path | None, Path]:
    """The model that is exported, the run that it belongs to where a run was named, and where its form goes."""
    if files.is_model(Path(words.model)):
        return Path(words.model), None, out_of(words)
    run = run_folder(words.model)
    model, place = trained(run)
    return model, run, out_of(words, place / form)


def trained(folder: Path) -> tuple[Path, Path]:
    """The model that a run exports, and the folder of its exports. Raises InputError where there is none yet."""
    recipe = recipe_in(folder)
    model = folder / recipe.export.parent / "model"
    if not files.is_model(model):
        raise InputError(f"{model}: no model there yet; `lapis run` has to finish stage {recipe.export.parent}")
    return model, folder / recipe.export.name


def _megatron(model: Path, out: Path, how: dict[str, Any] | None) -> None:
    """To Megatron's form in a layout, or back from it where there is none."""
    from lapis.export import megatron
    from lapis.model.megatron import Layout

    if how is None:
        megatron.write_back(model, out)
    else:
        megatron.write(model, out, Layout(**how))


def report(words: Words) -> None:
    """A run's report, written again."""
    from lapis.report import build

    folder = run_folder(words.run)
    build(folder)
    print(folder / "report.html")


def watch(words: Words) -> None:
    """A run while it trains, or afterwards."""
    from lapis import watch as view

    view.watch(run_folder(words.run), words.once, words.stage)


def init(words: Words) -> None:
    """A model of public weights."""
    only_out(words)
    out = out_of(words)
    if words.tile < 28 or (words.tile % 28 and words.tile % 32):
        raise InputError(f"--tile {words.tile}: expected a multiple of 28 or 32, two patches of the tower")
    from lapis.chat import Tokenizer
    from lapis.export import hf
    from lapis.model.init import compose

    model, raw = compose(words.vision, words.decoder, words.tile)
    hf.write(model, Tokenizer(raw, model.config.tokens_per_tile), out)
    print(out)
