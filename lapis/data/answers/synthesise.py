"""Both phases in order: gather, rewrite, ask, judge, write.

Everything but the log of answers is computed anew by each start, from the same files and the log: what a killed one
left is never half of something. `synthesise` takes whoever answers: an endpoint from `lapis data answers`, from Python
also a generator of the same process. No run's data stage calls it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lapis.data import store
from lapis.data.answers import rewrite
from lapis.data.answers.ask import Asker, Tally
from lapis.data.answers.choose import Count, Judged, judged
from lapis.data.answers.problems import fits
from lapis.data.losses import Losses
from lapis.data.synth.problem import bytes_of
from lapis.data_config.answers import Answers, Way
from lapis.remote.request import Reply
from lapis.types import InputError, Progress, Request, Sample, Silent, Text, Turn

LOG = "log.jsonl"
"""Of finished requests, in the output folder."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a synthesis gave."""

    problems: int
    samples: int
    tally: Tally
    dropped: Counter[str]


def synthesise(
    settings: Answers,
    gathered: Sequence[Sample],
    out: Path,
    asker: Asker,
    by: str,
    progress: Progress | None = None,
    tokens: Count = bytes_of,
) -> Made:
    """Write answers.parquet (training samples), problems.parquet (with answers and pass rates, for RL), counts.json
    and dropped.parquet into `out`, of what `problems.gather` found. `by` names the model in each sample, `tokens`
    counts thoughts as their learner does. `progress` advances once a request.

    Raises InputError where there is no problem, for an endpoint that is gone, and for a full disk.
    """
    losses, progress = Losses(), progress or Silent()
    for problem in gathered:
        if not fits(problem):
            losses.drop("gather", problem, "too long")
    fitting = list(filter(fits, gathered))
    posed, rewriting = _posed(fitting, settings, asker, losses, progress)
    if not posed:
        raise InputError("no problems there, or none that was made of the documents")
    requests = [request for problem in posed for request in answers_of(problem, settings)]
    replies, answering = asker.ask(requests, progress)
    tally = answering.after(rewriting)
    results = list(_judged(posed, replies, settings, tokens, by))
    for result in results:
        if result.dropped:
            losses.drop("answers", result.problem, result.dropped)
        else:
            losses.keep("answers", result.problem)
    return _write(out, results, losses, tally)


def _posed(
    gathered: Sequence[Sample], settings: Answers, asker: Asker, losses: Losses, progress: Progress
) -> tuple[list[Sample], Tally]:
    """What is gathered and is a problem, then what was rewritten of it, each once."""
    jobs = _rewrites(gathered, settings)
    posed = {store.key(problem): problem for problem in gathered if not problem.document}
    replies, tally = asker.ask([request for *_, request in jobs], progress) if jobs else ([], Tally())
    for (problem, way, _), reply in zip(jobs, replies, strict=True):
        made = "no reply" if reply is None else rewrite.rewritten(problem, way, reply)
        if isinstance(made, str):
            losses.drop(f"rewrite/{way}", problem, made)
        elif store.key(made) in posed:
            losses.drop(f"rewrite/{way}", made, "copy")
        else:
            losses.keep(f"rewrite/{way}", problem)
            posed[store.key(made)] = made
    return list(posed.values()), tally


def _rewrites(gathered: Sequence[Sample], settings: Answers) -> list[tuple[Sample, Way, Request]]:
    return [
        (problem, way, rewrite.request(problem, way, number, settings))
        for problem in gathered
        for way in rewrite.ways(problem, settings)
        for number in range(settings.rewrites)
    ]


def most_requests(gathered: Sequence[Sample], settings: Answers) -> int:
    """How many requests `synthesise` makes, if every rewrite gives a problem."""
    fitting = list(filter(fits, gathered))
    rewrites = len(_rewrites(fitting, settings))
    posed = sum(not problem.document for problem in fitting) + rewrites
    return rewrites + posed * settings.samples * len(settings.budgets)


def answers_of(problem: Sample, settings: Answers) -> list[Request]:
    """All requests for answers to a problem: `samples` for each budget, budget by budget."""
    told = (Turn("system", (Text(settings.system),)),) if settings.system else ()
    first = Request(
        turns=(*told, *problem.turns),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
    )
    return [
        replace(
            first,
            think=budget != 0,
            budget=budget if budget else -1,
            show_budget=budget > 0,
            seed=settings.seed + number,
        )
        for budget in settings.budgets
        for number in range(settings.samples)
    ]


def _judged(
    posed: Sequence[Sample], replies: Sequence[Reply | None], settings: Answers, tokens: Count, by: str
) -> list[Judged]:
    each = settings.samples * len(settings.budgets)
    found = []
    for place, problem in enumerate(posed):
        own = replies[place * each : (place + 1) * each]
        parts = [own[at : at + settings.samples] for at in range(0, each, settings.samples)]
        found.append(judged(problem, dict(zip(settings.budgets, parts, strict=True)), settings, tokens, by))
    return found


def _write(out: Path, results: Sequence[Judged], losses: Losses, tally: Tally) -> Made:
    samples = [sample for result in results for sample in result.samples]
    rated = [result.problem for result in results if "pass_rate" in result.problem.meta]
    refused: Counter[str] = sum((result.refused for result in results), Counter())
    store.write_samples(out / "answers.parquet", samples)
    store.write_samples(out / "problems.parquet", rated)
    more: dict[str, Any] = {"requests": asdict(tally), "refused": dict(refused.most_common())}
    losses.write(out, more)
    return Made(len(rated), len(samples), tally, losses.reasons("answers"))
