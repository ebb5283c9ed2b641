"""`lapis data answers`: problems gathered, rewritten and answered by a model behind an OpenAI-compatible endpoint"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lapis.parsing import takes_words

if TYPE_CHECKING:
    from lapis.data.answers.ask import Tally

NAME, ABOUT = "answers", "reasoning answers to problems, from any model behind OpenAI's API"
EXAMPLE = (
    "lapis data answers problems.jsonl endpoint.url=http://127.0.0.1:8000/v1 endpoint.model=pocket samples=4 out=made"
)


def options(verb: argparse.ArgumentParser) -> None:
    """Files, a config, and its words."""
    verb.add_argument("files", metavar="FILE", nargs="+", help="samples (Parquet), lines of JSON, or folders of them")
    verb.add_argument("--config", metavar="TOML", type=Path, help="fields of lapis/data_config/answers.py")
    about = "a run's or model's folder whose tokenizer counts thoughts; else their bytes count"
    verb.add_argument("--tokenizer", metavar="FOLDER", type=Path, help=about)
    about = "a config field (samples=8, endpoint.concurrency=16), or out=DIR"
    takes_words(verb, about)


def act(words: argparse.Namespace) -> None:
    """Run both phases; prints what was written and what it cost."""
    from lapis.data.answers.ask import ByHTTP
    from lapis.data.answers.problems import gather
    from lapis.data.answers.synthesise import LOG, most_requests, synthesise
    from lapis.data_config.answers import Answers
    from lapis.data_config.read import read
    from lapis.progress import Bars, Task

    paths, told, out = sorted_words([*words.files, *words.words], "answers")
    settings = read(Answers(), words.config, told)
    asker = ByHTTP(settings.endpoint, out / LOG, settings.spend)
    count, gathered = counted(words.tokenizer), list(gather(paths, settings.limit))
    total = most_requests(gathered, settings)
    with Bars([Task("answers", 0.0)], {}) as bars, bars.stage("answers", total) as progress:
        made = synthesise(settings, gathered, out, asker, settings.endpoint.model, progress, count)
    print(f"{out / 'answers.parquet'}: {made.samples} answers to {made.problems} problems; {told_of(made.tally)}")


def told_of(tally: Tally) -> str:
    """What asking took, for whoever pays."""
    came = (
        f"{tally.asked} asked, {tally.known} known, {tally.failed} failed, {tally.left} left, {tally.refused} refused"
    )
    left = "; what is left could pass what may be spent" if tally.left else ""
    return f"{came}; {tally.prompt} + {tally.written} tokens, cost {tally.cost:.4f}{left}"


def sorted_words(given: Sequence[str], name: str) -> tuple[list[Path], list[str], Path]:
    """(files, config words, output folder) of what stands on a command line. Raises InputError without a file."""
    from lapis.types import InputError

    taken = [word for word in given if "=" in word and not Path(word).exists()]
    paths = [Path(word) for word in given if word not in taken]
    if not paths:
        raise InputError("expected a file of samples or problems")
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise InputError(f"{missing}: no such file")
    out = [word.removeprefix("out=") for word in taken if word.startswith("out=")]
    rest = [word for word in taken if not word.startswith("out=")]
    return paths, rest, Path(out[-1] if out else name)


def counted(folder: Path | None) -> Callable[[str], int]:
    """Tokens of a text by a folder's tokenizer, or its bytes. Raises InputError where there is no tokenizer."""
    from lapis import chat
    from lapis.data.synth.problem import bytes_of

    if folder is None:
        return bytes_of
    places = (folder, folder / "data" / "tokenizer", folder / "tokenizer")
    place = next((place for place in places if (place / "tokenizer.json").is_file()), folder)
    encode = chat.Tokenizer.load(place, 1).encode
    return lambda text: len(encode(text))
