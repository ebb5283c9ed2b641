"""`lapis data report`: a page of what a data stage kept, dropped and could not read"""

from __future__ import annotations

import argparse
from pathlib import Path

NAME, ABOUT = "report", "write a page of a data stage: counts, examples, reasons"
EXAMPLE = "lapis data report pocket"


def options(verb: argparse.ArgumentParser) -> None:
    """What the page is of."""
    verb.add_argument("run", metavar="RUN|FOLDER", help="a run (its name or folder), its data stage, or a corpus")
    verb.add_argument("words", metavar="out=FILE", nargs="*", default=[], help="another place than data.html in it")


def act(words: argparse.Namespace) -> None:
    """Write the page; prints where. Raises InputError where there is no data."""
    from lapis.data_pages import report
    from lapis.named import RUNS
    from lapis.verbs import only_out, out_of

    only_out(words)
    folder = Path(words.run) if Path(words.run).exists() else RUNS / words.run
    print(report.build(folder, out_of(words) if words.words else None))
