"""Reward services on a real Ray Serve: load and its end, replicas that are killed or hang, servers outside."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from lapis import cli, config
from lapis.endpoint import Endpoint
from lapis.reward_config import Asking, Calling, Rewards
from lapis.rl.fleet import stage as fleet_stage
from lapis.rl.rewards.book import Book, Failed
from lapis.rl.services import registry
from lapis.rl.services.client import Lost, Remote
from lapis.rl_fleet import Fleet
from lapis.service_config import Batch, Scale, Service
from lapis.types import InputError, Silent, Verdict
from tests.rl import letters
from tests.rl.rewards.items import item

QUICK = Scale(least=1, most=3, ongoing=2, up=0, down=0.5, interval=0.3, window=1)
WAITS = Service("made", "tests.rl.services.served:waiting", scale=QUICK, batch=Batch(2, 0.01, 2), health=1)
DOES = Service("made", "tests.rl.services.served:doing", scale=Scale(1, 1, up=0), seconds=2, health=0.3)
TURNS = 3000
"""Requests after which something has not come."""


@pytest.fixture(scope="module")
def serve(ray_here: None) -> Iterator[None]:
    pytest.importorskip("grpc_reflection")
    from ray import serve

    yield
    serve.shutdown()


@pytest.fixture
def started(serve: None) -> Iterator[Callable[[str, Service], Remote]]:
    """Starts services that end with the test."""
    remotes: list[Remote] = []

    def start(name: str, service: Service) -> Remote:
        registry.start(name, service)
        remotes.append(Remote(name))
        return remotes[-1]

    yield start
    for remote in remotes:
        remote.close()
        registry.stop(remote.name)


def running(name: str) -> int:
    (found,) = [one.replicas for one in registry.listed() if one.name == name]
    return found


def asked(remote: Remote, until: Callable[[], bool], told: list[Verdict | Failed]) -> None:
    """One request after the other until something has come."""
    for _ in range(TURNS):
        if until():
            return
        told += remote([item({})])
    raise AssertionError(f"did not come; of {len(told)} the last is {told[-1]}")


def processes(told: list[Verdict | Failed]) -> set[str]:
    """Of the replicas that judged; all must have."""
    assert [one for one in told if not isinstance(one, Verdict) or one.score != 1.0] == []
    return {one.reason.split()[0] for one in told if isinstance(one, Verdict)}


def test_replicas_grow_and_shrink_with_the_load_and_a_killed_one_loses_nothing(started: Any) -> None:
    remote = started("waits", WAITS)
    told: list[Verdict | Failed] = []
    asked(remote, lambda: len(told) > 2, told)
    assert running("waits") == len(processes(told)) == 1

    enough, loads = threading.Event(), [[] for _ in range(9)]  # type: ignore[var-annotated]
    with ThreadPoolExecutor(len(loads)) as threads:
        futures = [threads.submit(asked, remote, enough.is_set, load) for load in loads]
        try:
            asked(remote, lambda: running("waits") == QUICK.most, told)
            os.kill(int(max(processes(told))), signal.SIGKILL)
            asked(remote, lambda: len(processes(told)) > QUICK.most, told)
        finally:
            enough.set()
        for future in futures:
            future.result()
    assert all(processes(load) for load in loads)

    asked(remote, lambda: running("waits") == QUICK.least, told)
    assert processes(told)


def test_answers_that_come_together_are_judged_at_once(started: Any) -> None:
    remote = started("three", replace(WAITS, batch=Batch(3, wait=100)))
    assert [one.reason.split()[1] for one in remote([item({})] * 6)] == ["3"] * 6


def test_what_hangs_costs_itself_alone_and_its_replica_is_replaced(started: Any) -> None:
    remote = started("does", DOES)
    remote.how = Calling(retries=4)
    (before,) = remote([item({})])
    fine, hangs, good, throws = remote([item({}, text) for text in ("fine", "hang", "good", "throw")])
    assert fine.score == good.score == 1.0 and str(throws) == "ValueError: no such luck"
    assert isinstance(hangs, Lost)
    told: list[Verdict | Failed] = []
    asked(remote, lambda: bool(told) and told[-1] != before, told)
    assert str(remote([item({}, "few")])[0]) == "returned [] for 1 answers"


def listening(process: int) -> int:
    """Ports that a process listens on."""
    found = psutil.Process(process).net_connections("inet")
    return sum(one.status == psutil.CONN_LISTEN for one in found)


def test_serve_opens_no_port_of_its_own(started: Any) -> None:
    import ray

    (verdict,) = started("does", DOES)([item({})])

    @ray.remote(num_cpus=0)
    def own() -> int:
        return listening(os.getpid())

    assert listening(int(verdict.reason)) == ray.get(own.remote())


def test_rules_are_served(started: Any) -> None:
    book = Book({"rules": started("rules", Service())})
    meta = {"reward": "rules", "verifier": "number", "answer": "42"}
    right, wrong, odd = book.judge([item(meta), item(meta, "41"), item({"reward": "rules", "verifier": "none"})])
    assert right.verdict and right.verdict.score == 1 and wrong.verdict and wrong.verdict.score == 0
    assert odd.verdict is None and odd.reason.startswith("rules: ")


class Outside(BaseHTTPRequestHandler):
    """A server of OpenAI's kind for those who know its key."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        known = self.headers["authorization"] == "Bearer secret" and asked["model"] == "big"
        right = "42" in json.loads(asked["messages"][1]["content"])["answer"]
        said = {"choices": [{"message": {"content": json.dumps({"right": right})}}]}
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *words: Any) -> None:
        pass


def test_a_server_outside_is_registered_the_same_way(started: Any) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Outside) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "big", key_from="OUTSIDE_KEY")
        now = Asking(retries=0)
        big = started("big", Service("checker", endpoint=where, asking=now))
        right, wrong, odd = big([item({"answer": "42"}), item({"answer": "42"}, "41"), item({})])
        server.shutdown()
    assert (right.score, wrong.score) == (1.0, 0.0) and str(odd) == "meta.answer: a verifier model needs it"


def test_rl_by_processes_asks_a_service(started: Any, tmp_path: Path, ray_here: str) -> None:
    started("polite", DOES)
    asked = [letters.question(number, {"reward": "polite"}) for number in range(16)]
    letters.write(tmp_path, [*asked, *letters.choices(16, 16)])
    stage = replace(letters.STAGE, steps=2, fleet=Fleet("sync"), rewards=Rewards(services=("polite",)))
    recipe = replace(letters.recipe(), ray=config.Ray(ray_here))
    fleet_stage.run(stage, recipe, tmp_path, Silent())
    lines = [json.loads(line) for line in (tmp_path / "rl" / "metrics.jsonl").read_text().splitlines()]
    assert [line["failed"] for line in lines] == [0, 0] and all(line["correct"] > 0.4 for line in lines)
    with pytest.raises(InputError, match="^rude: no such reward service; there are: polite$"):
        fleet_stage.run(replace(stage, name="more", rewards=Rewards(services=("rude",))), recipe, tmp_path, Silent())


def test_the_command_starts_lists_and_stops(
    serve: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "place=tests.rl.services.served"
    assert cli.main(["rewards", "start", "mine", "kind=made", f"{place}:doing"]) == 0
    assert cli.main(["rewards", "list"]) == 0
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()] == [["mine", "healthy", "1"]] * 2
    with pytest.raises(InputError, match="^yours: no such reward service; there are: mine$"):
        Remote("yours")
    assert cli.main(["rewards", "stop", "yours"]) == 2
    assert cli.main(["rewards", "stop", "mine"]) == 0 and registry.listed() == []
    assert cli.main(["rewards", "start", "mine", "kind=made", f"{place}:broken"]) == 2
    assert cli.main(["rewards", "start", "mine", "gpus=99"]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0].endswith("there are: mine") and "no such model" in told[1] and len(told) == 3
    assert "gpus: 99 for 1 replicas, the cluster has " in told[2] and registry.listed() == []
