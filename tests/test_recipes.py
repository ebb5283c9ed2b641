"""What the recipes promise across stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lapis import coherent, config
from lapis.recipes import blue3b, desk, pocket

RESULTS = Path(__file__).parent.parent / "bench" / "results"
CHAIN = ("joint-b", "reason", "long", "sft")


@pytest.mark.parametrize("recipe", [pocket.recipe(), pocket.smoke(), desk.recipe()], ids=["pocket", "smoke", "desk"])
def test_the_joint_stages_follow_one_schedule(recipe: config.Recipe) -> None:
    """Each begins where the one before ended, at the same peaks, and the last decays to nearly nothing."""
    coherent.check(recipe)
    stages = {entry.name: entry for entry in recipe.stages}
    assert [stages[name].parent for name in CHAIN[1:]] == list(CHAIN[:-1])
    plans = [stages[name].optim for name in CHAIN]
    assert [plan.start for plan in plans[1:]] == [plan.end for plan in plans[:-1]] and plans[0].start == 1
    assert len({(plan.lr, plan.lr_vit, plan.lr_adapter, plan.muon, plan.vit_layer_decay) for plan in plans}) == 1
    assert plans[-1].end < 0.05


def test_the_3b_recipe_holds_together() -> None:
    """Begins with the public tower; every parent is there, and the student can be cut out of the teacher."""
    recipe = blue3b.recipe()
    coherent.check(recipe)
    assert [entry.vision for entry in recipe.stages if isinstance(entry, config.Join)] == [blue3b.TOWER]


def test_the_text_mixture_is_that_of_the_search_that_is_kept() -> None:
    found = json.loads((RESULTS / "desk_mixture.json").read_text(encoding="utf-8"))
    assert {kind: float(f"{weight:.3g}") for kind, weight in found["mixture"].items()} == pocket.TEXT
    assert found["check"]["gains"]["uniform"]["value"] > 0 and found["check"]["gains"]["proportional"]["value"] > 0
