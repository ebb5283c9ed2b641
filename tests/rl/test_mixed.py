"""Exact and judged questions in one stage: a trained reward model, a grader and a verifier model, named in the config.

The models that are asked are a server of this process, which the stage reaches as it would any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from lapis import config
from lapis.data import store
from lapis.data.synth import preferences
from lapis.dist.guard import Place
from lapis.endpoint import Endpoint
from lapis.model.decoder import Decoder
from lapis.reward_config import RewardModel, Rewards
from lapis.rl import loop, reward_train
from lapis.types import InputError, Silent
from tests.rl import letters
from tests.tiny import tiny_tokenizer

STAGE = replace(
    letters.STAGE,
    mixture={"math": 0.5, "safety": 0.25, "chat": 0.25},
    prompts=8,
    group=4,
    row_tokens=300,
    held_out=6,
    reward=config.Reward(correct=1.0, format=0.0, repetition=0.0, overlong=0.0),
)


class Handler(BaseHTTPRequestHandler):
    """Grades an answer by its letter, and says of checks that only A and B are ever right."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        system, user = (message["content"] for message in asked["messages"])
        letter = json.loads(user)["answer"]
        if "relevance" in system:
            grades = dict.fromkeys(("relevance", "accuracy", "helpfulness", "redundancy"), 5)
            said: dict[str, Any] = grades | {"helpfulness": letters.LETTERS.index(letter)}
        else:
            said = {"right": letter == json.loads(user)["reference"] and letter in "AB"}
        body = json.dumps({"choices": [{"message": {"content": json.dumps(said)}}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        """Nothing."""


@contextmanager
def served() -> Iterator[Endpoint]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "big")
    finally:
        server.shutdown(), server.server_close()
        thread.join()


def write(at: Path) -> None:
    """A run's folder with questions of three kinds, and the reward model `safe`."""
    letters.write(at, letters.choices(0, 20))
    chats = [replace(letters.question(n, {"reward": "grader"}, "Say a letter."), kind="chat") for n in range(40)]
    goals = list(islice(preferences.goals("fresh", 0), 20))
    for name, samples in (("chat", chats), ("safety", goals)):
        store.write_samples(at / "data" / "fresh" / f"{name}.parquet", samples[:10])
        store.write_samples(at / "data" / "heldout" / f"{name}.parquet", samples[10:])
    torch.manual_seed(1)
    how = RewardModel(steps=2, pairs=2, row_tokens=700)
    pairs = list(preferences.safety(8, 0, "train"))
    tokenizer = tiny_tokenizer()
    sets = reward_train.split(pairs, list(preferences.safety(4, 0, "held")), tokenizer, how)
    decoder = Decoder(letters.recipe().model.decoder)
    place = Place(torch.device("cpu"), torch.float32)
    reward_train.train(decoder, tokenizer, sets, how, place, at / "safe", Silent())


def rewards(at: Path, endpoint: Endpoint) -> Rewards:
    return Rewards(
        graders={"grader": endpoint},
        checkers={"second": endpoint},
        trained={"safety": str(at / "safe")},
        beside="second",
        weights={"safety": 0.5, "math": 2.0},
    )


def check(at: Path) -> list[dict[str, Any]]:
    """What each step tells of three tasks. Returns the lines."""
    lines = [json.loads(line) for line in (at / "metrics.jsonl").read_text().splitlines()]
    tasks: dict[str, list[float]] = {}
    for line in lines:
        for kind, reward in line["rewards"].items():
            tasks.setdefault(kind, []).append(reward)
        assert line["failed"] == 0 and line["groups"] > 0
    assert tasks.keys() == {"math/arith", "safety", "chat"}
    # The grader gives (5 + 5 + place of the letter + 5) / 40, the trained one a sigmoid; rules 0 or 1.
    assert all(15 / 40 <= one <= 18 / 40 for one in tasks["chat"]) and all(0 < one < 1 for one in tasks["safety"])
    agreement = [line["agreement"] for line in lines]
    assert sum(one["both_right"] for one in agreement) > 0 and sum(one["model_only"] for one in agreement) == 0
    assert sum(one["rules_only"] for one in agreement) > 0, "C and D are right by the rules alone"
    assert {"equal", "kappa", "both_wrong", "silent"} <= agreement[0].keys()
    done = json.loads((at / "done.json").read_text())
    assert done["failed"] == done["left_out"] == {} and {*done["after"]["kinds"]} == {"math/arith", "safety", "chat"}
    return lines


def test_three_tasks_share_a_batch_each_with_its_own_reward(tmp_path: Path) -> None:
    write(tmp_path)
    with served() as endpoint:
        stage = replace(STAGE, rewards=rewards(tmp_path, endpoint))
        loop.run(stage, letters.recipe(), tmp_path, Silent())
    check(tmp_path / "rl")


def test_goals_are_asked_once_and_none_is_held_out_that_training_has() -> None:
    found = {split: list(preferences.goals(split, 3)) for split in preferences.GOALS}
    assert found == {split: list(preferences.goals(split, 3)) for split in preferences.GOALS}
    texts = {split: [one.turns[0].text for one in samples] for split, samples in found.items()}
    assert all(len(set(mine)) == len(mine) > 100 for mine in texts.values())
    assert not {*texts["held"]} & {*texts["train"], *texts["fresh"]}
    assert {one.lang for one in found["fresh"]} == {"en", "zh"} and found["fresh"][0].meta == {"reward": "safety"}
    with pytest.raises(InputError, match="expected one of train, held, fresh"):
        next(preferences.goals("test", 0))
