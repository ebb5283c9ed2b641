"""The loop: a tiny model learns, a run that was cut ends as one that was not, and the stage writes what it must."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lapis import config
from lapis.data import store
from lapis.dist.guard import Place
from lapis.export import hf
from lapis.model import convert, init
from lapis.model.decoder import Decoder
from lapis.reward_config import Rewards
from lapis.rl import loop, questions, rollout
from lapis.rl.choose import Chooser
from lapis.rl.policy import Policy
from lapis.rl.rewards import Score
from lapis.rl.rewards.book import Book, Item, Reward
from lapis.rl.rewards.mix import failures_of
from lapis.rl.weights import InProcess
from lapis.types import Completion, InputError, Request, Sample, Text, Turn, Verdict
from tests.rl.rewards.items import check_here
from tests.serve.small import byte_tokenizer, small_shape, spread
from tests.tiny import tiny_recipe, tiny_tokenizer

CPU = Place(torch.device("cpu"), torch.float32)
STAGE = config.RL(
    "rl",
    "sft",
    {"math": 1.0},
    steps=12,
    prompts=3,
    group=8,
    max_tokens=4,
    row_tokens=256,
    optim=config.Optim(lr=5e-3, weight_decay=0.0, warmup=0.0, end=1.0),
    checkpoint_every=2,
)


class Silent:
    def advance(self, steps: int = 1, note: str = "") -> None: ...


class Cut(Exception):
    pass


class CutAt(Silent):
    """Progress that dies after some advances."""

    def __init__(self, left: int):
        self.left = left

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.left -= 1
        if self.left < 0:
            raise Cut


def question(number: int, kind: str = "math/arith") -> Sample:
    turns = (Turn("user", (Text(f"{number}+1"),)), Turn("assistant", (Text(str(number + 1)),)))
    meta = {"verifier": "number", "answer": str(number + 1)}
    return Sample(kind, "en", "test", "CC0-1.0", turns, think=number % 2 == 0, meta=meta)


def low_bytes(items: Sequence[Item]) -> list[Verdict]:
    """Right is an answer whose first token has a small id: about half of a fresh model's."""
    answers = [item.answer for item in items]
    tokens = [next(t for t, f in zip(one.token_ids, one.forced, strict=True) if not f) for one in answers]
    return [Verdict(float(token < 140), "") for token in tokens]


def book(reward: Reward) -> Book:
    """For models that write any bytes."""
    return Book({"number": reward, "text": reward}, unfit=lambda item: "")


def made(stage: config.RL = STAGE, reward: Reward = low_bytes) -> loop.Loop:
    torch.manual_seed(0)
    decoder = spread(Decoder(small_shape().decoder))
    engine = rollout.engine(decoder, byte_tokenizer(), stage, CPU)
    policy = Policy(decoder, stage, CPU)
    asked = [question(number) for number in range(20)]
    chooser, transport = Chooser(asked, stage.hard, 1), InProcess(policy.decoder, engine.decoder)
    return loop.Loop(stage, policy, engine, transport, book(reward).judge, chooser, 1, failures_of(stage))


def test_a_tiny_models_reward_rises(tmp_path: Path) -> None:
    loop.train(made(), tmp_path, Silent(), dict)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, STAGE.steps + 1))
    assert {"loss", "reward", "correct", "thought_tokens", "mismatch_kl", "clip"} <= lines[0].keys()
    first, last = (sum(line["correct"] for line in part) / 3 for part in (lines[:3], lines[-3:]))
    assert last > first + 0.2
    assert all(line["mismatch_kl"] < 1e-4 for line in lines)


def test_a_run_that_was_cut_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir(), cut.mkdir()
    stage = replace(STAGE, steps=7)
    straight = made(stage)
    figures = loop.train(straight, whole, Silent(), lambda: {"correct": 0.5})
    with pytest.raises(Cut):
        loop.train(made(stage), cut, CutAt(6), lambda: {"correct": 0.5})
    resumed = made(stage)
    assert loop.train(resumed, cut, Silent(), lambda: pytest.fail("measured again")) == figures
    assert (whole / "metrics.jsonl").read_text() == (cut / "metrics.jsonl").read_text()
    for mine, other in zip(straight.policy.decoder.parameters(), resumed.policy.decoder.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_groups_that_teach_nothing_are_asked_anew_so_often_and_no_more() -> None:
    judged: list[Item] = []

    def right(items: Sequence[Item]) -> list[Verdict]:
        judged.extend(items)
        return [Verdict(1.0, "")] * len(items)

    lazy = made(replace(STAGE, refill=2), right)
    before = [parameter.clone() for parameter in lazy.policy.decoder.parameters()]
    line = lazy.step(0)
    assert len(judged) == STAGE.prompts * 3 * STAGE.group and line["asked"] == STAGE.prompts * 3
    assert line["groups"] == 0
    assert line["correct"] == 1 and line["loss"] == 0 and line["tokens"] == 0
    assert all(map(torch.equal, before, lazy.policy.decoder.parameters()))


def test_groups_weigh_alike_whatever_their_length() -> None:
    """Tokens times advantage, over the answers that were right: the same for points and for long thoughts."""

    def group(tokens: int) -> tuple[rollout.Group, list[Score]]:
        answers = [Completion("", "", (1,), (1,) * tokens, (0.0,) * tokens, (False,) * tokens, 0, "stop", True)] * 4
        scores = [Score(float(right), float(right), 1.0, 0.0, 0.0, "") for right in (1, 1, 0, 0)]
        return rollout.Group(question(0), tuple(answers), 0), scores

    made = loop.episodes([group(4), group(100)], {})
    weights = [one.advantage * one.trained for one in made]
    assert weights[0] == pytest.approx(weights[4]) and weights[0] == pytest.approx(-weights[2])
    double = loop.episodes([group(4), group(4)], {"math": 7.0})
    assert [one.advantage for one in double] == [one.advantage for one in loop.episodes([group(4), group(4)], {})]
    alone = loop.episodes([group(100)], {})
    assert alone[0].advantage == pytest.approx((3 / 4) ** 0.5, abs=1e-3), "one length alone is GRPO's own"


def test_a_loss_that_is_no_number_changes_nothing_and_stops_the_second_time() -> None:
    sick = made(replace(STAGE, reward=config.Reward(correct=float("inf"))))
    before = [parameter.clone() for parameter in sick.policy.decoder.parameters()]
    sick.step(0)
    assert all(map(torch.equal, before, sick.policy.decoder.parameters())) and sick.transport.version == 0
    with pytest.raises(InputError, match="second time"):
        sick.step(1)


def write_data(root: Path) -> None:
    document = Sample("math/digit", "en", "test", "CC0-1.0", (Turn("assistant", (Text("1+1=2"),)),), document=True)
    store.write_samples(root / "fresh" / "questions.parquet", [*(question(n) for n in range(30)), document])
    store.write_samples(root / "fresh" / "prose.parquet", [replace(document, kind="prose")])
    store.write_samples(root / "heldout" / "math.parquet", [question(n) for n in range(100, 140)])


def test_the_stage_writes_model_and_figures_and_resumes_to_the_same(tmp_path: Path) -> None:
    recipe = replace(tiny_recipe(), dtype="fp32", threads=1)
    write_data(tmp_path / "data")
    hf.write(init.fresh(recipe.model, 0), tiny_tokenizer(), tmp_path / "sft" / "model")
    stage = replace(STAGE, steps=2, prompts=2, group=2, max_tokens=8, held_out=20, rewards=Rewards(failures=1.0))
    loop.run(stage, recipe, tmp_path, Silent())
    done = json.loads((tmp_path / "rl" / "done.json").read_text())
    for side in (done["before"], done["after"]):
        assert side["n"] == 20 and set(side["kinds"]) == {"math/arith"} and 0 <= side["correct"] <= 1
        assert {name: len(values) for name, values in side["each"].items()} == {
            "correct": 20, "thought_tokens": 20, "greedy": 20,
        }  # fmt: skip
    assert done["steps"] == 2 and {"tokens", "image_tokens", "loss"} <= done.keys()
    assert type(convert.read(tmp_path / "rl" / "model")).__name__ == "Lapis"
    (tmp_path / "rl" / "done.json").unlink()
    loop.run(stage, recipe, tmp_path, Silent())
    assert json.loads((tmp_path / "rl" / "done.json").read_text()) == done


class Coin:
    """Right when greedy, and for every other seed."""

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        right = [not one.temperature or one.seed % 2 == 0 for one in requests]
        return [
            Completion("yes" if good else "no", "", (1,), (1,), (0.0,), (False,), 3, "stop", True) for good in right
        ]


def test_held_out_questions_are_answered_as_in_a_rollout_and_greedily() -> None:
    asked = [replace(question(number), meta={"verifier": "text", "answer": "yes"}) for number in range(6)]
    judge = book(check_here).judge
    found = loop.measure(Coin(), judge, asked, replace(STAGE, held_samples=4), 7)
    assert found["failed"] == 0 and found["kinds"]["math/arith"]["n"] == 6
    assert found["correct"] == 0.5 and found["n"] == 6 and found["each"]["correct"] == [0.5] * 6
    assert found["each"]["greedy"] == [1.0] * 6 and found["thought_tokens"] == 3


def test_questions_follow_the_mixture_and_leave_the_rest_out(tmp_path: Path) -> None:
    write_data(tmp_path)
    words = [question(number, "math/word") for number in range(50)]
    store.write_samples(tmp_path / "fresh" / "words.parquet", words)
    mixture = {"math": 1.0, "math/word": 3.0}
    drawn = questions.draw(tmp_path / "fresh", mixture, 40, 0, lambda sample: True)
    assert sum(one.kind == "math/word" for one in drawn) == 30 and all(map(questions.is_question, drawn))
    assert drawn == questions.draw(tmp_path / "fresh", mixture, 40, 0, lambda sample: True)
    even = questions.draw(tmp_path / "fresh", {"math": 1.0}, 10, 0, lambda sample: sample.think)
    assert all(one.think for one in even)
    own = [replace(question(number), kind="clock") for number in range(9)]
    store.write_samples(tmp_path / "heldout" / "clock.parquet", own)
    asked = questions.held(tmp_path / "heldout", replace(STAGE, mixture={"clock": 1.0}), 0, lambda sample: True)
    assert {one.kind for one in asked} == {"clock"}
    with pytest.raises(InputError, match="prose"):
        questions.draw(tmp_path / "fresh", {"prose": 1.0}, 4, 0, lambda sample: True)
    with pytest.raises(InputError, match="held-out"):
        questions.held(tmp_path / "heldout", replace(STAGE, mixture={"prose": 1.0}), 0, lambda sample: True)
