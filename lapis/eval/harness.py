"""Ask a generator every question of a set, check the answers, sum them up.

Unusual: the blind baseline is part of the harness. Every image is swapped for another screen of the same set by a
derangement, so that what remains right is what the question alone, or the habits of layouts, give away.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lapis import verify
from lapis.eval import causes
from lapis.eval.stats import wilson
from lapis.eval.tasks.base import Mode
from lapis.types import Completion, Generator, Image, Part, Progress, Request, Sample, Turn

CHUNK = 128
"""Questions handed to the generator at once: enough to keep its slots full, few enough to hold their images."""
DIRECT_TOKENS = 64
"""Most tokens of an answer without a thought."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """One way of asking a set: the mode, the images' true or swapped, and a thinking budget or none."""

    task: str
    mode: Mode
    blind: bool = False
    budget: int | None = None
    told: bool = True
    """The budget stands in the prompt, as trained; else the thought is only cut there."""

    @property
    def name(self) -> str:
        budget = "" if self.budget is None else f"@{self.budget}{'' if self.told else '-cut'}"
        return f"{self.task}/{self.mode}{'/blind' if self.blind else ''}{budget}"


def request_of(sample: Sample, ask: Ask, max_tokens: int) -> Request:
    """The question alone, greedily answered; `sample.think` says how it was made, `ask` how it is asked."""
    turns = sample.turns[:-1] if sample.turns[-1].role == "assistant" else sample.turns
    think = ask.mode == "think"
    budget = -1 if ask.budget is None else ask.budget
    most = max_tokens if think else min(DIRECT_TOKENS, max_tokens)
    told = ask.told and ask.budget is not None
    return Request(turns, think, budget=budget, show_budget=told, max_tokens=most)


def measure(
    generator: Generator,
    samples: Iterable[Sample],
    ask: Ask,
    max_tokens: int,
    progress: Progress,
    breakdown: Sequence[str] = (),
) -> list[Record]:
    """One record a sample, in order: question, answer, thought, verdict, and the tags named by `breakdown`."""
    records: list[Record] = []
    for chunk in _chunks(samples):
        completions = generator.generate([request_of(sample, ask, max_tokens) for sample in chunk])
        for sample, completion in zip(chunk, completions, strict=True):
            records.append(_record(sample, completion, ask, breakdown))
        progress.advance(len(chunk), ask.name)
    return records


def _chunks(samples: Iterable[Sample]) -> Iterator[tuple[Sample, ...]]:
    rest = iter(samples)
    while chunk := tuple(itertools.islice(rest, CHUNK)):
        yield chunk


def _record(sample: Sample, completion: Completion, ask: Ask, breakdown: Sequence[str]) -> Record:
    verdict = verify.check(sample.meta, completion.text, completion.closed)
    record: Record = {
        "id": sample.fingerprint[:16],
        "ask": ask.name,
        "prompt": "".join(turn.text for turn in sample.turns if turn.role != "assistant"),
        "answer": completion.text,
        "thought": completion.thought,
        "expected": sample.meta.get("answer"),
        "score": verdict.score,
        "reason": verdict.reason,
        "thought_tokens": completion.thought_tokens,
        "closed": completion.closed,
        "finish": completion.finish,
        "tags": {name: tag(sample, name) for name in breakdown},
    }
    record["cause"] = "" if right(record) else causes.of(sample, completion)
    return record | (_place(sample, completion) if "box" in sample.meta and _points(sample) else {})


def _points(sample: Sample) -> bool:
    return sample.meta.get("verifier") in ("point", "action")


def _place(sample: Sample, completion: Completion) -> Record:
    return {"box": [float(side) for side in sample.meta["box"]], "point": verify.pointed(sample.meta, completion.text)}


def tag(sample: Sample, name: str) -> str:
    """What a sample is grouped by: its kind, its language, or an entry of its `meta`."""
    if name in ("kind", "lang"):
        return str(getattr(sample, name))
    return str(sample.meta.get(name, "-"))


def right(record: Record) -> bool:
    """A verdict counts as right from one half on; verifiers give 0 or 1."""
    return float(record["score"]) >= 0.5


def kept(record: Record, budget: int) -> bool:
    """The thought kept to its budget and an answer follows it."""
    return record["thought_tokens"] <= budget and record["closed"] and bool(record["answer"].strip())


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """Share right with its interval, mean thought, share cut by `max_tokens`, and the share right of each group."""
    groups: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        for name, value in record["tags"].items():
            groups[name][value].append(record)
    return share(records) | {
        "thought_tokens": sum(record["thought_tokens"] for record in records) / len(records),
        "overflow": sum(record["finish"] == "length" for record in records) / len(records),
        "causes": dict(Counter(record["cause"] for record in records if record["cause"]).most_common()),
        "groups": {
            name: {value: share(members) for value, members in sorted(by_value.items())}
            for name, by_value in sorted(groups.items())
            if len(by_value) > 1
        },
    }


def share(records: Sequence[Record], test: Callable[[Record], bool] = right) -> dict[str, Any]:
    """Share of records that pass `test`, with Wilson's 95% interval."""
    return wilson(sum(map(test, records)), len(records)).entry()


def swap_images(samples: Sequence[Sample]) -> list[Sample] | None:
    """Every sample with the image of another screen; None where one screen holds over half of the set.

    Deterministic: sorted by image, each sample takes the image that lies as many places on as the largest group of
    equal images has members, so it can never be its own.
    """
    keys = [_digest(sample.images) for sample in samples]
    if not keys:
        return None
    largest = max(Counter(keys).values())
    if 2 * largest > len(keys):
        return None
    order = sorted(range(len(keys)), key=lambda number: keys[number])
    donor = {number: order[(place + largest) % len(order)] for place, number in enumerate(order)}
    return [_with_image(sample, samples[donor[number]].images[0]) for number, sample in enumerate(samples)]


def _digest(images: Sequence[Image]) -> str:
    return hashlib.sha256(b"".join(image.data for image in images)).hexdigest()


def _with_image(sample: Sample, image: Image) -> Sample:
    turns = tuple(
        Turn(turn.role, tuple(_other(part, image) for part in turn.parts), turn.thought) for turn in sample.turns
    )
    return dataclasses.replace(sample, turns=turns)


def _other(part: Part, image: Image) -> Part:
    return image if isinstance(part, Image) else part
