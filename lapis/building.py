"""`lapis build`, and the forms of `lapis export` that runtimes other than ours take: which module does each."""

from __future__ import annotations

import argparse

from lapis import device_verbs, llama_verbs
from lapis.parsing import Words, takes_words
from lapis.types import InputError

FORMS = {"gguf": llama_verbs, "executorch": device_verbs}
"""Form to what writes it."""
PROGRAMS = {"llamacpp": llama_verbs.build, "executorch": device_verbs.build}
BUILD = ("build or fetch a program that Lapis uses, into your home's cache", "lapis build llamacpp jobs=2")
"""What `lapis build` is, and an example."""


def build_options(verb: argparse.ArgumentParser) -> None:
    """The words of `lapis build`."""
    about = "llamacpp: its server, mtmd-cli, quantize and perplexity; executorch: it and torchao (22 MB to fetch)"
    verb.add_argument("program", choices=tuple(PROGRAMS), help=about)
    about = "llamacpp: source=FOLDER|ARCHIVE instead of what pip fetches; jobs=N compilers at once"
    takes_words(verb, about)


def build(words: Words) -> None:
    """A program, where it is not there yet."""
    PROGRAMS[words.program](words)


def export_options(verb: argparse.ArgumentParser) -> None:
    """The words of `lapis export` that these forms have."""
    about = "gguf, executorch: held-out samples a task by which forms are compared; 0 for none (100)"
    verb.add_argument("--samples", metavar="N", type=int, help=about)
    for form in FORMS.values():
        form.export_options(verb)


def check(words: Words) -> None:
    """Raises InputError for options that another form has, and for a number of samples below 0."""
    for name, form in FORMS.items():
        for option in form.OPTIONS:
            if getattr(words, option) is not None and words.to != name:
                raise InputError(f"--{option}: expected --to {name} with it")
    if words.samples is not None and words.to not in FORMS:
        raise InputError(f"--samples: expected --to {' or '.join(FORMS)} with it")
    if words.samples is not None and words.samples < 0:
        raise InputError(f"--samples {words.samples}: expected 0 or more")
