"""Answers by a server's API: what it is asked, what is made of it, and weights that it reads from a folder."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import torch

from lapis import chat
from lapis.data import store
from lapis.dist.guard import Place
from lapis.model import convert
from lapis.model.vlm import text_of
from lapis.rl import loop
from lapis.rl.fleet import stage as fleet_stage
from lapis.rl.fleet.messages import Call, Question
from lapis.rl.fleet.outside import OutsideProcess, Server
from lapis.rl.fleet.weights import Files, Flat
from lapis.rl.rollout import engine_of, request
from lapis.rl_fleet import Fleet
from lapis.types import Image, InputError, Request, Silent, Text, Turn
from tests.rl.fleet.checks import threes
from tests.rl.fleet.small import RECIPE, STAGE, lines, weights
from tests.rl.fleet.vllm import serving
from tests.rl.test_loop import question

PLAN = replace(STAGE, group=2, max_tokens=12)


def tokenizer_of(run: Path) -> chat.Tokenizer:
    return chat.Tokenizer.load(run / "sft" / "model", 4)


def test_an_answer_is_the_torch_engines(run: Path) -> None:
    model, tokenizer = convert.read(run / "sft" / "model"), tokenizer_of(run)
    asked = [request(replace(question(n), think=False), 12, 1.0, n) for n in range(3)]
    engine = engine_of(model, tokenizer, PLAN, 8, Place(torch.device("cpu"), torch.float32))
    with serving(run / "sft" / "model", PLAN) as (url, _):
        server = Server(url, tokenizer)
        name = server.wait()
        assert [server.complete(name, one) for one in asked] == engine.generate(asked)


def test_a_thought_is_opened_for_the_server_and_its_opening_is_not_trained(run: Path) -> None:
    tokenizer = tokenizer_of(run)
    with serving(run / "sft" / "model", PLAN) as (url, _):
        server = Server(url, tokenizer)
        done = server.complete(server.wait(), request(replace(question(0), think=True), 12, 1.0, 5))
    opening = (tokenizer.id(chat.THINK), *tokenizer.encode("\n"))
    assert done.token_ids[: len(opening)] == opening and len(done.token_ids) <= 12
    assert done.forced == (True,) * len(opening) + (False,) * (len(done.token_ids) - len(opening))
    close = tokenizer.id(chat.UNTHINK)
    assert done.closed == (close in done.token_ids)
    assert done.thought_tokens == (done.token_ids.index(close) if done.closed else len(done.token_ids)) - 1


def test_what_a_server_refuses_or_leaves_out_is_that_questions_fault(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Request((Turn("user", (Text("where?"), Image(b"", 1, 1))),))
    with serving(run / "sft" / "model", PLAN) as (url, served):
        server = Server(url, tokenizer_of(run))
        name = server.wait()
        with pytest.raises(InputError, match="prompt: refused by .*longer than"):
            server.complete(name, request(question(10**400), 12))
        with pytest.raises(InputError, match="image: "):
            server.complete(name, picture)
        inner = served.complete
        monkeypatch.setattr(served, "complete", lambda body: inner({**body, "return_token_ids": False}))
        with pytest.raises(InputError, match="without token ids"):
            server.complete(name, request(question(1), 12))


def test_weights_come_between_two_answers(run: Path) -> None:
    """What is in flight ends with the old weights, what is asked meanwhile waits for the new ones."""
    plan = replace(PLAN, fleet=Fleet(outside=("http://127.0.0.1:1",), weights="files"))
    with serving(run / "rl" / "server-0", plan) as (url, served):
        plan = replace(plan, fleet=replace(plan.fleet, outside=(url,)))
        process = OutsideProcess(url, "engine 1", run / "sft" / "model", plan, RECIPE, run / "rl")
        trainer = text_of(convert.read(run / "sft" / "model"))
        source = Flat(trainer, torch.float32)
        assert process.about() == source.sign()
        with torch.no_grad():
            trainer.embedding.weight.add_(1)
        source.read()
        Files(run / "rl").send(source, call := Call(0, ("", 0), 2, 1))
        first, second = (Question((n, 0), request(replace(question(n), think=False), 12, 1.0, n)) for n in range(2))
        served.open.clear()
        process.ask([first])
        served.came.wait()
        swap = threading.Thread(target=process.receive, args=(call, 1))
        swap.start()
        with process._turn:
            process._turn.wait_for(lambda: process._closed)
        process.ask([second])
        served.open.set()
        swap.join()
        found = {}
        while len(found) < 2:
            found |= {one.key: one for one in process.collect(5).answers}
    assert served.told == ["reload", "complete", "reload", "forget", "complete"]
    assert {*found[0, 0].versions} == {0} and {*found[1, 0].versions} == {1}
    read = text_of(convert.read(run / "rl" / "server-0"))
    assert all(map(torch.equal, read.parameters(), trainer.parameters()))


def test_a_server_that_fails_ends_its_process(run: Path) -> None:
    with serving(run / "rl" / "server-0", PLAN) as (url, _):
        plan = replace(PLAN, fleet=Fleet(outside=(url,), weights="files"))
        process = OutsideProcess(url, "engine 1", run / "sft" / "model", plan, RECIPE, run / "rl")
        process.about()
    process.ask([Question((0, 0), request(question(0), 12))])
    with pytest.raises(httpx.ConnectError):
        while True:
            process.collect(0.1)


def test_a_step_by_engine_and_server_is_the_loops(run: Path, ray_here: str) -> None:
    """An engine of ours and a server share the questions; figures and weights are those of one process."""
    questions = [replace(question(number), think=False) for number in range(30)]
    store.write_samples(run / "data" / "fresh" / "questions.parquet", questions)
    store.write_samples(run / "data" / "heldout" / "math.parquet", questions[:4])
    plan = replace(PLAN, steps=2)
    loop.run(replace(plan, name="inline"), RECIPE, run, Silent(), threes)
    with serving(run / "rl" / "server-0", plan) as (url, served):
        fleet_stage.run(
            replace(plan, fleet=Fleet("sync", outside=(url,), slots=4, judges=0)), RECIPE, run, Silent(), threes
        )
    assert served.told.count("complete") > 0 and served.told.count("reload") == 1 + plan.steps
    assert [line["reward"] for line in lines(run)] == [line["reward"] for line in lines(run, "inline")]
    assert all(map(torch.equal, weights(run), weights(run, "inline")))
