"""What is asked when, and what makes a step: no process, no clock."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from lapis import config
from lapis.reward_config import Rewards
from lapis.rl.choose import Chooser
from lapis.rl.fleet.messages import Answer, Judgement
from lapis.rl.fleet.pool import Open, Pool, Step
from lapis.rl.rewards.book import Judged
from lapis.types import Verdict
from tests.rl.fleet.made import answer, sample, stage

Judge = Callable[[int, int], float]


def mixed(place: int, member: int) -> float:
    return float(member % 2)


def settle(pool: Pool, one: Open, judge: Judge = mixed, tokens: int = 3) -> None:
    for member in range(pool.stage.group):
        pool.answered(answer(one.place, member, tokens, one.version))
        pool.judge(Judgement((one.place, member), Judged(Verdict(judge(one.place, member), ""))))


def made(plan: config.RL) -> Pool:
    return Pool(plan, Chooser([sample(number) for number in range(500)], plan.hard, 0))


def places(step: Step) -> list[int]:
    return [slot.place for slot in step.kept]


def test_synchronous_asks_a_steps_questions_and_no_more_until_it_is_trained() -> None:
    pool = made(stage("sync"))
    first = pool.ask(0)
    assert [one.place for one in first] == [0, 1] and pool.ask(0) == []
    settle(pool, first[1])
    assert not pool.ready
    settle(pool, first[0])
    assert pool.ready and pool.ask(0) == []
    assert places(pool.take()) == [0, 1]
    assert pool.ask(0) == [] and [one.place for one in pool.ask(1)] == [2, 3]


def test_one_step_asynchronous_asks_a_step_ahead_and_two_steps_where_the_bound_says_so() -> None:
    for staleness in (1, 2):
        pool = made(stage(staleness=staleness))
        assert len(pool.ask(0)) == 2 * (staleness + 1)
        for one in list(pool.open.values()):
            settle(pool, one)
        pool.take()
        assert pool.ask(0) == [] and len(pool.ask(1)) == 2


def test_no_question_is_asked_for_steps_that_do_not_come() -> None:
    pool = made(stage(staleness=3, steps=2))
    assert len(pool.ask(0)) == 4 and pool.ask(5) == []


def test_a_group_all_right_or_all_wrong_is_replaced_so_often_and_then_its_slot_is_empty() -> None:
    pool = made(stage("sync", refill=2))
    rounds = []
    while not pool.ready:
        asked = pool.ask(0)
        rounds.append([one.place for one in asked])
        for one in asked:
            settle(pool, one, lambda place, member: 1.0 if place in (0, 2, 3) else float(member))
    assert rounds == [[0, 1], [2], [3]]
    step = pool.take()
    assert places(step) == [1] and [group.sample for group, _ in step.seen] == [sample(n) for n in range(4)]


def test_asynchronous_replaces_a_group_at_once() -> None:
    pool = made(stage(refill=1))
    asked = pool.ask(0)
    settle(pool, asked[0], lambda place, member: 0.0)
    (other,) = pool.ask(0)
    assert other.place == 4 and other.depth == 1 and len(pool.open) == 4


def test_a_long_group_is_carried_on_and_waited_for_before_it_passes_the_bound() -> None:
    """Place 0 is never finished: with carry 1 two more steps go without it, then the trainer waits."""
    pool = made(stage(staleness=1, carry=1, steps=9))
    taken = []
    for version in range(9):
        pool.ask(version)
        for one in [one for one in pool.open.values() if one.place]:
            settle(pool, one)
        if not pool.ready:
            break
        taken.append(places(pool.take()))
    assert taken == [[1, 2], [3, 4]] and pool.steps - pool.open[0].version == 2
    settle(pool, pool.open[0])
    assert pool.ready
    step = pool.take()
    assert places(step)[0] == 0 and step.dropped == 0


def test_a_group_past_the_bound_is_dropped_whole_and_counted() -> None:
    pool = made(stage(staleness=1, carry=0, steps=9))
    for one in pool.ask(0):
        settle(pool, one)
    pool.steps = 2
    step = pool.take()
    assert step.kept == [] and step.dropped == 2 and len(step.seen) == 4


@pytest.mark.parametrize("carry", [0, 2])
def test_lengths_trained_on_are_those_sampled(carry: int) -> None:
    """Answers take as long as they have tokens, long-tailed; every group that was begun is trained, the longest too."""
    draw = random.Random(3)
    pool = made(stage(staleness=1, carry=carry, steps=40, prompts=4, group=4, refill=0))
    lengths: dict[int, list[int]] = {}
    ends: list[tuple[float, int, int]] = []
    sampled: list[int] = []
    trained: list[int] = []
    clock = version = 0
    while version < 40:
        for one in pool.ask(version):
            lengths[one.place] = [round(draw.paretovariate(1.1) * 4) for _ in range(4)]
            sampled += lengths[one.place]
            ends += [(clock + length, one.place, member) for member, length in enumerate(lengths[one.place])]
        if not pool.ready:
            ends.sort(reverse=True)
            clock, place, member = ends.pop()
            pool.answered(answer(place, member, lengths[place][member], pool.open[place].version))
            pool.judge(Judgement((place, member), Judged(Verdict(float(member % 2), ""))))
            continue
        step = pool.take()
        assert step.dropped == 0 and all(version - slot.version <= 1 + carry for slot in step.kept)
        trained += [len(one.token_ids) for group, _ in step.scored for one in group.answers]
        version += 1
    assert sorted(trained) == sorted(sampled) and len(trained) == 40 * 16


def test_a_failed_answer_costs_its_group_and_tells_why() -> None:
    pool = made(stage("sync", refill=1))
    first, second = pool.ask(0)
    settle(pool, second)
    pool.answered(Answer((first.place, 1), None, fault="image: no picture"))
    assert pool.ask(0) == [], "its other answers are on their way"
    pool.answered(answer(first.place, 0))
    pool.judge(Judgement((first.place, 0), Judged(Verdict(1.0, ""))))
    (other,) = pool.ask(0)
    settle(pool, other)
    step = pool.take()
    assert places(step) == [1, 2] and step.judged[:2] == [Judged(Verdict(1.0, "")), Judged(None, "image: no picture")]
    assert pool.failures.seen == 6 and pool.failures.failed == {"image: no picture": 1}


def test_too_many_failed_answers_are_told_with_the_step_that_has_them() -> None:
    pool = made(stage("sync", refill=0, rewards=Rewards(failures=0.5, window=4)))
    for one in pool.ask(0):
        for member in range(2):
            pool.answered(Answer((one.place, member), None, fault="no") if one.place + member else answer(0, 0))
    pool.judge(Judgement((0, 0), Judged(Verdict(1.0, ""))))
    step = pool.take()
    assert step.kept == [] and step.fault.startswith("3 of the last 4 answers have no verdict, more than 50%")


def test_an_answer_that_comes_twice_counts_once() -> None:
    pool = made(stage())
    (one, *_) = pool.ask(0)
    assert pool.answered(answer(one.place, 0)) is one and pool.answered(answer(one.place, 0, tokens=7)) is None
    assert pool.answered(answer(99, 0)) is None


def test_a_pool_comes_back_from_json_as_it_was() -> None:
    pool = made(stage(refill=1))
    first, second, third, _ = pool.ask(0)
    settle(pool, first)
    settle(pool, second, lambda place, member: 0.0)
    pool.answered(answer(third.place, 1, version=4))
    pool.answered(Answer((3, 0), None, fault="broken"))
    pool.answered(answer(3, 1))
    pool.judge(Judgement((3, 1), Judged(Verdict(1.0, ""), second=Judged(None, "silent"))))
    other = made(pool.stage)
    other.restore(json.loads(json.dumps(pool.state())))
    assert other.state() == pool.state() and other.open == pool.open and other.settled == pool.settled
    assert [one.place for one in other.ask(0)] == [one.place for one in pool.ask(0)] == [4, 5]
    settle(other, other.open[third.place])
    settle(pool, pool.open[third.place])
    assert other.take() == pool.take()
