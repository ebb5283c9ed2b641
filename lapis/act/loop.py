"""Agents that drive a page towards a task's goal, and how often they get there.

Each step: a screenshot, a decision, the action performed, until the agent ends or the steps are used up. Then the
page's own state says whether the goal is reached. What is no valid action is counted and never reaches the page.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image as Picture

from lapis import actions
from lapis.act import draw, tasks
from lapis.act.step import Decision, How, decide
from lapis.act.surface import Surface
from lapis.act.tasks import Task, touch
from lapis.data.evenly import spread
from lapis.data.screens.browser import installed_fonts
from lapis.eval.stats import wilson
from lapis.types import Generator, Image, Progress

STEPS = 8
"""Most steps of a task: the longest needs five of one who knows the way, and scrolling takes some."""
DOWN = actions.Swipe(coordinate=(500, 750), coordinate2=(500, 350))
SHOWN = 6
"""Episodes of a contact sheet."""
LABEL = 252
"""Widest goal in it, in pixels."""

Agent = Callable[[Surface, Task, Image], Decision]
"""Decides what to do next; a model looks at the goal and the screenshot alone."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One step."""

    image: Image
    decision: Decision
    performed: bool


@dataclass(slots=True)
class Episode:
    """One task from its beginning to its end."""

    task: Task
    shots: list[Shot] = field(default_factory=list)
    success: bool = False
    """The page's state is the goal's when the agent ends, or the steps do."""

    @property
    def invalid(self) -> int:
        """Steps whose text was no action."""
        return sum(shot.decision.action is None for shot in self.shots)


def run(surface: Surface, task: Task, agent: Agent, steps: int = STEPS) -> Episode:
    """One task, at most so many steps."""
    surface.show(task.html, task.width, task.height, dict(task.state))
    episode = Episode(task)
    for _ in range(steps):
        image = surface.shoot()
        decision = agent(surface, task, image)
        ends = isinstance(decision.action, actions.Terminate | actions.Answer)
        performs = decision.action is not None and not ends
        done = surface.perform(decision.action) if performs and decision.action is not None else False
        episode.shots.append(Shot(image, decision, done))
        if ends:
            break
    episode.success = task.done(surface.state())
    return episode


def model(generator: Generator, how: How) -> Agent:
    """A model, greedily. The same picture under the same goal is not asked again: the answer would be the same."""
    known: dict[tuple[str, bytes], Decision] = {}

    def agent(surface: Surface, task: Task, image: Image) -> Decision:
        asked = (task.goal, image.data)
        if asked not in known:
            known[asked] = decide(generator, task.goal, image, how)
        return known[asked]

    return agent


def chance(seed: int) -> Agent:
    """Taps anywhere."""
    rng = random.Random(seed)

    def agent(surface: Surface, task: Task, image: Image) -> Decision:
        action = actions.Click(coordinate=(rng.randrange(actions.SCALE), rng.randrange(actions.SCALE)))
        return Decision(action, actions.write(action))

    return agent


def oracle(surface: Surface, task: Task, image: Image) -> Decision:
    """Knows the page: touches the next element of the way, scrolls where it cannot be seen, and ends."""
    move = task.next(surface.state())
    if move is None:
        action: actions.Action = actions.Terminate(status="success")
    else:
        point, seen = surface.find(move.at)
        action = touch(move, point) if seen else DOWN
    return Decision(action, actions.write(action))


def runs(
    surface: Surface, asked: Iterable[Task], agent: Agent, steps: int, progress: Progress | None = None
) -> list[Episode]:
    """Every task once."""
    episodes = []
    for task in asked:
        episodes.append(run(surface, task, agent, steps))
        if progress is not None:
            progress.advance()
    return episodes


def drive(
    agent: Agent, seed: int, count: int, steps: int = STEPS, scale: float = 1.0, progress: Progress | None = None
) -> list[Episode]:
    """The first tasks of a set, in a browser of their own. Raises InputError without a Chromium or a Chinese font."""
    fonts = installed_fonts()
    with Surface(scale) as surface:
        return runs(surface, (tasks.task(seed, number, fonts) for number in range(count)), agent, steps, progress)


def report(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Share of tasks that succeeded with its interval, of each template too; mean steps, and how many were invalid."""
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(episode.task.template, []).append(episode)
    return {
        "success": _share(episodes),
        "templates": {name: _share(members) for name, members in groups.items()},
        "steps": sum(len(episode.shots) for episode in episodes) / len(episodes),
        "invalid": sum(episode.invalid for episode in episodes),
    }


def _share(episodes: Sequence[Episode]) -> dict[str, Any]:
    return wilson(sum(episode.success for episode in episodes), len(episodes)).entry()


def contact_sheet(episodes: Sequence[Episode], most: int = SHOWN) -> Picture.Image:
    """Steps of some episodes, a row each: the screenshots with their actions, and what came out."""
    rows = []
    for episode in spread(episodes, most):
        row = [draw.picture(shot.image, shot.decision.action, shot.decision.error) for shot in episode.shots]
        goal = f"{'✓' if episode.success else '✗'} {episode.task.goal}"
        rows.append([draw.label(goal, min(row[0].width, LABEL), row[0].height), *row])
    return draw.sheet(rows)
