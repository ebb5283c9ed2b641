"""What `lapis data VERB` does: a file a verb"""

from __future__ import annotations

import argparse
from typing import Any

from lapis.data_verbs import answers, build, check, fit_quality, inspect, mixture, report, screens, sets

VERBS = (build, inspect, report, mixture, screens, answers, sets, check, fit_quality)
"""Modules of verbs, in the order of the help. Each has NAME, ABOUT, EXAMPLE, `options(parser)` and `act(words)`."""


def options(data: argparse.ArgumentParser) -> None:
    """Add every verb to the parser of `lapis data`."""
    group: Any = data.add_subparsers(dest="what", required=True, metavar="VERB")
    for verb in VERBS:
        one = group.add_parser(
            verb.NAME,
            help=verb.ABOUT,
            description=verb.ABOUT,
            epilog=f"example:  {verb.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        one.set_defaults(act=verb.act)
        verb.options(one)
