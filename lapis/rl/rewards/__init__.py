"""Rewards: verdicts by rules, by models and by people's preferences, found by name, and what an answer is worth"""

from lapis.rl.rewards.score import RIGHT, Score, mixed, shaped

__all__ = ["RIGHT", "Score", "mixed", "shaped"]
