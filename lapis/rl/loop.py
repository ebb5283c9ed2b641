"""The RL stage, synchronous and in one process: ask, reward, update, hand the weights over, again.

What a step is: `prompts` questions are asked `group` times each; groups that are all right or all wrong teach nothing
and are replaced by new questions, at most `refill` times; the others make one update. So are groups with an answer that
could not be written or judged; where too many are, the run ends with a checkpoint. Held-out correctness is measured
before the first step and after the last, by answers drawn as in a rollout, and by greedy ones. A run that was cut goes
on from its checkpoint with the same questions, random numbers and weights, bit for bit on a CPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lapis import chat, config, files
from lapis.dist import checkpoint, guard
from lapis.export import hf
from lapis.model import convert
from lapis.rl import figures, questions
from lapis.rl.advantage import group_advantages
from lapis.rl.choose import Chooser
from lapis.rl.figures import Scored
from lapis.rl.policy import Policy, Result, plain
from lapis.rl.rewards import RIGHT, Score
from lapis.rl.rewards.book import Book, Failures, Item, Judged
from lapis.rl.rewards.made import book_of
from lapis.rl.rewards.mix import failures_of, scored, task_weights, teaches
from lapis.rl.rollout import Group, engine, prompt_turns, request, roll, written
from lapis.rl.rows import Episode
from lapis.rl.weights import InProcess, Transport
from lapis.train.metrics import Metrics
from lapis.types import Generator, InputError, Progress, Sample, Verdict

log = logging.getLogger(__name__)

HELD_SEED = (1 << 20) - 1
"""Of held-out answers, before and after alike: random numbers that no rollout takes."""

Json = dict[str, Any]
Judging = Callable[[Sequence[Item]], Sequence[Judged]]
"""`Book.judge`, wherever the book is."""


@dataclass(slots=True)
class Asked:
    """What a step asked."""

    seen: Scored = field(default_factory=list)
    """Groups whose answers all have a verdict."""
    kept: Scored = field(default_factory=list)
    """Those of them that teach."""
    judged: list[Judged] = field(default_factory=list)
    """Every answer."""


@dataclass(slots=True)
class Loop:
    """The parts of a run; any generator, reward and transport will do."""

    stage: config.RL
    policy: Policy
    generator: Generator
    transport: Transport
    judge: Judging
    chooser: Chooser
    """Questions in the order in which they are asked, over and over."""
    seed: int
    failures: Failures
    position: int = 0
    """Questions asked so far."""
    broken: int = 0
    """Steps whose loss was no finite number."""

    def step(self, number: int) -> Json:
        """Rollouts, one update, and the new weights in the engine; returns the step's metrics."""
        asked = self._collect()
        self.failures.add(asked.judged)
        result = self._update(asked.kept, number) if asked.kept else None
        told = figures.line(asked.seen, asked.judged)
        return {"step": number + 1, **plain(result), **told, "groups": len(asked.kept), "asked": len(asked.seen)}

    def _update(self, kept: Scored, number: int) -> Result | None:
        """None where the loss was no finite number: nothing changed then. Raises InputError the second time."""
        try:
            result = self.policy.update(episodes(kept, self.stage.rewards.weights), number)
        except guard.NonFinite as fault:
            if self.broken:
                raise InputError(f"{self.stage.name}: {fault}, for the second time; lower its learning rate") from None
            self.broken += 1
            log.warning("%s: %s; this step's answers are left out", self.stage.name, fault)
            return None
        self.transport.push(number + 1)
        return result

    def _collect(self) -> Asked:
        """At most `prompts` groups that teach, after at most `refill` further rounds."""
        asked = Asked()
        for _ in range(1 + self.stage.refill):
            missing = self.stage.prompts - len(asked.kept)
            if not missing:
                break
            groups = self._ask(missing)
            for group, judged in zip(groups, judged_of(groups, self.stage.group, self.judge), strict=True):
                asked.judged += judged
                scores = scored(group.answers, judged, self.stage)
                if scores is None:
                    continue
                self.chooser.learn(group.sample, scores)
                asked.seen.append((group, scores))
                asked.kept += [(group, scores)] if teaches(group.sample, scores) else []
        return asked

    def _ask(self, count: int) -> list[Group]:
        first = self.position
        chosen = [self.chooser.asked[self.chooser.number(place)] for place in range(first, first + count)]
        self.position += count
        return roll(self.generator, chosen, self.stage, first, self.seed, self.transport.version)


def judged_of(groups: Sequence[Group], size: int, judge: Judging) -> list[list[Judged]]:
    """What is said of the answers of each group; of all `size` that there should be where there are none."""
    items = [Item(group.sample, answer) for group in groups for answer in group.answers]
    said = iter(judge(items))
    return [
        [Judged(None, group.fault)] * size if group.fault else [next(said) for _ in group.answers] for group in groups
    ]


def episodes(groups: Scored, weights: Mapping[str, float]) -> list[Episode]:
    """The answers of the groups with their advantages, scaled so that every group weighs what its task does.

    Ours: within a group tokens weigh alike (loss.py), but among groups a question with thoughts of a hundred tokens
    would else outweigh ten that are answered by a point. `weights` are those of rewards.mix.task_weights.
    """
    rewards_PG = torch.tensor([[one.reward for one in scores] for _, scores in groups])
    advantages = group_advantages(rewards_PG).tolist()
    lengths = [max(1, sum(answer.forced.count(False) for answer in group.answers)) for group, _ in groups]
    mean = sum(lengths) / max(len(lengths), 1)
    tasks = task_weights([group.sample.kind for group, _ in groups], weights)
    return [
        Episode(
            answer,
            advantage * task * mean / length,
            tuple(image for turn in prompt_turns(group.sample) for image in turn.images),
        )
        for (group, _), values, length, task in zip(groups, advantages, lengths, tasks, strict=True)
        for answer, advantage in zip(group.answers, values, strict=True)
    ]


def measure(generator: Generator, judge: Judging, samples: Sequence[Sample], stage: config.RL, seed: int) -> Json:
    """Held-out questions, each answered `held_samples` times as in a rollout: `correct`, `reward`, `thought_tokens`,
    `n`, and the same by `kinds`; `failed` are answers that nobody could judge, which count as wrong.

    `each` holds mean correctness and thought length of every question in order, and whether a greedy answer is right,
    so that before and after make pairs. A question that cannot be asked is left out of both.
    """
    stage = replace(stage, group=stage.held_samples)
    groups = [group for group in roll(generator, samples, stage, 0, seed, 0) if not group.fault]
    judged = judged_of(groups, stage.group, judge)
    pairs = [(group, _certain(group, said, stage)) for group, said in zip(groups, judged, strict=True)]
    asked = [[request(group.sample, stage.max_tokens)] for group in groups]
    greedy = [found[0] for found in written(generator, asked) if not isinstance(found, str)]
    best = judge([Item(group.sample, answer) for group, answer in zip(groups, greedy, strict=True)])
    each = {name: [figures.means([pair])[name] for pair in pairs] for name in ("correct", "thought_tokens")}
    each["greedy"] = [float(one.verdict is not None and one.verdict.score >= RIGHT) for one in best]
    failed = sum(one.verdict is None for said in judged for one in said)
    return figures.short(pairs) | {"failed": failed, "each": each, "kinds": figures.kinds(pairs)}


def _certain(group: Group, judged: Sequence[Judged], stage: config.RL) -> list[Score]:
    """Scores where no verdict is a wrong answer."""
    sure = [one if one.verdict else Judged(Verdict(0.0, one.reason)) for one in judged]
    scores = scored(group.answers, sure, stage)
    assert scores is not None
    return scores


def run(
    stage: config.RL,
    recipe: config.Recipe,
    run: Path,
    progress: Progress,
    make: Callable[[], Book] | None = None,
) -> None:
    """The whole stage in `run/stage.name`: metrics.jsonl, checkpoint/, model/ and done.json last.

    `make` gives another book of rewards than the config's. Raises InputError for a parent that is no model, a mixture
    without questions, two steps that are not finite, and too many answers without a verdict.
    """
    folder = run / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "config.json", {**asdict(stage), "recipe": asdict(recipe)})
    place = guard.prepare(recipe)
    model = convert.read(run / stage.parent / "model")
    tokenizer = chat.Tokenizer.load(run / stage.parent / "model", recipe.model.tokens_per_tile)
    policy = Policy(model, stage, place)
    answerer = engine(model, tokenizer, stage, place)
    fit = questions.Fit(stage, lambda one: len(answerer.prompt(one).ids))
    asked, held = questions.both(run, recipe, stage, fit)
    transport = InProcess(policy.decoder, answerer.decoder)
    chooser = Chooser(asked, stage.hard, recipe.seed)
    with closing((make or partial(book_of, stage.rewards, recipe.device))()) as book:
        loop = Loop(stage, policy, answerer, transport, book.judge, chooser, recipe.seed, failures_of(stage))
        measured = partial(measure, answerer, book.judge, held, stage, HELD_SEED)
        before, totals = train(loop, folder, progress, measured)
        after = measured()
    hf.write(model, tokenizer, folder / "model")
    done = {**totals, "steps": stage.steps, "before": before, "after": after}
    files.write_json(folder / "done.json", {**done, **dropped(loop.failures, fit)})


def dropped(failures: Failures, fit: questions.Fit) -> Json:
    """What did not make it into training, by reason: answers that could not be written or judged, and questions that
    were never asked."""
    return {"failed": dict(failures.failed), "left_out": fit.told()}


def train(loop: Loop, folder: Path, progress: Progress, measured: Callable[[], Json]) -> tuple[Json, Json]:
    """All steps that are not yet done. Returns the figures before the first step and the run's totals.

    Raises InputError, with a checkpoint, where too many answers have no verdict.
    """
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
            fault = loop.failures.stop()
            if fault or (number + 1) % loop.stage.checkpoint_every == 0 or number + 1 == loop.stage.steps:
                save(loop, folder, number + 1, facts)
            if fault:
                raise InputError(f"{loop.stage.name}: {fault}")
            progress.advance(1, f"reward {line['reward']:.2f}")
    return facts.pop("before"), {name: facts[name] for name in ("tokens", "image_tokens", "loss")}


def save(loop: Loop, folder: Path, step: int, facts: Json) -> None:
    """Everything that the next step depends on."""
    state = {**facts, "position": loop.position, "updates": loop.policy.updates, "broken": loop.broken}
    state |= {"rates": loop.chooser.state(), "failures": loop.failures.facts()}
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
    loop.failures.restore(facts["failures"])
    loop.transport.push(start)
    return start, {name: facts[name] for name in ("before", "tokens", "image_tokens", "loss")}
