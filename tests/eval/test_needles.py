"""Facts in long documents before and after the stage that lengthens positions, by length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lapis import config
from lapis.data import store
from lapis.data.synth.needles import generate
from lapis.eval import needles
from lapis.recipes import pocket
from lapis.types import Request
from tests.eval.scripted import Scripted, Silent

PROSE = [f"Paragraph {number} says that the weather stays as it was." for number in range(40)]


def finds(upto: int) -> Scripted:
    """Finds the code in documents of at most so many bytes."""

    def answer(request: Request) -> tuple[str, str]:
        text = request.turns[-1].text
        asked = text.rpartition("the code of ")[2].rstrip("?")
        code = text.partition(f"The code of {asked} is ")[2][:4]
        return (code if len(text) <= upto else "0000"), ""

    return Scripted(answer)


def test_before_and_after_by_length(tmp_path: Path) -> None:
    samples = [one for length in (300, 900) for one in generate(6, length, length, PROSE, "held")]
    store.write_samples(tmp_path / "heldout" / "needle.parquet", samples)
    recipe, progress = pocket.recipe(), Silent()
    models = {tmp_path / "reason" / "model": finds(300), tmp_path / "long" / "model": finds(900)}
    found = needles.compare(models.__getitem__, tmp_path, recipe, tmp_path / "heldout", progress)
    shares = {side: {length: one["value"] for length, one in each.items()} for side, each in found["long"].items()}
    assert shares == {"before": {"300": 1.0, "900": 0.0}, "after": {"300": 1.0, "900": 1.0}}
    assert progress.steps == needles.count(recipe, tmp_path / "heldout") == 24


def test_without_needles_or_a_longer_context_there_is_nothing_to_compare(tmp_path: Path) -> None:
    recipe = pocket.recipe()
    assert needles.compare(finds, tmp_path, recipe, tmp_path, Silent()) == {}  # type: ignore[arg-type]
    short = [replace(one, yarn=None) if isinstance(one, config.Train) else one for one in recipe.stages]
    assert not needles.stages(replace(recipe, stages=tuple(short)))
