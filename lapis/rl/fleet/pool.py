"""Which questions are asked when, and which groups make a step.

A step has `prompts` slots. A question fills one; where its answers are all right or all wrong another takes its place,
at most `refill` times, then the slot stays empty. With weights of version v the questions of the first v + lead + 1
steps may be asked (lead 0 is synchronous, 1 one-step asynchronous). A step takes the filled slots whose questions were
asked first, whole groups only.

Unusual: a step waits for a group that would pass the staleness bound instead of dropping it, because what takes long
is what is long: dropped groups would leave short answers to train on. What passes the bound all the same is dropped
whole and counted.

The synchronous order is that of the loop in one process: another question is asked when all answers are there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from lapis import config
from lapis.rl.choose import Chooser
from lapis.rl.fleet.messages import Answer, Judgement
from lapis.rl.rewards import Score
from lapis.rl.rewards.book import Judged
from lapis.rl.rewards.mix import failures_of, scored, teaches
from lapis.rl.rollout import Group
from lapis.types import Completion, Sample

Json = dict[str, Any]
Scored = tuple[Group, list[Score]]


@dataclass(slots=True)
class Open:
    """A question whose answers are not all judged."""

    place: int
    number: int
    """Of the question, as the chooser counts."""
    depth: int
    """Questions that stood in its slot before."""
    version: int
    """Of the weights when it was asked."""
    sample: Sample
    answers: dict[int, Answer] = field(default_factory=dict)
    judged: dict[int, Judged] = field(default_factory=dict)
    """What was said of them, or why they could not be written."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One that is settled: a group that teaches, or none."""

    place: int
    number: int
    version: int
    group: Group | None = None
    scores: tuple[Score, ...] = ()
    versions: tuple[tuple[int, ...], ...] = ()
    """Of every token of every answer."""

    @property
    def scored(self) -> Scored:
        """The group with its scores, as the loss wants it."""
        assert self.group is not None
        return self.group, list(self.scores)


@dataclass(frozen=True, slots=True)
class Step:
    """What a step trains, and everything that was judged since the one before."""

    kept: list[Slot]
    seen: list[Scored]
    judged: list[Judged]
    """Of every answer, in the order of places."""
    dropped: int
    """Groups past the staleness bound."""
    fault: str = ""
    """Why the run must stop: too many answers have no verdict."""

    @property
    def scored(self) -> list[Scored]:
        """What is kept, as the loss wants it."""
        return [slot.scored for slot in self.kept]


class Pool:
    """Everything between a question and its step. No process, no clock."""

    def __init__(self, stage: config.RL, chooser: Chooser):
        self.stage, self.chooser = stage, chooser
        ahead = stage.fleet.mode == "async"
        self.lead = stage.fleet.staleness if ahead else 0
        """Steps that questions are asked ahead."""
        self.bound = self.lead + stage.fleet.carry if ahead else 0
        """Most steps between the weights that a group was begun with and those that it trains."""
        self.steps = 0
        """Taken so far."""
        self.position = 0
        """Questions asked so far."""
        self.open: dict[int, Open] = {}
        self.settled: list[Slot] = []
        self._owed: list[int] = []
        """Depths of questions that take another's slot."""
        self._seen: list[Slot] = []
        """Judged since the last step."""
        self._news: list[Slot] = []
        """Those of them that the chooser does not know of."""
        self._judged: dict[int, list[Judged]] = {}
        """Of all answers of each group since the last step."""
        self.failures = failures_of(stage)

    def ask(self, version: int) -> list[Open]:
        """Questions to be asked now, with weights of that version."""
        lead, prompts = self.lead, self.stage.prompts
        if lead == 0 and self.open:
            return []
        self._learn()
        depths, self._owed = self._owed, []
        may = min(version + lead + 1, self.stage.steps) - self.steps
        depths += [0] * (may * prompts - len(self.settled) - len(self.open) - len(depths))
        return [self._next(depth, version) for depth in depths]

    def _next(self, depth: int, version: int) -> Open:
        number = self.chooser.number(self.position)
        one = self.open[self.position] = Open(self.position, number, depth, version, self.chooser.asked[number])
        self.position += 1
        return one

    def answered(self, answer: Answer) -> Open | None:
        """Keep an answer. Returns its question where the answer is to be judged."""
        place, member = answer.key
        one = self.open.get(place)
        if one is None or member in one.answers:
            return None
        one.answers[member] = answer
        if answer.completion is None:
            self.judge(Judgement(answer.key, Judged(None, answer.fault)))
            return None
        return one

    def judge(self, said: Judgement) -> None:
        """Keep a verdict, or why there is none; with the last one of a group its slot is settled."""
        place, member = said.key
        one = self.open.get(place)
        if one is None:
            return
        one.judged[member] = said.judged
        if len(one.judged) == self.stage.group:
            self._settle(one)

    def _settle(self, one: Open) -> None:
        """A group that has all its answers teaches, or another question takes its slot."""
        del self.open[one.place]
        answers = [one.answers[member] for member in range(self.stage.group)]
        judged = self._judged[one.place] = [one.judged[member] for member in range(self.stage.group)]
        completions = tuple(answer.completion for answer in answers if answer.completion is not None)
        scores = scored(completions, judged, self.stage)
        if scores is None:
            return self._replace(one)
        group = Group(one.sample, completions, one.version)
        versions = tuple(answer.versions for answer in answers)
        slot = Slot(one.place, one.number, one.version, group, tuple(scores), versions)
        self._seen.append(slot)
        self._news.append(slot)
        if teaches(one.sample, scores):
            self.settled.append(slot)
        else:
            self._replace(one)

    def _learn(self) -> None:
        """In the order of places, so that what is drawn next does not depend on who was first."""
        for slot in sorted(self._news, key=lambda slot: slot.place):
            if slot.group is not None:
                self.chooser.learn(slot.group.sample, slot.scores)
        self._news = []

    def _replace(self, one: Open) -> None:
        if one.depth < self.stage.refill:
            self._owed.append(one.depth + 1)
        else:
            self.settled.append(Slot(one.place, one.number, one.version))

    @property
    def ready(self) -> bool:
        """The next step's slots are settled, and no question in flight would pass the bound by waiting longer."""
        late = any(self.steps + 1 - one.version > self.bound for one in self.open.values())
        return len(self.settled) >= self.stage.prompts and not late

    def take(self) -> Step:
        """The next step's groups; call it when `ready`."""
        self.settled.sort(key=lambda slot: slot.place)
        chosen, self.settled = self.settled[: self.stage.prompts], self.settled[self.stage.prompts :]
        full = [slot for slot in chosen if slot.group is not None]
        kept = [slot for slot in full if self.steps - slot.version <= self.bound]
        self._learn()
        seen = sorted(self._seen, key=lambda slot: slot.place)
        judged = [one for _, group in sorted(self._judged.items()) for one in group]
        self.failures.add(judged)
        self._seen, self._judged = [], {}
        self.steps += 1
        dropped = len(full) - len(kept)
        return Step(kept, [slot.scored for slot in seen], judged, dropped, self.failures.stop())

    def state(self) -> Json:
        """Everything as JSON: what a resumed run goes on from. Samples are known by their places."""
        self._learn()
        return {
            "steps": self.steps,
            "position": self.position,
            "owed": self._owed,
            "open": [_open_json(one) for one in self.open.values()],
            "settled": [_slot_json(slot) for slot in self.settled],
            "seen": [_slot_json(slot) for slot in self._seen],
            "rates": self.chooser.state(),
            "judged": [[place, [one.facts() for one in group]] for place, group in self._judged.items()],
            "failures": self.failures.facts(),
        }

    def restore(self, state: Json) -> None:
        """Take over what `state` gave. Answers that were in flight are to be asked again (`missing`)."""
        self.steps, self.position, self._owed = state["steps"], state["position"], list(state["owed"])
        self.open = {one["place"]: self._open(one) for one in state["open"]}
        self.settled = [self._slot(one) for one in state["settled"]]
        self._seen = [self._slot(one) for one in state["seen"]]
        self.chooser.restore(state["rates"])
        self._judged = {place: [Judged.of(one) for one in group] for place, group in state["judged"]}
        self.failures.restore(state["failures"])

    def _open(self, one: Json) -> Open:
        place, number = one["place"], one["number"]
        answers = {member: _answer((place, member), *rest) for member, *rest in one["answers"]}
        judged = {member: Judged.of(facts) for member, facts in one["judged"]}
        sample = self.chooser.asked[number]
        return Open(place, number, one["depth"], one["version"], sample, answers, judged)

    def _slot(self, one: Json) -> Slot:
        place = one["place"], one["number"], one["version"]
        if not one["answers"]:
            return Slot(*place)
        answers = tuple(map(_completion, one["answers"]))
        group = Group(self.chooser.asked[one["number"]], answers, one["version"])
        scores = tuple(Score(**score) for score in one["scores"])
        return Slot(*place, group, scores, tuple(map(tuple, one["versions"])))


def _open_json(one: Open) -> Json:
    answers = [
        [member, a.completion and asdict(a.completion), list(a.versions), a.fault] for member, a in one.answers.items()
    ]
    judged = [[member, said.facts()] for member, said in one.judged.items()]
    plain = {name: getattr(one, name) for name in ("place", "number", "depth", "version")}
    return {**plain, "answers": answers, "judged": judged}


def _slot_json(slot: Slot) -> Json:
    answers = [] if slot.group is None else [asdict(one) for one in slot.group.answers]
    return {
        "place": slot.place,
        "number": slot.number,
        "version": slot.version,
        "answers": answers,
        "scores": [asdict(one) for one in slot.scores],
        "versions": [list(one) for one in slot.versions],
    }


def _answer(key: tuple[int, int], completion: Json | None, versions: list[int], fault: str) -> Answer:
    return Answer(key, None if completion is None else _completion(completion), tuple(versions), fault)


def _completion(fields: Json) -> Completion:
    """From JSON, where tuples are lists."""
    likeliest = tuple(tuple((int(token), float(value)) for token, value in one) for one in fields["top_logprobs"])
    plain: Json = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return Completion(**{**plain, "top_logprobs": likeliest})
