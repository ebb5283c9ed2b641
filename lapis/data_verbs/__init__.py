"""What `lapis data VERB` does: a file a verb"""

from __future__ import annotations

import argparse

from lapis.data_verbs import answers, build, check, fit_quality, inspect, mixture, report, screens, sets
from lapis.parsing import verb_of, verbs_in

VERBS = (build, inspect, report, mixture, screens, answers, sets, check, fit_quality)
"""Modules of verbs, in the order of the help. Each has NAME, ABOUT, EXAMPLE, `options(parser)` and `act(words)`."""


def options(data: argparse.ArgumentParser) -> None:
    """Add every verb to the parser of `lapis data`."""
    group = verbs_in(data, "what")
    for verb in VERBS:
        verb.options(verb_of(group, verb.NAME, verb.act, verb.ABOUT, verb.EXAMPLE))
