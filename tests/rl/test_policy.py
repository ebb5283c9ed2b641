"""Rows, rollouts, weight transfer and the update: packed answers train as they would alone."""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence

import pytest
import torch
from PIL import Image as Picture

from lapis import config
from lapis.dist.guard import Place
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.rl import rollout
from lapis.rl.policy import Policy
from lapis.rl.rows import Episode, pack
from lapis.rl.weights import InProcess
from lapis.types import Completion, Image, Request, Sample, Text, Turn
from tests.serve.small import byte_tokenizer, small_shape, spread

CPU = Place(torch.device("cpu"), torch.float32)


def stage(**fields: object) -> config.RL:
    plain = {"name": "rl", "parent": "sft", "mixture": {"math": 1.0}, "steps": 4, "prompts": 2, "group": 3}
    return config.RL(**{**plain, "max_tokens": 12, "row_tokens": 128, "optim": config.Optim(lr=1e-2), **fields})


def question(text: str, think: bool = False, budget: int | None = None, image: Image | None = None) -> Sample:
    parts = (*((image,) if image else ()), Text(text))
    turns = (Turn("user", parts), Turn("assistant", (Text("1"),)))
    return Sample("math/arith", "en", "test", "CC0-1.0", turns, think=think, budget=budget, meta={"verifier": "number"})


def model() -> Decoder:
    torch.manual_seed(0)
    return spread(Decoder(small_shape().decoder))


def answers(decoder: Decoder | Lapis, samples: Sequence[Sample], plan: config.RL) -> list[rollout.Group]:
    engine = rollout.engine(decoder, byte_tokenizer(), plan, CPU)
    return rollout.roll(engine, samples, plan, first=5, seed=3, version=7)


def test_each_question_is_asked_as_often_as_the_group_with_seeds_of_its_place() -> None:
    seen: list[Request] = []

    class Echo:
        def generate(self, requests: Sequence[Request]) -> list[Completion]:
            seen.extend(requests)
            return [Completion(str(request.seed), "", (), (), (), (), 0, "stop", True) for request in requests]

    samples = [question("a", think=True, budget=24), question("b")]
    groups = rollout.roll(Echo(), samples, stage(temperature=0.7), first=5, seed=3, version=7)
    assert [group.sample for group in groups] == samples and {group.version for group in groups} == {7}
    assert len({request.seed for request in seen}) == 6
    assert [(one.think, one.budget, one.show_budget) for one in seen[::3]] == [(True, 24, True), (False, -1, False)]
    later = rollout.roll(Echo(), samples[1:], stage(), first=6, seed=3, version=0)
    assert [one.text for one in later[0].answers] == [one.text for one in groups[1].answers]


def test_a_row_trains_what_the_model_chose() -> None:
    one = Completion("", "", (1, 2, 3), (4, 5, 6), (-0.1, -0.2, -0.3), (True, False, False), 0, "stop", True)
    two = Completion("", "", (7,), (8, 9), (-0.4, -0.5), (False, False), 0, "stop", True)
    (row,) = pack([Episode(two, -1.0), Episode(one, 2.0)], 16)
    assert row.tokens_1L.tolist() == [[1, 2, 3, 4, 5, 7, 8]]
    assert row.positions_1L.tolist() == [[0, 1, 2, 3, 4, 0, 1]]
    assert row.documents_1L.tolist() == [[0, 0, 0, 0, 0, 1, 1]]
    assert row.at_M.tolist() == [3, 4, 5, 6] and row.targets_M.tolist() == [5, 6, 8, 9]
    assert row.engine_M.tolist() == pytest.approx([-0.2, -0.3, -0.4, -0.5])
    assert row.advantages_M.tolist() == [2, 2, -1, -1]


def test_rows_keep_their_length_and_lose_no_answer() -> None:
    many = [
        Completion("", "", (1,) * size, (2, 3), (0.0, 0.0), (False, False), 0, "stop", True) for size in range(1, 30)
    ]
    rows = list(pack([Episode(one, 0.0) for one in many], 32))
    assert sum(row.tokens_1L.numel() for row in rows) == sum(size + 1 for size in range(1, 30))
    assert max(row.tokens_1L.numel() for row in rows) <= 32 and len(rows) < 20
    (alone,) = pack([Episode(many[-1], 0.0)], 8)
    assert alone.tokens_1L.numel() == 30


def test_trainer_and_engine_agree_on_every_log_probability() -> None:
    decoder, plan = model(), stage()
    groups = answers(decoder, [question("one"), question("two", think=True, budget=6)], plan)
    policy = Policy(decoder, plan, CPU)
    for row in pack([Episode(one, 1.0) for group in groups for one in group.answers], plan.row_tokens):
        with torch.no_grad():
            logprobs_M = policy._logprobs(decoder, row, {})
        assert torch.allclose(logprobs_M, row.engine_M, atol=1e-4)


@pytest.mark.parametrize("kl", [0.0, 0.5])
def test_packed_rows_update_like_single_answers(kl: float) -> None:
    decoder, plan = model(), stage(kl=kl)
    groups = answers(decoder, [question("one"), question("longer two", think=True)], plan)
    episodes = [Episode(one, float(place) - 2) for place, one in enumerate(one for g in groups for one in g.answers)]
    results = []
    for row_tokens in (1024, 1):
        policy = Policy(copy.deepcopy(decoder), stage(kl=kl, row_tokens=row_tokens), CPU)
        first = policy.update(episodes, step=0)
        results.append((policy, first, policy.update(episodes, step=1)))
    (packed, *numbers), (single, *same) = results
    for mine, other in zip(numbers, same, strict=True):
        assert mine.loss == pytest.approx(other.loss, abs=1e-5) and mine.tokens == other.tokens
        assert mine.kl == pytest.approx(other.kl, abs=1e-5)
    for mine, other in zip(packed.decoder.parameters(), single.decoder.parameters(), strict=True):
        assert torch.allclose(mine, other, atol=1e-4)
    assert numbers[0].mismatch_kl == pytest.approx(0, abs=1e-5) and numbers[1].mismatch_kl > 0
    assert (numbers[1].kl > 0) == (kl > 0)


def test_a_step_of_several_updates_clips_against_the_weights_that_answered() -> None:
    """Each update has its share; the first is not clipped, later ones are measured against the step's first weights."""
    decoder, plan = model(), stage(updates=3, clip_low=1e-4, clip_high=1e-4)
    groups = answers(decoder, [question("one"), question("longer two", think=True)], plan)
    episodes = [Episode(one, float(place) - 2) for place, one in enumerate(one for g in groups for one in g.answers)]
    policy = Policy(decoder, plan, CPU)
    several = policy.update(episodes, step=0)
    assert policy.updates == 3 and several.clip > 0 and several.tokens == sum(one.trained for one in episodes)
    once = Policy(model(), stage(clip_low=1e-4, clip_high=1e-4), CPU)
    assert once.update(episodes, step=0).clip == 0 and once.updates == 1


def test_pictures_are_features_of_the_frozen_tower(picture: Image) -> None:
    torch.manual_seed(1)
    whole, plan = spread(Lapis(small_shape())), stage()
    before = copy.deepcopy(whole)
    groups = answers(whole, [question("what?", image=picture), question("no picture")], plan)
    policy = Policy(whole, plan, CPU)
    episodes = [Episode(one, 1.0, group.sample.images) for group in groups for one in group.answers]
    result = policy.update(episodes, step=0)
    assert result.mismatch_kl == pytest.approx(0, abs=1e-5) and result.image_tokens > 0
    for name, parameter in whole.named_parameters():
        same = torch.equal(parameter, before.get_parameter(name))
        assert same != name.startswith("decoder."), name


def test_weights_arrive_in_the_engines_precision() -> None:
    trainer, target = model(), copy.deepcopy(model()).to(torch.bfloat16)
    transport = InProcess(trainer, target)
    with torch.no_grad():
        trainer.embedding.weight.add_(1)
    transport.push(4)
    assert transport.version == 4
    for mine, other in zip(trainer.parameters(), target.parameters(), strict=True):
        assert torch.equal(mine.to(torch.bfloat16), other)


def test_the_engine_answers_with_pushed_weights() -> None:
    decoder, plan = model(), stage()
    engine = rollout.engine(decoder, byte_tokenizer(), plan, CPU)
    request = rollout.request(question("hi"), 8)
    first = engine.generate([request])[0]
    changed = copy.deepcopy(decoder)
    torch.manual_seed(5)
    spread(changed)
    InProcess(changed, engine.decoder).push(1)
    second = engine.generate([request])[0]
    assert first.token_ids != second.token_ids
    expected = rollout.engine(changed, byte_tokenizer(), plan, CPU).generate([request])[0]
    assert second.token_ids == expected.token_ids


@pytest.fixture
def picture() -> Image:
    out = io.BytesIO()
    Picture.new("RGB", (120, 50), (10, 200, 90)).save(out, "PNG")
    return Image(out.getvalue(), 120, 50)
