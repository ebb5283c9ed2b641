"""The figures that a run must reach, by recipe: the one table that evaluation, report and tests read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure must reach. `side` says whether more or less is better."""

    title: str
    pocket: float | None = None
    desk: float | None = None
    side: Literal["least", "most"] = "least"
    """least: the value must be at least the goal; most: at most."""
    unit: Literal["share", "change", "points", "seconds"] = "share"
    """change: relative to what it is compared with; points: a difference of two shares."""

    def of(self, recipe: str) -> float | None:
        """The goal in this recipe; recipes other than pocket have desk's."""
        return self.pocket if recipe.startswith("pocket") else self.desk

    def hit(self, value: float, goal: float | None) -> bool | None:
        """True where reached, None where there is no goal."""
        if goal is None:
            return None
        return value >= goal if self.side == "least" else value <= goal


GOALS: dict[str, Goal] = {
    "wall_seconds": Goal("Wall time of the whole run", 2400.0, 7200.0, "most", "seconds"),
    "grounding_seen": Goal("Grounding, trained kinds of screen", 0.30, 0.80),
    "grounding_unseen": Goal("Grounding, templates never trained"),
    "act_seen": Goal("Next action, trained kinds of screen"),
    "act_unseen": Goal("Next action, templates never trained"),
    "math_think": Goal("Word problems and arithmetic, thinking", 0.70, 0.70),
    "math_direct": Goal("Word problems and arithmetic, direct"),
    "screen_math_think": Goal("Numbers on a screen, thinking"),
    "screen_math_direct": Goal("Numbers on a screen, direct"),
    "distil_gain": Goal("Held-out loss saved by distillation", 0.04, 0.04, unit="change"),
    "budget_kept": Goal("Requests within their thinking budget, answered", 1.0, 1.0),
    "rl_gain": Goal("Held-out correctness gained by RL", 0.10, 0.10, unit="change"),
    "rl_gain_greedy": Goal("The same of greedy answers", unit="change"),
    "rl_length": Goal("Thought length changed by RL", 0.0, 0.0, "most", "change"),
    "math_think_gain": Goal("Text: thinking over direct", 0.20, 0.20, unit="points"),
    "screen_math_think_gain": Goal("Screens: thinking over direct", 0.10, 0.10, unit="points"),
    "grounding_seen_over_blind": Goal("Grounding over its blind baseline", None, 0.20, unit="points"),
    "budget_rise_text": Goal("Budget curve, text: last point over first", 0.01, 0.01, unit="points"),
    "budget_rise_screens": Goal("Budget curve, screens: last point over first", 0.01, 0.01, unit="points"),
    "budget_trained_text": Goal("Text: accuracy at a budget over the same model cut there", 0.05, 0.05, unit="change"),
    "budget_trained_screens": Goal("Screens: the same", unit="change"),
    "needles_before": Goal("Facts found in the longest documents, before the long stage"),
    "needles_after": Goal("The same after it", 0.80, 0.80),
    "grounding_seen_blind": Goal("Grounding, trained kinds, image swapped"),
    "grounding_unseen_blind": Goal("Grounding, new templates, image swapped"),
    "screen_math_think_blind": Goal("Numbers on a screen, thinking, image swapped"),
    "screen_math_direct_blind": Goal("Numbers on a screen, direct, image swapped"),
    "act_seen_blind": Goal("Next action, trained kinds, image swapped"),
}
"""Figure name to its goal; the last five are baselines that should be low."""
