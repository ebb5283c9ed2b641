"""`lapis data inspect`: samples of shards or samples files, with what is trained of them"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

NAME, ABOUT = "inspect", "look at samples: shards, samples files, or a run's"
EXAMPLE = "lapis data inspect runs/pocket/data/shards --kind screen/ground --page look.html"
FEW, MANY = 5, 200
"""Samples in the terminal, and on a page, where no number is said."""


def options(verb: argparse.ArgumentParser) -> None:
    """What to look at, and where it is shown."""
    about = "a folder of shards or of samples (.parquet), one such file, or a run"
    verb.add_argument("path", metavar="SHARDS", type=Path, help=about)
    verb.add_argument("--kind", metavar="K", default="", help="a kind, or the beginning of some (screen)")
    verb.add_argument("--lang", metavar="L", default="", help="a language; shards do not know it")
    verb.add_argument("--source", metavar="S", default="", help="part of a source's name; shards do not know it")
    verb.add_argument("--id", metavar="ID", default="", help="the beginning of an id; shards do not know it")
    verb.add_argument("--count", metavar="N", type=int, help=f"samples, spread over all: {FEW}, or {MANY} on a page")
    verb.add_argument("--page", metavar="FILE", type=Path, help="write a page instead, pictures and their boxes drawn")
    verb.add_argument("--images", metavar="DIR", type=Path, help="write the pictures into a folder")
    about = "folder of the tokenizer that shards were written with; the one beside them where none is named"
    verb.add_argument("--tokenizer", metavar="DIR", type=Path, help=about)


def act(words: argparse.Namespace) -> None:
    """Print samples, or write their page. Raises InputError for a path without any, and a number below 1."""
    from rich.console import Console

    from lapis.data_pages import terminal
    from lapis.data_pages.read import Filter, look
    from lapis.named import RUNS
    from lapis.types import InputError

    many = words.count if words.count is not None else MANY if words.page else FEW
    if many < 1:
        raise InputError(f"--count: {many}, expected 1 or more")
    path = words.path if words.path.exists() else RUNS / words.path
    if not path.exists():
        raise InputError(f"{words.path}: no such file, folder or run")
    wanted = Filter(words.kind, words.lang, words.source, words.id)
    samples = look(path, wanted, many, words.tokenizer)
    if words.page is None:
        terminal.say(samples, Console(), words.images)
        return
    _page(samples, words.page, str(words.path))
    print(words.page)


def _page(samples: list[Any], out: Path, name: str) -> None:
    from html import escape

    from lapis import files
    from lapis.data_pages.entries import browser, document
    from lapis.data_pages.shown import clean
    from lapis.report_parts.page import section

    head = f'<p class="mark">Lapis data</p><h1>Samples</h1><p>{len(samples)} of {escape(clean(name))}.</p>'
    lead = "Spread over all that fits. What the model learns to write is marked green."
    files.write(
        out, document("Lapis samples", head, [("samples", "Samples", section("Samples", lead, browser(samples)))])
    )
