"""A whole drive in a browser of its own, at two pixels a CSS pixel."""

from __future__ import annotations

from lapis.act import loop, tasks
from tests.eval.scripted import Silent


def test_the_way_is_found_at_two_pixels_a_point() -> None:
    progress = Silent()
    episodes = loop.drive(loop.oracle, 0, len(tasks.TEMPLATES), scale=2.0, progress=progress)
    assert all(episode.success for episode in episodes) and progress.steps == len(episodes)
    first = episodes[0]
    assert first.shots[0].image.width == 2 * first.task.width
