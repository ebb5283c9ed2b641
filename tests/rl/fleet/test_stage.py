"""The stage on Ray: synchronous it is the loop in one process, token for token; processes may die under it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lapis import config
from lapis.export import hf
from lapis.model import convert, init
from lapis.rl import loop
from lapis.rl.fleet import stage as fleet_stage
from lapis.rl.rewards import Score, score
from lapis.rl.rollout import Group
from lapis.rl_fleet import Fleet
from lapis.types import Completion, Sample, Verdict
from tests.serve.small import spread
from tests.tiny import tiny_recipe, tiny_tokenizer

RECIPE = replace(tiny_recipe(), dtype="fp32", threads=1, device="cpu")
OPTIM = config.Optim(lr=5e-3, weight_decay=0.0, warmup=0.0, end=1.0)
STAGE = config.RL(
    "rl", "sft", {"math": 1.0}, steps=4, prompts=3, group=4, max_tokens=6, row_tokens=256, optim=OPTIM, held_out=4
)


def by_parity(sample: Sample, completion: Completion) -> Verdict:
    """Right is an answer whose tokens add up to an even number: about half of a fresh model's."""
    return Verdict(float(sum(completion.token_ids) % 2), "")


def parity(group: Group) -> list[Score]:
    """The same for the loop in one process."""
    verdicts = iter([by_parity(group.sample, answer) for answer in group.answers])
    return score(group.answers, group.sample.meta, STAGE.reward, lambda *_: next(verdicts))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with data and a model to begin with."""
    from tests.rl.test_loop import write_data

    write_data(tmp_path / "data")
    hf.write(spread(init.fresh(RECIPE.model, 0)), tiny_tokenizer(), tmp_path / "sft" / "model")
    return tmp_path


class Silent:
    def advance(self, steps: int = 1, note: str = "") -> None: ...


def lines(run: Path, name: str = "rl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / name / "metrics.jsonl").read_text().splitlines()]


def weights(run: Path, name: str = "rl") -> list[torch.Tensor]:
    return [parameter.detach() for parameter in convert.read(run / name / "model").parameters()]


def test_synchronous_is_the_loop_in_one_process_token_for_token(
    run: Path, ray_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two engines, a judge, a trainer, weights by broadcast: the same lines, bits of weights and held-out answers."""
    monkeypatch.setattr(loop, "rewarder", lambda stage: parity)
    loop.run(replace(STAGE, name="inline"), RECIPE, run, Silent())
    fleet_stage.run(replace(STAGE, fleet=Fleet("sync", engines=2, slots=4)), RECIPE, run, Silent(), by_parity)
    ours, theirs = lines(run), lines(run, "inline")
    assert len(theirs) == 4 and any(line["asked"] > 3 for line in theirs) and any(line["tokens"] for line in theirs)
    assert [{name: line[name] for name in theirs[0]} for line in ours] == theirs
    assert all(map(torch.equal, weights(run), weights(run, "inline")))
    done = [json.loads((run / name / "done.json").read_text()) for name in ("rl", "inline")]
    assert done[0] == done[1]
    assert {line["staleness_max"] for line in ours} == {0} and ours[-1]["weights_mb"] > 0
