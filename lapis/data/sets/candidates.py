"""SFT answers by several models: each answers, rules refuse, checks or a vote decide, a scorer rates what is left.

Where an instruction has a check (`meta.verifier`) only right answers stay; where it has none and its answers are
short, those that agree do; what is longer is left to the scorer alone. The best rated answer is taken, of equal ones
the shortest; where there is a scorer, none that it did not rate. The scorer's four points are those of the original's
generative reward model: relevance, accuracy, helpfulness, redundancy (its words are ours).
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lapis.data.answers import judge
from lapis.data.answers.ask import Asker, Tally
from lapis.data.answers.choose import is_known
from lapis.data.answers.problems import problem_of
from lapis.data_config.sets import Candidates
from lapis.remote.request import Reply
from lapis.types import Progress, Request, Sample, Text, Turn

RUBRIC = {
    "en": "Rate the answer to the question from 1 (useless) to 10 (perfect): is it relevant, accurate and helpful, "
    'without anything redundant? Write JSON only: {{"score": N}}\n\nQuestion:\n{question}\n\nAnswer:\n{answer}',
    "zh": "请给下面问题的回答打分,从 1 分(没有用)到 10 分(完美):是否切题、准确、有帮助、不啰嗦?"
    '只写 JSON:{{"score": N}}\n\n问题:\n{question}\n\n回答:\n{answer}',
}
SCORE = re.compile(r'"score"\s*:\s*(\d+(?:\.\d+)?)')
SCORE_TOKENS = 64
"""Of a rating."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer to an instruction."""

    reply: Reply
    by: str
    score: float | None = None


def answered(
    samples: Sequence[Sample],
    settings: Candidates,
    models: Mapping[str, Asker],
    scorer: Asker | None,
    progress: Progress,
) -> tuple[list[Sample | str], Tally]:
    """Each sample with the answer that was chosen for it, or why there is none; and what asking took, by the log that
    all share. Other answers than those of `models` (by name) are not looked at."""
    asked = [(problem_of(sample) or sample, sample.think) for sample in samples]
    requests = [_request(problem, think, number, settings) for problem, think in asked for number in _numbers(settings)]
    found: list[list[Candidate]] = [[] for _ in samples]
    tally = Tally()
    for name, model in models.items():
        replies, now = model.ask(requests, progress)
        tally = now.after(tally)
        for place, reply in enumerate(replies):
            if reply is not None:
                found[place // settings.samples].append(Candidate(reply, name))
    left = [_allowed(problem, think, many, settings) for (problem, think), many in zip(asked, found, strict=True)]
    if scorer is not None:
        left, now = _scored([problem for problem, _ in asked], left, scorer, settings, progress)
        tally = now.after(tally)
    return [_best(problem, think, one) for (problem, think), one in zip(asked, left, strict=True)], tally


def _numbers(settings: Candidates) -> range:
    return range(settings.samples)


def _request(problem: Sample, think: bool, number: int, settings: Candidates) -> Request:
    return Request(
        turns=problem.turns,
        think=think,
        budget=settings.budget if think else -1,
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        seed=number,
    )


def _allowed(problem: Sample, think: bool, many: Sequence[Candidate], settings: Candidates) -> list[Candidate] | str:
    """Candidates that rules and the check or the vote let through, or why there is none."""
    if not many:
        return "no reply"
    whys = [judge.refuse(one.reply, think, settings.budget, problem.lang) for one in many]
    good = [one for one, why in zip(many, whys, strict=True) if why is None]
    if not good:
        return Counter(why for why in whys if why).most_common(1)[0][0]
    if is_known(problem):
        return [one for one in good if judge.right(problem.meta, one.reply)] or "no right answer"
    said = [judge.normal_answer(one.reply.text) for one in good]
    if None in said or len(many) == 1:
        return good
    won = judge.vote([one.reply for one in many], settings.agree)
    return [one for one in good if won and judge.right(won, one.reply)] or "no majority"


def _scored(
    problems: Sequence[Sample],
    left: Sequence[list[Candidate] | str],
    scorer: Asker,
    settings: Candidates,
    progress: Progress,
) -> tuple[list[list[Candidate] | str], Tally]:
    jobs = [(place, one) for place, many in enumerate(left) if not isinstance(many, str) for one in many]
    replies, tally = scorer.ask([rating(problems[place], one.reply.text) for place, one in jobs], progress)
    rated: dict[int, list[Candidate]] = defaultdict(list)
    for (place, one), reply in zip(jobs, replies, strict=True):
        rated[place].append(replace(one, score=score_of(reply)))
    least = settings.least_score
    return [many if isinstance(many, str) else _liked(rated[place], least) for place, many in enumerate(left)], tally


def _liked(many: Sequence[Candidate], least: float) -> list[Candidate] | str:
    """Candidates that are rated so high, or why there is none; one without a rating might have been."""
    liked = [one for one in many if one.score is not None and one.score >= least]
    return liked or ("no rating" if any(one.score is None for one in many) else "score too low")


def rating(problem: Sample, answer: str) -> Request:
    """What a scorer is asked about an answer; the pictures of the question come along."""
    lang = "zh" if problem.lang == "zh" else "en"
    question = "\n".join(turn.text for turn in problem.turns)
    words = Text(RUBRIC[lang].format(question=question, answer=answer))
    return Request(turns=(Turn("user", (*problem.images, words)),), max_tokens=SCORE_TOKENS)


def score_of(reply: Reply | None) -> float | None:
    """1 to 10; None where the scorer said nothing of the kind."""
    if reply is None or reply.refused:
        return None
    try:
        score = float(json.loads(reply.text)["score"])
    except (ValueError, KeyError, TypeError):
        found = SCORE.search(reply.text)
        score = float(found[1]) if found else 0.0
    return score if 1 <= score <= 10 else None


def _best(problem: Sample, think: bool, many: list[Candidate] | str) -> Sample | str:
    if isinstance(many, str):
        return many
    best = min(many, key=lambda one: (-(one.score or 0.0), len(one.reply.text) + len(one.reply.thought)))
    thought = best.reply.thought.strip() if think else None
    answer = Turn("assistant", (Text(best.reply.text.strip()),), thought)
    score = {} if best.score is None else {"score": best.score}
    meta = {**problem.meta, "by": best.by, "candidates": len(many), **score}
    return replace(problem, turns=(*problem.turns, answer), think=think, meta=meta)
