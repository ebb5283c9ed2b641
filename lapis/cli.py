"""The command `lapis`: the one place that reads argv, and the one that turns errors into exit codes.

    0 done   2 the user's input is wrong (one line on stderr)   1 a fault of ours (a traceback)
    130 and 143: stopped by Ctrl-C and SIGTERM; the same command goes on

`key=value` words are ours and may stand anywhere: `out=` names a folder, everything else is a config field that
`config.resolve` checks. What a verb does is in verbs.py.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from lapis import act_verb, building, data_verbs, files, reward_verb, rl_verb, service_verb, serving, verbs
from lapis.parsing import Parser, Words, takes_words, verb_of, verbs_in, word_of
from lapis.types import InputError

DEFAULTS = {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "2000", "DO_NOT_TRACK": "1", "DAFT_PROGRESS_BAR": "0"}
DEFAULTS |= {"RAY_USAGE_STATS_ENABLED": "0"}
"""Set before libraries load, unless the user set them: threads that wait soon sleep (spinning on made a step up to ten
times slower whenever another process wanted a core, sleeping at once a fifth slower; the policy sets how long they spin
once a library's own threads outnumber the cores), no library reports its use to its maker or draws bars of its own."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came. As an interrupt it passes every `except Exception` and runs every `finally`."""


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
    group = verbs_in(top, "verb")
    _recipe_verbs(group)
    _use_verbs(group)
    _make_verbs(group)
    return top


def _recipe_verbs(group: Any) -> None:
    for name, act, about, example in (
        (
            "run",
            verbs.run,
            "walk a recipe's stages; goes on where it was cut",
            "lapis run pocket data.screens=2000 out=here",
        ),
        ("plan", verbs.plan, "a recipe's parameters, and its training on GPUs that are elsewhere", "lapis plan blue3b"),
        ("preflight", verbs.preflight, "whether this machine is fit to train", "lapis preflight pocket dist.nproc=2"),
        ("rl", rl_verb.reinforce, "a recipe up to its RL, by processes on Ray", "lapis rl pocket ray.address=auto"),
        (
            "launch",
            verbs.launch,
            "write the job file that runs a recipe on a cluster",
            "lapis launch pocket --to slurm --nodes 4 --gpus-per-node 8 dist.least=2 out=runs/four",
        ),
    ):
        verb = verb_of(group, name, act, about, example)
        known = ", ".join(verbs.recipe_names())
        verb.add_argument("recipe", metavar="RECIPE", help=f"a file in lapis/recipes: {known}")
        verb.add_argument("--smoke", action="store_true", help="the same road in under three minutes")
        takes_words(verb, "a config field (stages.sft.steps=100), or out=DIR for the run's folder")
        if name == "plan":
            _plan_options(verb)
        if name == "run":
            verb.add_argument("--restart", metavar="STAGE", help="throw this stage and all later ones away first")
        if name == "launch":
            _takes_cluster(verb)
    data_verbs.options(word_of(group, "data", "make, look at and choose data", "lapis data build pocket --smoke"))


def _takes_cluster(verb: Parser) -> None:
    forms = "slurm: a script for sbatch; kubernetes: a manifest for kubectl apply"
    verb.add_argument("--to", choices=("slurm", "kubernetes"), required=True, help=forms)
    verb.add_argument("--nodes", metavar="N", type=int, default=1, help="machines that train together")
    verb.add_argument("--gpus-per-node", metavar="N", type=int, default=0, dest="gpus", help="0 trains on CPUs")
    verb.add_argument("--partition", metavar="P", default="", help="Slurm's, where the cluster's own is not meant")
    verb.add_argument("--minutes", metavar="N", type=int, default=0, help="Slurm's time limit of one start")
    verb.add_argument("--image", metavar="I", default="", help="Kubernetes: an image that has the command lapis")
    verb.add_argument("--claim", metavar="C", default="", help="Kubernetes: a volume claim that all pods can write")
    verb.add_argument("--shm", metavar="GIB", type=int, default=16, help="Kubernetes: shared memory of a pod")


def _plan_options(verb: Parser) -> None:
    about = "plan training on so many, each node with a copy of the weights unless dist.replicate= says otherwise"
    verb.add_argument("--gpus", metavar="N", type=int, help=about)
    verb.add_argument("--hardware", metavar="NAME|FILE", default="h100", help="h100, or a TOML file of that form")
    about = "a training stage, or all; else the whole network's with most tokens, and the one with the longest rows"
    verb.add_argument("--stage", metavar="NAME", help=about)
    verb.add_argument("--json", action="store_true", help="the figures as JSON")


def _use_verbs(group: Any) -> None:
    chat = verb_of(
        group, "chat", verbs.chat, "talk to a model", 'lapis chat pocket --think --prompt "What is 45 + 38 - 17?"'
    )
    chat.add_argument("model", metavar="RUN|FOLDER", help="a run (its name or folder) or a model folder")
    chat.add_argument("--image", metavar="F", type=Path, help="a picture that the first question is about")
    chat.add_argument("--think", action=argparse.BooleanOptionalAction, default=False, help="think before answering")
    chat.add_argument("--budget", metavar="N", type=int, default=-1, help="most tokens of thought; -1 is unlimited")
    chat.add_argument("--max-tokens", metavar="N", type=int, default=256, help="most tokens of thought and answer")
    chat.add_argument("--prompt", metavar="TEXT", help="one question, answered without a terminal")
    example = "lapis serve pocket --port 8000 --slots 8"
    serving.options(verb_of(group, "serve", serving.serve, "answer OpenAI's clients, and show the page", example))
    example = 'lapis act pocket --image shot.png --goal "Turn on Wi-Fi"'
    act_verb.options(verb_of(group, "act", act_verb.act, "one step towards a goal on a screen", example))
    measure = verb_of(
        group, "eval", verbs.evaluate, "measure a model on held-out data", "lapis eval pocket --samples 100"
    )
    measure.add_argument("path", metavar="PATH", help="a run (its name or folder) or a model folder")
    measure.add_argument("--screenspot", metavar="FOLDER", type=Path, help="ScreenSpot v1, v2 or Pro as published")
    measure.add_argument("--samples", metavar="N", type=int, help="held-out samples of each task")
    measure.add_argument("--json", action="store_true", help="everything that was measured, as JSON")


def _make_verbs(group: Any) -> None:
    export = verb_of(group, "export", verbs.export, "write a model for other programs", "lapis export pocket --to hf")
    export.add_argument("model", metavar="RUN|FOLDER", help="a run (its name or folder) or a folder of weights")
    forms = "hf: a folder that stock transformers loads; megatron: a decoder for Megatron-core's GPTModel; "
    forms += "gguf: files for stock llama.cpp; executorch: a program for phones"
    export.add_argument("--to", choices=("hf", "megatron", *building.FORMS), required=True, help=forms)
    building.export_options(export)
    export.add_argument("--spec", choices=("te", "local"), help="whose layers: Transformer Engine's or Megatron's own")
    export.add_argument("--tp", metavar="N", type=int, help="ranks of tensor parallelism, a file for each")
    export.add_argument("--vocab-multiple", metavar="N", type=int, help="Megatron's make_vocab_size_divisible_by")
    takes_words(export, "out=DIR for another place than the run's export folder")
    building.build_options(verb_of(group, "build", building.build, *building.BUILD))
    reward_verb.options(verb_of(group, "train-rm", reward_verb.train, reward_verb.ABOUT, reward_verb.EXAMPLE))
    service_verb.options(word_of(group, "rewards", service_verb.ABOUT, service_verb.EXAMPLE))
    report = verb_of(group, "report", verbs.report, "write a run's report again", "lapis report pocket")
    report.add_argument("run", metavar="RUN", help="a run, its name or folder")
    seen = verb_of(group, "watch", verbs.watch, "look at a run while it trains, or afterwards", "lapis watch pocket")
    seen.add_argument("run", metavar="RUN", help="a run, its name or folder")
    seen.add_argument("--stage", metavar="STAGE", help="this stage instead of the one at work")
    seen.add_argument("--once", action="store_true", help="one frame, without a terminal")
    example = "lapis init --vision google/siglip2-so400m-patch14-384 --decoder Qwen/Qwen3-1.7B out=start"
    init = verb_of(group, "init", verbs.init, "compose a model from public weights", example)
    init.add_argument("--vision", metavar="X", required=True, help="SigLIP2 tower: a hub name or a folder of its form")
    init.add_argument("--decoder", metavar="Y", required=True, help="Qwen2, Qwen3 or Llama: a hub name or a folder")
    init.add_argument("--tile", metavar="PX", type=int, default=392, help="a tile's side, a multiple of 28 or 32")
    takes_words(init, "out=DIR, the folder to write")
