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

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from lapis import config
from lapis.rl.choose import Chooser
from lapis.rl.fleet.judge import Judged
from lapis.rl.fleet.messages import Answer
from lapis.rl.rewards import Score, mixed, score
from lapis.rl.rollout import Group
from lapis.types import Completion, Sample, Verdict

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
    verdicts: dict[int, Verdict] = field(default_factory=dict)


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
    failures: Counter[str]
    dropped: int
    """Groups past the staleness bound."""

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
        self._failures: Counter[str] = Counter()

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
        if answer.completion is None:
            self.failed(place, answer.fault)
            return None
        one.answers[member] = answer
        return one

    def judge(self, judged: Judged) -> None:
        """Keep a verdict; with the last one of a group its slot is settled."""
        place, member = judged.key
        one = self.open.get(place)
        if judged.verdict is None:
            self.failed(place, judged.fault)
        if one is None or judged.verdict is None:
            return
        one.verdicts[member] = judged.verdict
        if len(one.verdicts) == self.stage.group:
            self._settle(one)

    def failed(self, place: int, reason: str) -> None:
        """An answer could not be written or judged: its group is left out."""
        one = self.open.pop(place, None)
        if one is not None:
            self._failures[reason] += 1
            self._replace(one)

    def _settle(self, one: Open) -> None:
        del self.open[one.place]
        answers = [one.answers[member] for member in range(self.stage.group)]
        group = Group(one.sample, tuple(_written(answer) for answer in answers), one.version)
        verdicts = iter([one.verdicts[member] for member in range(self.stage.group)])
        scores = score(group.answers, one.sample.meta, self.stage.reward, lambda *_: next(verdicts))
        versions = tuple(answer.versions for answer in answers)
        slot = Slot(one.place, one.number, one.version, group, tuple(scores), versions)
        self._seen.append(slot)
        self._news.append(slot)
        if mixed(scores):
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
        step = Step(kept, [slot.scored for slot in seen], self._failures, len(full) - len(kept))
        self._seen, self._failures = [], Counter()
        self.steps += 1
        return step

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
            "failures": dict(self._failures),
        }

    def restore(self, state: Json) -> None:
        """Take over what `state` gave. Answers that were in flight are to be asked again (`missing`)."""
        self.steps, self.position, self._owed = state["steps"], state["position"], list(state["owed"])
        self.open = {one["place"]: self._open(one) for one in state["open"]}
        self.settled = [self._slot(one) for one in state["settled"]]
        self._seen = [self._slot(one) for one in state["seen"]]
        self.chooser.restore(state["rates"])
        self._failures = Counter(state["failures"])

    def _open(self, one: Json) -> Open:
        place, number = one["place"], one["number"]
        answers = {member: _answer((place, member), *rest) for member, *rest in one["answers"]}
        verdicts = {member: Verdict(value, reason) for member, value, reason in one["verdicts"]}
        sample = self.chooser.asked[number]
        return Open(place, number, one["depth"], one["version"], sample, answers, verdicts)

    def _slot(self, one: Json) -> Slot:
        place = one["place"], one["number"], one["version"]
        if not one["answers"]:
            return Slot(*place)
        answers = tuple(map(_completion, one["answers"]))
        group = Group(self.chooser.asked[one["number"]], answers, one["version"])
        scores = tuple(Score(**score) for score in one["scores"])
        return Slot(*place, group, scores, tuple(map(tuple, one["versions"])))


def _written(answer: Answer) -> Completion:
    assert answer.completion is not None
    return answer.completion


def _open_json(one: Open) -> Json:
    answers = [[member, asdict(_written(a)), list(a.versions)] for member, a in one.answers.items()]
    verdicts = [[member, verdict.score, verdict.reason] for member, verdict in one.verdicts.items()]
    plain = {name: getattr(one, name) for name in ("place", "number", "depth", "version")}
    return {**plain, "answers": answers, "verdicts": verdicts}


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


def _answer(key: tuple[int, int], completion: Json, versions: list[int]) -> Answer:
    return Answer(key, _completion(completion), tuple(versions))


def _completion(fields: Json) -> Completion:
    """From JSON, where tuples are lists."""
    likeliest = tuple(tuple((int(token), float(value)) for token, value in one) for one in fields["top_logprobs"])
    plain: Json = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return Completion(**{**plain, "top_logprobs": likeliest})
