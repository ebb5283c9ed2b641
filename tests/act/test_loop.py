"""The loop on real pages: the way is there, chance does not find it, and what is no action never reaches a page."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from lapis import actions
from lapis.act import loop, tasks
from lapis.act.step import How, decide, read, request
from lapis.act.surface import Surface
from lapis.data.screens.browser import installed_fonts
from lapis.data.screens.kinds import TRAINED, UNSEEN
from lapis.types import Image, Request
from tests.eval.scripted import Scripted, picture

EACH = len(tasks.TEMPLATES)


@pytest.fixture(scope="module")
def surface() -> Iterator[Surface]:
    with Surface() as opened:
        yield opened


def some(rounds: int, seed: int = 0) -> list[tasks.Task]:
    fonts = installed_fonts()
    return [tasks.task(seed, number, fonts) for number in range(rounds * EACH)]


def test_tasks_are_pure_and_templates_are_none_of_training() -> None:
    assert some(1) == some(1) != some(1, seed=1)
    assert [task.template for task in some(1)] == [*tasks.TEMPLATES]
    assert not {*tasks.TEMPLATES.values()} & {*TRAINED.values(), *UNSEEN.values()}
    assert all(not task.done(task.state) and len(task.goal) < 120 for task in some(4))
    assert {task.lang for task in some(4)} == {"en", "zh"}


def test_who_knows_the_way_finishes_every_template(surface: Surface) -> None:
    episodes = loop.runs(surface, some(3), loop.oracle, loop.STEPS)
    assert [(episode.task.template, episode.task.goal) for episode in episodes if not episode.success] == []
    found = loop.report(episodes)
    assert found["success"]["value"] == 1 and found["success"]["low"] > 0.8 and found["invalid"] == 0
    assert found["templates"].keys() == tasks.TEMPLATES.keys()
    lengths = {episode.task.template: len(episode.shots) for episode in episodes}
    assert lengths["form"] == 5 and lengths["switches"] == 2
    assert any(isinstance(shot.decision.action, actions.Swipe) for episode in episodes for shot in episode.shots)


def test_chance_mostly_fails(surface: Surface) -> None:
    found = loop.report(loop.runs(surface, some(2), loop.chance(0), loop.STEPS))
    assert found["success"]["value"] < 0.3 and found["invalid"] == 0 and found["steps"] == loop.STEPS


@pytest.mark.parametrize(
    "said", ["click it", "", '{"action":"click"}', '{"action":"click","coordinate":[500,2000]}', '{"action":"rm"}']
)
def test_what_is_no_action_never_reaches_the_page(surface: Surface, said: str) -> None:
    agent = loop.model(Scripted(lambda request: (said, "")), How())
    task = some(1)[0]
    episode = loop.run(surface, task, agent, 3)
    assert surface.events() == [] and surface.state() == task.state
    assert episode.invalid == 3 and not episode.success and episode.shots[0].decision.error


def test_a_model_sees_the_screenshot_and_the_goal_and_its_answers_are_performed(surface: Surface) -> None:
    """A scripted model that reads the way off a table of pictures; equal pictures are not asked about twice."""
    task = some(1)[0]
    table: dict[bytes, str] = {}

    def agent_that_knows(surface: Surface, task: tasks.Task, image: Image) -> loop.Decision:
        decision = loop.oracle(surface, task, image)
        table[image.data] = decision.text
        return decision

    assert loop.run(surface, task, agent_that_knows).success
    model = Scripted(lambda request: (table[request.turns[0].images[0].data], "because"))
    episode = loop.run(surface, task, loop.model(model, How(think=True, budget=16)))
    assert episode.success and episode.invalid == 0
    asked: Request = model.asked[0]
    assert asked.turns[0].text == actions.prompt(task.goal) and asked.schema and asked.budget == 16
    assert len({request.turns[0].images[0].data for request in model.asked}) == len(model.asked)


def test_a_state_looks_the_same_however_it_came_about(surface: Surface) -> None:
    """To the byte, or an agent is asked again about what it has seen; a caret and a scrolled list do show the way."""
    for task in [task for task in some(3) if task.template in ("switches", "choice", "cart", "tabs", "stepper")]:
        loop.run(surface, task, loop.oracle)
        reached = surface.shoot()
        surface.show(task.html, task.width, task.height, surface.state())
        assert reached.data == surface.shoot().data, task.template


def test_stopping_early_or_turning_back_is_no_success(surface: Surface) -> None:
    task = some(1)[0]
    ends = loop.model(Scripted(lambda request: ('{"action":"terminate","status":"success"}', "")), How())
    episode = loop.run(surface, task, ends)
    assert len(episode.shots) == 1 and not episode.success
    move = task.moves[0]

    def turns_over_twice(surface: Surface, task: tasks.Task, image: Image) -> loop.Decision:
        return read(actions.write(tasks.touch(move, surface.find(move.at)[0])))

    assert not loop.run(surface, task, turns_over_twice, 2).success
    assert loop.run(surface, task, turns_over_twice, 3).success


def test_a_contact_sheet_has_a_row_an_episode(surface: Surface) -> None:
    episodes = loop.runs(surface, some(1)[:3], loop.oracle, 3)
    sheet = loop.contact_sheet(episodes, 2)
    assert sheet.width > 2 * episodes[0].task.width and sheet.height > 2 * episodes[0].task.height


def test_a_step_asks_for_one_action_with_room_for_the_longest() -> None:
    asked = request("Save it", picture(0), How(True, 32))
    assert asked.max_tokens == 32 + asked.reserve and asked.reserve == actions.MOST_TOKENS and asked.show_budget
    assert request("Save it", picture(0)).max_tokens == actions.MOST_TOKENS
    click = actions.Click(target="Save", coordinate=(1, 2))
    found = decide(Scripted(lambda request: (actions.write(click), "Save (001,002)")), "Save it", picture(0), How(True))
    assert found.action == click and found.thought == "Save (001,002)" and not found.error


def test_words_with_marks_of_html_are_shown_as_they_are(surface: Surface) -> None:
    task = some(1)[2]
    odd = dataclasses.replace(task, moves=(dataclasses.replace(task.moves[0], text='<b>"&'),))
    surface.show(odd.html, odd.width, odd.height, dict(odd.state))
    surface.perform(tasks.touch(odd.moves[0], surface.find(odd.moves[0].at)[0]))
    key = next(iter(odd.moves[0].until))
    assert surface.state()[key] == '<b>"&'
