"""The command `lapis`: the one place that reads argv, and the one that turns errors into exit codes.

    0 done   2 the user's input is wrong (one line on stderr)   1 a fault of ours (a traceback)
    130 and 143: stopped by Ctrl-C and SIGTERM; the same command goes on

`key=value` words are ours and may stand anywhere: `out=` names a folder, everything else is a config field that
`config.resolve` checks. Unusual: handlers import what they need themselves, so that `--help` and a wrong word answer
without loading torch.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

from lapis import config, files, recipes, run
from lapis.types import Image, InputError

Words = argparse.Namespace
RUNS = Path("runs")
DEFAULTS = {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "2000", "DO_NOT_TRACK": "1"}
"""Set before libraries load, unless the user set them: threads that wait soon sleep (spinning on made a step up to ten
times slower whenever another process wanted a core, sleeping at once a fifth slower; the policy sets how long they spin
once a library's own threads outnumber the cores), and no library reports its use to its maker."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came. As an interrupt it passes every `except Exception` and runs every `finally`."""


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Raises InputError instead of printing the usage and leaving."""
        raise InputError(f"{message}; `{self.prog} --help` shows an example")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Errors that are ours leave as exceptions."""
    signal.signal(signal.SIGTERM, _terminate)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        words = parse(sys.argv[1:] if argv is None else argv)
        words.act(words)
        return 0
    except InputError as error:
        return _fail(str(error), 2)
    except OSError as error:
        if not files.is_full(error):
            raise
        return _fail(f"{error.filename or 'disk'}: no space left; make room, and the same command goes on", 2)
    except Terminated:
        return _fail("stopped; the same command goes on", 143)
    except KeyboardInterrupt:
        return _fail("stopped; the same command goes on", 130)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _fail(message: str, code: int) -> int:
    print("lapis:", " ".join(message.split()), file=sys.stderr)
    return code


def parse(argv: Sequence[str]) -> Words:
    """argv as a namespace with `act`, the handler. Raises InputError for words that are not understood."""
    words, rest = parser().parse_known_args(list(argv))
    taken = [word for word in rest if hasattr(words, "words") and not word.startswith("-")]
    if taken != rest:
        strange = next(word for word in rest if word not in taken)
        raise InputError(f"{strange}: not understood here; `lapis {words.verb} --help` shows an example")
    if rest:
        words.words += rest
    return words


def parser() -> Parser:
    """All verbs with their options."""
    top = Parser(prog="lapis", description="A compact multimodal model from raw data to a chat.", allow_abbrev=False)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    _recipe_verbs(verbs)
    _use_verbs(verbs)
    _make_verbs(verbs)
    return top


def _verb(verbs: Any, name: str, act: Callable[[Words], None], about: str, example: str) -> Parser:
    verb: Parser = verbs.add_parser(
        name,
        help=about,
        description=about,
        epilog=f"example:  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verb.set_defaults(act=act)
    return verb


def _takes_words(verb: Parser, about: str) -> None:
    verb.add_argument("words", metavar="key=value", nargs="*", default=[], help=about)


def _recipe_verbs(verbs: Any) -> None:
    for name, act, about, example in (
        (
            "run",
            _run,
            "walk a recipe's stages; goes on where it was cut",
            "lapis run pocket data.screens=2000 out=here",
        ),
        ("data", _data, "the data stage of a recipe alone", "lapis data pocket --smoke"),
        ("plan", _plan, "a recipe's parameters, and its training on GPUs that are elsewhere", "lapis plan blue3b"),
    ):
        verb = _verb(verbs, name, act, about, example)
        verb.add_argument("recipe", metavar="RECIPE", help="a file in lapis/recipes: " + ", ".join(recipe_names()))
        verb.add_argument("--smoke", action="store_true", help="the same road in under three minutes")
        _takes_words(verb, "a config field (stages.sft.steps=100), or out=DIR for the run's folder")
        if name == "plan":
            _plan_options(verb)
        if name == "run":
            verb.add_argument("--restart", metavar="STAGE", help="throw this stage and all later ones away first")


def _plan_options(verb: Parser) -> None:
    about = "plan training on so many, each node with a copy of the weights unless dist.replicate= says otherwise"
    verb.add_argument("--gpus", metavar="N", type=int, help=about)
    verb.add_argument("--hardware", metavar="NAME|FILE", default="h100", help="h100, or a TOML file of that form")
    about = "a training stage, or all; else the whole network's with most tokens, and the one with the longest rows"
    verb.add_argument("--stage", metavar="NAME", help=about)
    verb.add_argument("--json", action="store_true", help="the figures as JSON")


def _use_verbs(verbs: Any) -> None:
    chat = _verb(verbs, "chat", _chat, "talk to a model", 'lapis chat pocket --think --prompt "What is 45 + 38 - 17?"')
    chat.add_argument("model", metavar="RUN|FOLDER", help="a run (its name or folder) or a model folder")
    chat.add_argument("--image", metavar="F", type=Path, help="a picture that the first question is about")
    chat.add_argument("--think", action=argparse.BooleanOptionalAction, default=False, help="think before answering")
    chat.add_argument("--budget", metavar="N", type=int, default=-1, help="most tokens of thought; -1 is unlimited")
    chat.add_argument("--max-tokens", metavar="N", type=int, default=256, help="most tokens of thought and answer")
    chat.add_argument("--prompt", metavar="TEXT", help="one question, answered without a terminal")
    measure = _verb(verbs, "eval", _eval, "measure a model on held-out data", "lapis eval pocket --samples 100")
    measure.add_argument("path", metavar="PATH", help="a run (its name or folder) or a model folder")
    measure.add_argument("--screenspot", metavar="FOLDER", type=Path, help="ScreenSpot v1, v2 or Pro as published")
    measure.add_argument("--samples", metavar="N", type=int, help="held-out samples of each task")


def _make_verbs(verbs: Any) -> None:
    export = _verb(verbs, "export", _export, "write a model for other programs", "lapis export pocket --to hf")
    export.add_argument("model", metavar="RUN|FOLDER", help="a run (its name or folder) or a folder of weights")
    forms = "hf: a folder that stock transformers loads; megatron: a decoder for Megatron-core's GPTModel"
    export.add_argument("--to", choices=("hf", "megatron"), required=True, help=forms)
    export.add_argument("--spec", choices=("te", "local"), help="whose layers: Transformer Engine's or Megatron's own")
    export.add_argument("--tp", metavar="N", type=int, help="ranks of tensor parallelism, a file for each")
    export.add_argument("--vocab-multiple", metavar="N", type=int, help="Megatron's make_vocab_size_divisible_by")
    _takes_words(export, "out=DIR for another place than the run's export folder")
    report = _verb(verbs, "report", _report, "write a run's report again", "lapis report pocket")
    report.add_argument("run", metavar="RUN", help="a run, its name or folder")
    example = "lapis init --vision google/siglip2-so400m-patch14-384 --decoder Qwen/Qwen3-1.7B out=start"
    init = _verb(verbs, "init", _init, "compose a model from public weights", example)
    init.add_argument("--vision", metavar="X", required=True, help="SigLIP2 tower: a hub name or a folder of its form")
    init.add_argument("--decoder", metavar="Y", required=True, help="Qwen2, Qwen3 or Llama: a hub name or a folder")
    init.add_argument("--tile", metavar="PX", type=int, default=392, help="a tile's side, a multiple of 28 or 32")
    _takes_words(init, "out=DIR, the folder to write")


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
    return config.resolve(make(), [word for word in words.words if not word.startswith("out=")])


def out_of(words: Words, default: Path | None = None) -> Path:
    """The folder of the last `out=` word. Raises InputError where it is missing and has no default."""
    named = [word.partition("=")[2] for word in words.words if word.startswith("out=")]
    if not [word for word in named if word] and (named or default is None):
        raise InputError("out: no folder named; expected out=FOLDER")
    return Path(named[-1]) if named else default or Path()


def _only_out(words: Words) -> None:
    for word in words.words:
        if not word.startswith("out="):
            raise InputError(f"{word}: not understood here; expected out=FOLDER")


def _run_folder(words: Words) -> Path:
    return out_of(words, RUNS / (words.recipe + ("-smoke" if words.smoke else "")))


def _run(words: Words) -> None:
    folder = _run_folder(words)
    run.run(recipe_of(words), folder, restart=words.restart)
    print(folder / "report.html")


def _data(words: Words) -> None:
    recipe, folder = recipe_of(words), _run_folder(words)
    run.run(recipe, folder, only=recipe.data.name)
    print(folder / recipe.data.name)


def _plan(words: Words) -> None:
    from lapis.dist import plan

    recipe = recipe_of(words)
    if words.gpus is not None:
        from lapis.plan import table

        copies = not any(word.startswith("dist.replicate=") for word in words.words)
        table.say(recipe, words.gpus, words.hardware, words.stage, copies, words.json)
        return
    if words.stage or words.json:
        raise InputError("--stage and --json: expected --gpus N with them")
    for name, value in plan.plan(recipe.model).items():
        print(f"{name:<16} {value:>14,}" if isinstance(value, int) else value)


def run_folder(name: str) -> Path:
    """The folder of a run, by path or by its name under runs/. Raises InputError where there is none."""
    for folder in filter(is_run, (Path(name), RUNS / name)):
        return folder
    raise InputError(f"{name}: no run there; expected a run's folder or a name under {RUNS}/")


def is_run(folder: Path) -> bool:
    """Whether a folder is one that `lapis run` wrote."""
    return (folder / "config.json").is_file() and "stages" in _json(folder / "config.json")


def recipe_in(folder: Path) -> config.Recipe:
    """The resolved recipe of a run folder."""
    return config.load((folder / "config.json").read_text(encoding="utf-8"))


def model_folder(name: str) -> Path:
    """A model folder, by path, or the one of a run: its export, else its last stage that has a model.

    Raises InputError where there is none.
    """
    if not Path(name).exists() and not (RUNS / name).exists():
        raise InputError(f"{name}: no such run or folder")
    if files.is_model(Path(name)):
        return Path(name)
    try:
        folder = run_folder(name)
    except InputError:
        raise InputError(f"{name}: no model there; expected config.json and *.safetensors, or a run") from None
    found = next(filter(files.is_model, _models(folder)), None)
    if found is None:
        raise InputError(f"{folder}: no stage of this run has finished a model yet")
    return found


def _models(folder: Path) -> Iterator[Path]:
    recipe = recipe_in(folder)
    yield folder / recipe.export.name / "hf"
    yield from (folder / stage.name / "model" for stage in reversed(recipe.stages))


def _json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"{path}: no JSON; expected a run's or a model's config") from None
    return tree if isinstance(tree, dict) else {}


def _chat(words: Words) -> None:
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


def _eval(words: Words) -> None:
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
    print(json.dumps(results, indent=1, ensure_ascii=False))


def _export(words: Words) -> None:
    _only_out(words)
    given = {"spec": words.spec, "tp": words.tp, "multiple": words.vocab_multiple}
    how = {name: value for name, value in given.items() if value is not None}
    if how and words.to != "megatron":
        raise InputError("--spec, --tp and --vocab-multiple: expected --to megatron with them")
    folder, stock = Path(words.model), words.to == "hf"
    ranks = any(folder.glob("mp_rank_*"))
    if ranks or (files.is_model(folder) and not stock):
        model, out = folder, out_of(words)
    else:
        model, place = _trained(run_folder(words.model))
        out = out_of(words, place / words.to)
    if stock and not ranks:
        run.export_to(model, out)
    else:
        _megatron(model, out, None if stock else how)
    print(out)


def _trained(folder: Path) -> tuple[Path, Path]:
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


def _report(words: Words) -> None:
    from lapis import report

    folder = run_folder(words.run)
    report.build(folder)
    print(folder / "report.html")


def _init(words: Words) -> None:
    _only_out(words)
    out = out_of(words)
    if words.tile < 28 or (words.tile % 28 and words.tile % 32):
        raise InputError(f"--tile {words.tile}: expected a multiple of 28 or 32, two patches of the tower")
    from lapis import chat
    from lapis.export import hf
    from lapis.model import init

    model, raw = init.compose(words.vision, words.decoder, chat.SPECIALS, chat.IMAGE, words.tile)
    hf.write(model, chat.Tokenizer(raw, model.config.tokens_per_tile), out)
    print(out)
