"""What `lapis rewards` does: reward services of a Ray cluster begun, listed and ended."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from lapis.endpoint import Endpoint
from lapis.overrides import assign, check
from lapis.parsing import takes_words, verb_of, verbs_in
from lapis.service_config import Service
from lapis.types import InputError

ABOUT = "rewards as services on a Ray cluster"
EXAMPLE = "lapis rewards start big kind=grader endpoint.url=http://127.0.0.1:8000/v1 scale.most=8"


def options(parser: argparse.ArgumentParser) -> None:
    """What follows `lapis rewards`."""
    group = verbs_in(parser, "what")
    for name, act, about, example in (
        ("start", start, "have a service under an identifier; one that is there takes over the new config", EXAMPLE),
        ("list", list_, "the services of a cluster", "lapis rewards list"),
        ("stop", stop, "end a service", "lapis rewards stop big"),
    ):
        verb = verb_of(group, name, act, about, example)
        about = "of the Ray cluster, as `ray start` tells it; auto is the one of this machine"
        verb.add_argument("--address", metavar="A", default="auto", help=about)
        if name != "list":
            verb.add_argument("name", metavar="NAME", help="the identifier")
        if name == "start":
            about = "a field of the service (kind=trained place=runs/safety scale.most=8)"
            takes_words(verb, about)


def settings(words: list[str]) -> Service:
    """A service from `key=value` words. Raises InputError for a field that is not there or out of range."""
    tree = asdict(Service())
    if any(word.startswith("endpoint.") for word in words):
        tree["endpoint"] = asdict(Endpoint())
    for word in words:
        path, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"{word}: expected key=value")
        assign(tree, path, value)
    return check(Service, tree)


def start(words: argparse.Namespace) -> None:
    """Begin a service, and say how many answer."""
    from lapis.rl.services import made, registry

    service = settings(words.words)
    made.refuse(service)
    with _joined(words.address):
        registry.start(words.name, service)
        print(next(_line(one) for one in registry.listed() if one.name == words.name))


def list_(words: argparse.Namespace) -> None:
    """A line for each service."""
    with _joined(words.address):
        from lapis.rl.services import registry

        for one in registry.listed():
            print(_line(one))


def stop(words: argparse.Namespace) -> None:
    """End a service."""
    with _joined(words.address):
        from lapis.rl.services import registry

        registry.stop(words.name)


def _line(one: Any) -> str:
    return f"{one.name:<24} {one.status.lower():<12} {one.replicas} replicas, {one.starting} starting"


@contextmanager
def _joined(address: str) -> Iterator[None]:
    """The cluster of an address; one that this process has joined already stays.

    Raises InputError where nothing answers there.
    """
    from lapis.rl.fleet import cluster

    hint = "; `ray start --head --node-ip-address=127.0.0.2` begins one" if address == "auto" else ""
    with cluster.at(address, f"--address {address}: no cluster there", hint):
        yield
