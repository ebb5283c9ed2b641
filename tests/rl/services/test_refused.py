"""Reward services that cannot be: one line says what was wrong, before there is any process."""

from __future__ import annotations

from typing import Any

import pytest

from lapis import cli, service_verb
from lapis.endpoint import Endpoint
from lapis.rl.services import made, registry
from lapis.service_config import Batch, Scale, Service
from lapis.types import InputError

SERVER = Endpoint("http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    ("service", "line"),
    [
        (Service("own", "nothing:here"), "place: 'nothing:here' cannot be imported"),
        (Service("made", "lapis.verify"), "place: 'lapis.verify', expected package.module:name"),
        (Service("made", "lapis.verify:VERIFIERS"), "place: lapis.verify:VERIFIERS is no function"),
        (Service("trained", "nowhere"), "place: nowhere: no reward model there; `lapis train-rm` makes one"),
        (Service("grader"), "endpoint.url of a grader: '', expected http://... or https://..."),
        (
            Service("checker", endpoint=Endpoint("ftp://x")),
            "endpoint.url of a checker: 'ftp://x', expected http://... or https://",
        ),
        (Service(scale=Scale(least=5)), "scale.most: 4, expected 5 or more, which is scale.least"),
        (Service(scale=Scale(window=2)), "scale.window: 2, expected more than 2, the scale.interval"),
        (Service(batch=Batch(2), scale=Scale(ongoing=3)), "scale.ongoing: 3, expected at most 2, batch.size times"),
    ],
)
def test_what_no_replica_could_work_with(service: Service, line: str) -> None:
    with pytest.raises(InputError) as found:
        made.refuse(service)
    assert str(found.value).startswith(line)


def test_words_make_a_service() -> None:
    words = ["kind=grader", "endpoint.url=http://127.0.0.1:1/v1", "scale.most=8", "batch.at_once=4", "asking.retries=0"]
    found = service_verb.settings(words)
    assert (found.kind, found.endpoint, found.scale.most, found.batch.at_once) == ("grader", SERVER, 8, 4)
    assert found.asking.retries == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["start", "x", "kind=best"], "kind: "),
        (["start", "x", "scale.least=0"], "scale.least: "),
        (["start", "x", "scale.replicas=2"], "scale.replicas: no such key"),
        (["start", "x", "kind=grader", "endpoint.model=big"], "endpoint.url of a grader: "),
        (["start", "x", "kind"], "kind: expected key=value"),
        (["start", "x", "--address", "127.0.0.1:1"], "--address 127.0.0.1:1: no cluster there"),
        (["pause", "x"], "pause"),
        (["stop"], "NAME"),
    ],
)
def test_wrong_words_are_one_line(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_verb, "_joined", refused)
    assert cli.main(["rewards", *words]) == 2
    said = capsys.readouterr().err
    assert line in said and said.count("\n") == 1


def refused(address: str) -> Any:
    raise InputError(f"--address {address}: no cluster there")


@pytest.mark.parametrize("name", ["", "a b", "../x", "a#b", "x" * 65])
def test_an_identifier_is_one_word(name: str) -> None:
    with pytest.raises(InputError, match="no identifier"):
        registry.start(name, Service())
