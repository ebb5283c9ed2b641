"""A checkpoint of RL: the trainer's state, the pool with all answers that no step has trained, the figures so far."""

from __future__ import annotations

from typing import Any

from lapis.rl.fleet.crew import Crew
from lapis.rl.fleet.pool import Pool

FIGURES = ("before", "tokens", "image_tokens", "loss")
"""Facts of a run that its end needs; and `broken`, steps whose loss was no finite number."""
Json = dict[str, Any]


def fresh(before: Json) -> Json:
    """Facts before the first step."""
    return {"before": before, "tokens": 0, "image_tokens": 0, "loss": 0.0, "broken": 0}


def add(facts: Json, line: Json) -> None:
    """Count a step by its metrics line."""
    facts["tokens"] += line["seen"]
    facts["image_tokens"] += line["image_tokens"]
    facts["loss"] = line["loss"]


def save(crew: Crew, pool: Pool, step: int, facts: Json) -> None:
    """Everything that the next step depends on."""
    crew.save(step, {**facts, "pool": pool.state()})


def resume(crew: Crew, pool: Pool) -> tuple[int, Json]:
    """The newest checkpoint; step 0 and no facts without one. What was in flight is asked or judged again."""
    found = crew.resume()
    if found is None:
        return 0, {}
    pool.restore(found["pool"])
    crew.push(found["step"])
    while crew.pushing:
        crew.wait()
    for one in pool.open.values():
        crew.ask(one)
        for member in one.answers.keys() - one.judged.keys():
            crew.judge(one.sample, one.answers[member])
    return found["step"], {name: found[name] for name in (*FIGURES, "broken")}
