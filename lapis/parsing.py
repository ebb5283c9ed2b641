"""Parsers of verbs: one look for the help of all, and errors that are one line"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from lapis.types import InputError

Words = argparse.Namespace


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Raises InputError instead of printing the usage and leaving."""
        raise InputError(f"{message}; `{self.prog} --help` shows an example")


def word_of(group: Any, name: str, about: str, example: str) -> Parser:
    """The parser of a verb, or of a word that has verbs of its own."""
    word: Parser = group.add_parser(
        name,
        help=about,
        description=about,
        epilog=f"example:  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return word


def verb_of(group: Any, name: str, act: Callable[[Words], None], about: str, example: str) -> Parser:
    """The parser of a verb that `act` carries out."""
    verb = word_of(group, name, about, example)
    verb.set_defaults(act=act)
    return verb


def verbs_in(word: argparse.ArgumentParser, name: str) -> Any:
    """Where a word's verbs are added; what was said is `name` of the words."""
    return word.add_subparsers(dest=name, required=True, metavar="VERB")


def takes_words(verb: argparse.ArgumentParser, about: str) -> None:
    """`key=value` words of a verb."""
    verb.add_argument("words", metavar="key=value", nargs="*", default=[], help=about)
