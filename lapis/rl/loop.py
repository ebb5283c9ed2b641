"""The RL stage, synchronous and in one process: ask, reward, update, hand the weights over, again.

What a step is: `prompts` questions are asked `group` times each; groups that are all right or all wrong teach nothing
and are replaced by new questions, at most `refill` times; the others make one update. Held-out correctness is measured
before the first step and after the last, by answers drawn as in a rollout, and by greedy ones. A run that was cut goes
on from its checkpoint with the same questions, random numbers and weights, bit for bit on a CPU.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lapis import chat, config, files
from lapis.dist import checkpoint, guard
from lapis.export import hf
from lapis.model import convert
from lapis.rl import questions
from lapis.rl.advantage import group_advantages
from lapis.rl.choose import Chooser
from lapis.rl.policy import Policy, Result, plain
from lapis.rl.rewards import Score, mixed, score
from lapis.rl.rollout import Group, engine, prompt_turns, request, roll
from lapis.rl.rows import Episode
from lapis.rl.weights import InProcess, Transport
from lapis.train.metrics import Metrics
from lapis.types import Generator, InputError, Progress, Sample

log = logging.getLogger(__name__)

HELD_SEED = (1 << 20) - 1
"""Of held-out answers, before and after alike: random numbers that no rollout takes."""

Json = dict[str, Any]
Scored = list[tuple[Group, list[Score]]]
Rewarder = Callable[[Group], list[Score]]


@dataclass(slots=True)
class Loop:
    """The parts of a run; any generator, reward and transport will do."""

    stage: config.RL
    policy: Policy
    generator: Generator
    transport: Transport
    rewarder: Rewarder
    chooser: Chooser
    """Questions in the order in which they are asked, over and over."""
    seed: int
    position: int = 0
    """Questions asked so far."""
    broken: int = 0
    """Steps whose loss was no finite number."""

    def step(self, number: int) -> Json:
        """Rollouts, one update, and the new weights in the engine; returns the step's metrics."""
        everything, kept = self._collect()
        result = self._update(kept, number) if kept else None
        return {"step": number + 1, **plain(result), **means(everything), "groups": len(kept), "asked": len(everything)}

    def _update(self, kept: Scored, number: int) -> Result | None:
        """None where the loss was no finite number: nothing changed then. Raises InputError the second time."""
        try:
            result = self.policy.update(episodes(kept), number)
        except guard.NonFinite as fault:
            if self.broken:
                raise InputError(f"{self.stage.name}: {fault}, for the second time; lower its learning rate") from None
            self.broken += 1
            log.warning("%s: %s; this step's answers are left out", self.stage.name, fault)
            return None
        self.transport.push(number + 1)
        return result

    def _collect(self) -> tuple[Scored, Scored]:
        """All groups asked, and those that teach: at most `prompts`, after at most `refill` further rounds."""
        everything: Scored = []
        kept: Scored = []
        for _ in range(1 + self.stage.refill):
            missing = self.stage.prompts - len(kept)
            if not missing:
                break
            fresh = [(group, self.rewarder(group)) for group in self._ask(missing)]
            for group, scores in fresh:
                self.chooser.learn(group.sample, scores)
            everything += fresh
            kept += [pair for pair in fresh if mixed(pair[1])]
        return everything, kept

    def _ask(self, count: int) -> list[Group]:
        first = self.position
        chosen = [self.chooser.asked[self.chooser.number(place)] for place in range(first, first + count)]
        self.position += count
        return roll(self.generator, chosen, self.stage, first, self.seed, self.transport.version)


def episodes(groups: Scored) -> list[Episode]:
    """The answers of the groups with their advantages, scaled so that every group weighs as much as any other.

    Ours: within a group tokens weigh alike (loss.py), but among groups a question with thoughts of a hundred tokens
    would else outweigh ten that are answered by a point.
    """
    rewards_PG = torch.tensor([[one.reward for one in scores] for _, scores in groups])
    advantages = group_advantages(rewards_PG).tolist()
    lengths = [max(1, sum(answer.forced.count(False) for answer in group.answers)) for group, _ in groups]
    mean = sum(lengths) / max(len(lengths), 1)
    return [
        Episode(
            answer,
            advantage * mean / length,
            tuple(image for turn in prompt_turns(group.sample) for image in turn.images),
        )
        for (group, _), values, length in zip(groups, advantages, lengths, strict=True)
        for answer, advantage in zip(group.answers, values, strict=True)
    ]


def means(groups: Scored) -> Json:
    """Means over every answer sampled in a step, kept or not."""
    pairs = [pair for group, scores in groups for pair in zip(group.answers, scores, strict=True)]
    columns = {
        "reward": [one.reward for _, one in pairs],
        "correct": [float(one.right) for _, one in pairs],
        "format": [one.format for _, one in pairs],
        "repetition": [one.repetition for _, one in pairs],
        "overlong": [one.overlong for _, one in pairs],
        "thought_tokens": [float(answer.thought_tokens) for answer, _ in pairs],
        "answer_tokens": [float(len(answer.token_ids)) for answer, _ in pairs],
    }
    return {name: sum(values) / max(len(values), 1) for name, values in columns.items()}


def measure(generator: Generator, samples: Sequence[Sample], stage: config.RL, seed: int) -> Json:
    """Held-out questions, each answered `held_samples` times as in a rollout: `correct`, `reward`, `thought_tokens`,
    `n`, and the same by `kinds`.

    `each` holds mean correctness and thought length of every question in order, and whether a greedy answer is right,
    so that before and after make pairs.
    """
    groups = roll(generator, samples, replace(stage, group=stage.held_samples), 0, seed, 0)
    judge = rewarder(stage)
    scored = [(group, judge(group)) for group in groups]
    greedy = generator.generate([request(sample, stage.max_tokens) for sample in samples])
    kinds: dict[str, Scored] = defaultdict(list)
    for group, scores in scored:
        kinds[group.sample.kind].append((group, scores))
    each = {name: [means([pair])[name] for pair in scored] for name in ("correct", "thought_tokens")}
    each["greedy"] = [
        float(score([answer], sample.meta, stage.reward)[0].right)
        for answer, sample in zip(greedy, samples, strict=True)
    ]
    whole = _figures(scored) | {"each": each}
    return whole | {"kinds": {kind: _figures(pairs) for kind, pairs in sorted(kinds.items())}}


def _figures(groups: Scored) -> Json:
    found = means(groups)
    return {"n": len(groups)} | {name: found[name] for name in ("correct", "reward", "thought_tokens")}


def run(stage: config.RL, recipe: config.Recipe, run: Path, progress: Progress) -> None:
    """The whole stage in `run/stage.name`: metrics.jsonl, checkpoint/, model/ and done.json last.

    Raises InputError for a parent that is no model, a mixture without questions, or two steps that are not finite.
    """
    folder = run / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "config.json", {**asdict(stage), "recipe": asdict(recipe)})
    place = guard.prepare(recipe)
    model = convert.read(run / stage.parent / "model")
    tokenizer = chat.Tokenizer.load(run / stage.parent / "model", recipe.model.tokens_per_tile)
    policy = Policy(model, stage, place)
    answerer = engine(model, tokenizer, stage, place)

    def fits(sample: Sample) -> bool:
        return len(answerer.prompt(request(sample, 0)).ids) + stage.max_tokens <= stage.row_tokens

    wanted = max(1, stage.steps * stage.prompts * (1 + stage.refill))
    asked = questions.draw(run / recipe.data.name / "fresh", stage.mixture, wanted, recipe.seed, fits)
    held = questions.held(run / recipe.data.name / "heldout", stage, recipe.seed, fits)
    transport = InProcess(policy.decoder, answerer.decoder)
    chooser = Chooser(asked, stage.hard, recipe.seed)
    loop = Loop(stage, policy, answerer, transport, rewarder(stage), chooser, recipe.seed)
    before, totals = train(loop, folder, progress, lambda: measure(answerer, held, stage, HELD_SEED))
    after = measure(answerer, held, stage, HELD_SEED)
    hf.write(model, tokenizer, folder / "model")
    files.write_json(folder / "done.json", {**totals, "steps": stage.steps, "before": before, "after": after})


def rewarder(stage: config.RL) -> Rewarder:
    """Verdicts by `verify`, weights by the stage."""
    return lambda group: score(group.answers, group.sample.meta, stage.reward, limit=stage.max_tokens)


def train(loop: Loop, folder: Path, progress: Progress, measured: Callable[[], Json]) -> tuple[Json, Json]:
    """All steps that are not yet done. Returns the figures before the first step and the run's totals."""
    start, facts = resume(loop, folder)
    progress.advance(start, "rl")
    if not facts:
        facts = {"before": measured(), "tokens": 0, "image_tokens": 0, "loss": 0.0}
        save(loop, folder, 0, facts)
    with Metrics(folder, start) as metrics:
        for number in range(start, loop.stage.steps):
            line = loop.step(number)
            metrics.write(line)
            facts["tokens"] += line["seen"]
            facts["image_tokens"] += line["image_tokens"]
            facts["loss"] = line["loss"]
            if (number + 1) % loop.stage.checkpoint_every == 0 or number + 1 == loop.stage.steps:
                save(loop, folder, number + 1, facts)
            progress.advance(1, f"reward {line['reward']:.2f}")
    return facts.pop("before"), {name: facts[name] for name in ("tokens", "image_tokens", "loss")}


def save(loop: Loop, folder: Path, step: int, facts: Json) -> None:
    """Everything that the next step depends on."""
    state = {**facts, "position": loop.position, "updates": loop.policy.updates, "broken": loop.broken}
    state["rates"] = loop.chooser.state()
    checkpoint.save(folder / "checkpoint", step, loop.policy.tensors(), state)


def resume(loop: Loop, folder: Path) -> tuple[int, Json]:
    """The newest checkpoint into the loop; step 0 and no facts without one."""
    facts = checkpoint.load(folder / "checkpoint", loop.policy.tensors())
    start = facts["step"] if facts else 0
    if facts is None:
        return 0, {}
    loop.position, loop.broken = facts["position"], facts["broken"]
    loop.policy.restored(facts["updates"])
    loop.chooser.restore(facts["rates"])
    loop.transport.push(start)
    return start, {name: facts[name] for name in ("before", "tokens", "image_tokens", "loss")}
