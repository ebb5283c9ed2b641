"""Requests to an endpoint: asked once, again after what may pass, never past the money, and the key nowhere."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import httpx
import pytest

from lapis.data.answers.ask import ByHTTP
from lapis.data.answers.log import Log
from lapis.endpoint import Endpoint
from lapis.remote import request as wire
from lapis.types import InputError
from tests.data.answers.endpoint import PLACE, Scripted, question, said, text_of

ECHO = Scripted(lambda body, before: said(text_of(body)[::-1]))


def test_answers_come_in_order_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    there = Scripted(lambda body, before: said(text_of(body)[::-1], prompt=100, written=10))
    asked = [question(f"question {number % 7}") for number in range(20)]
    replies, tally = there.asker(tmp_path / "log").ask(asked)
    assert [reply.text for reply in replies if reply] == [one.turns[0].text[::-1] for one in asked]
    assert (tally.asked, tally.known, len(there.bodies)) == (7, 0, 7)
    assert tally.cost == pytest.approx(7 * (100 * 1.0 + 10 * 10.0) / 1e6) and tally.prompt == 700
    again, tally = there.asker(tmp_path / "log").ask([*asked, question("question 0", seed=1)])
    assert again[:20] == replies and (tally.asked, tally.known, len(there.bodies)) == (1, 7, 8)


@pytest.mark.parametrize("fault", [408, 409, 425, 429, 500, 503, "time", "lost", "no json", "gzip"])
def test_what_may_pass_is_asked_again_and_waits_longer_each_time(tmp_path: Path, fault: int | str) -> None:
    def script(body: dict[str, Any], before: int) -> httpx.Response:
        if before == 3:
            return said("at last")
        if fault == "time":
            raise httpx.ReadTimeout("")
        if fault == "lost":
            raise httpx.ConnectError("")
        if fault == "gzip":
            return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))
        return httpx.Response(200, text="<html>") if fault == "no json" else httpx.Response(int(fault))

    there = Scripted(script)
    (reply,), tally = there.asker(tmp_path / "log").ask([question("?")])
    assert reply and reply.text == "at last" and tally.asked == 1
    assert all(0.5 * 2**n / 2 <= wait <= 0.5 * 2**n for n, wait in enumerate(there.waits)) and len(there.waits) == 3


def test_retry_after_is_waited_for_by_all(tmp_path: Path) -> None:
    there = Scripted(lambda body, before: said("ok") if before else httpx.Response(429, headers={"retry-after": "7"}))
    there.asker(tmp_path / "log", concurrency=1).ask([question("?")])
    assert sum(there.waits) == 7.0


def test_no_more_leave_in_a_minute_than_the_config_says(tmp_path: Path) -> None:
    there = Scripted(lambda body, before: said("ok", prompt=10, written=10))
    there.asker(tmp_path / "a", requests_minute=4, concurrency=2).ask([question(str(n)) for n in range(10)])
    assert sum(there.waits) == 120.0
    slow = Scripted(there.script)
    asked = [question(str(n), max_tokens=50) for n in range(6)]
    room = wire.most_prompt(asked[0].turns) + 50  # one on its way, and 20 tokens each of those that are back
    slow.asker(tmp_path / "b", tokens_minute=room + 20, concurrency=1).ask(asked)
    assert sum(slow.waits) == 120.0


def test_one_call_after_the_other_keeps_the_same_minute(tmp_path: Path) -> None:
    there = Scripted(lambda body, before: said("ok"))
    asker = there.asker(tmp_path / "log", requests_minute=4, concurrency=2)
    for start in (0, 4, 8):
        asker.ask([question(str(number)) for number in range(start, start + 4)])
    assert sum(there.waits) == 120.0


def test_one_request_that_never_works_takes_no_other_with_it(tmp_path: Path) -> None:
    there = Scripted(lambda body, before: httpx.Response(500) if text_of(body) == "poison" else said("fine"))
    replies, tally = there.asker(tmp_path / "log", retries=2).ask([question(text) for text in ("a", "poison", "b")])
    assert [reply and reply.text for reply in replies] == ["fine", None, "fine"]
    assert (tally.asked, tally.failed) == (2, 1)


def test_a_request_that_is_refused_for_good_is_not_asked_again(tmp_path: Path) -> None:
    too_long = httpx.Response(400, json={"error": {"message": "prompt too long"}})
    there = Scripted(lambda body, before: too_long if text_of(body) == "long" else said("fine"))
    for asked in (2, 0):
        replies, tally = there.asker(tmp_path / "log").ask([question("long"), question("short")])
        assert replies[0] and replies[0].refused == "400 prompt too long" and tally.asked == asked
    assert len(there.bodies) == 2


@pytest.mark.parametrize(
    "script, told",
    [
        (lambda body, before: httpx.Response(401, json={"error": {"message": "wrong key"}}), "401 wrong key"),
        (lambda body, before: httpx.Response(404, json={"error": {"message": "no such model"}}), "404 no such model"),
        (lambda body, before: httpx.Response(302, headers={"location": "http://elsewhere"}), "302 Found"),
        (lambda body, before: httpx.Response(400, json={"error": {"message": "seed?"}}), "refuses every request"),
        (lambda body, before: httpx.Response(503), "503 Service Unavailable; what was answered is kept"),
    ],
)
def test_what_no_request_survives_ends_with_one_line(tmp_path: Path, script: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Scripted(script).asker(tmp_path / "log", retries=1).ask([question(str(n)) for n in range(20)])


def test_the_money_is_never_passed_and_a_later_start_goes_on(tmp_path: Path) -> None:
    there = Scripted(lambda body, before: said("x", prompt=10, written=100))
    each = (10 * 1.0 + 100 * 10.0) / 1e6
    asked = [question(f"{number:03d}", max_tokens=100) for number in range(50)]
    most = wire.price(wire.most_prompt(asked[0].turns), 100, PLACE)
    replies, tally = there.asker(tmp_path / "log", spend=10.5 * each).ask(asked)
    assert tally.cost <= 10.5 * each < tally.cost + most
    assert tally.left == 50 - tally.asked == replies.count(None) > 0
    _, more = there.asker(tmp_path / "log", spend=60 * each).ask(asked)
    assert more.left == 0 and more.known == tally.asked and len(there.bodies) == 50


def test_what_answers_leave_over_pays_for_those_that_wait(tmp_path: Path) -> None:
    there = Scripted(lambda body, before: said("x", prompt=10, written=1))
    asked = [question(f"{number:03d}", max_tokens=100) for number in range(20)]
    most, each = wire.price(wire.most_prompt(asked[0].turns), 100, PLACE), wire.price(10, 1, PLACE)
    _, tally = there.asker(tmp_path / "log", spend=most + 20 * each, concurrency=8).ask(asked)
    assert (tally.asked, tally.left) == (20, 0)


def test_the_key_comes_from_the_environment_and_is_written_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHERS_KEY", "sk-very-secret")
    there = Scripted(lambda body, before: httpx.Response(400, json={"error": {"message": "bad key sk-very-secret"}}))
    replies, _ = there.asker(tmp_path / "log", key_from="TEACHERS_KEY").ask([question("?")])
    assert there.headers[0]["authorization"] == "Bearer sk-very-secret"
    assert replies[0] and replies[0].refused == "400 bad key ***"
    assert b"very-secret" not in (tmp_path / "log").read_bytes()


@pytest.mark.parametrize(
    "endpoint, told",
    [
        (Endpoint(name="t"), "t: expected a url"),
        (Endpoint(name="t", url="ftp://x/v1", model="m"), "t: expected a url"),
        (Endpoint(name="t", url="http://127.0.0.1/v1"), "and a model"),
        (Endpoint(name="t", url="http://127.0.0.1/v1", model="m", key_from="NOT_THERE"), "no variable NOT_THERE"),
        (Endpoint(name="t", url="http://example.org/v1", model="m", key_from="HOME"), "over https only"),
    ],
)
def test_poor_endpoints_are_refused(tmp_path: Path, endpoint: Endpoint, told: str) -> None:
    with pytest.raises(InputError, match=told):
        ByHTTP(endpoint, tmp_path / "log").ask([question("?")])


def test_a_log_is_held_by_one_process_and_told_where_it_is_broken(tmp_path: Path) -> None:
    with Log(tmp_path / "log"), pytest.raises(InputError, match="another process is asking"), Log(tmp_path / "log"):
        pass
    (tmp_path / "log").write_text("{}\n")
    with pytest.raises(InputError, match="line 1 is no answer"), Log(tmp_path / "log"):
        pass


def test_a_line_that_a_kill_cut_is_asked_again(tmp_path: Path) -> None:
    there = Scripted(lambda body, before: said(text_of(body)[::-1]))
    asked = [question("one"), question("two")]
    there.asker(tmp_path / "log", concurrency=1).ask(asked)
    whole = (tmp_path / "log").read_bytes()
    (tmp_path / "log").write_bytes(whole[:-9])
    replies, tally = there.asker(tmp_path / "log").ask(asked)
    assert (tally.known, tally.asked) == (1, 1) and [reply and reply.text for reply in replies] == ["eno", "owt"]
    assert (tmp_path / "log").read_bytes() == whole


def test_the_log_is_lines_of_json(tmp_path: Path) -> None:
    ECHO.asker(tmp_path / "log").ask([question("中文")])
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["reply"]["text"] == "文中"


def test_a_full_disk_is_one_line_and_what_was_kept_stays(tmp_path: Path) -> None:
    """The soft limit of a file's size stands for the disk."""
    script = Scripted(lambda body, before: said("x" * 400))
    asker = script.asker(tmp_path / "log.jsonl", concurrency=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
    try:
        with pytest.raises(InputError, match=r"log\.jsonl: could not be written, no room left"):
            asker.ask([question(str(number)) for number in range(5)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    found, tally = asker.ask([question(str(number)) for number in range(5)])
    assert all(found) and (tally.known, tally.asked) == (2, 3)
