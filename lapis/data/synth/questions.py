"""Generated problems with exact answers and worked thoughts: sums, word problems, small logic, single digit steps.

What held-out questions (`split="held"`) have that training has not:
- numbers: every two-digit number of a held-out question lies in 37-43, 64-69 or 86-92 (program.HELD_VALUES, the leading
  digits that rendered screens hold out too); training questions never show one of these (program.TRAIN_VALUES). The
  digit pairs and carries of held-out work occur in training through other numbers, and through running values, which
  may lie anywhere in 10-199 (longer ones in `math/digit` only). Factors of 2 to 5 are shared;
- sentences, names and things (frames_en, frames_zh, logic.WORDS); the verbs are known;
- length: at least four steps (training has two to six).

Questions of the two splits can therefore never be equal; `key` is what a count of duplicates compares.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from lapis.data.synth import logic, program, words
from lapis.data.synth.problem import Count, Problem, bytes_of, sample
from lapis.types import InputError, Sample, Text, Turn

KINDS = {"math/digit": 0.2, "math/arith": 0.3, "math/word": 0.35, "math/logic": 0.15}
"""Shares of training samples."""
HELD_KINDS = {"math/arith": 0.4, "math/word": 0.4, "math/logic": 0.2}
"""Shares of held-out samples. All are given with a thought; whoever measures asks them in both modes."""
STEPS = {"train": (2, 6), "held": (4, 6)}
"""Fewest and most calculations of sums and word problems."""
DRILL_STEPS = 5
"""Calculations of a drill document."""
DRILL_SHARE = 0.5
"""Share of `math/digit` that are documents; the others are questions of one step."""


def generate(count: int, seed: int, split: str, tokens: Count = bytes_of) -> Iterator[Sample]:
    """`count` samples, a pure function of the arguments; no question twice. `split` is train or held.

    `tokens` counts a thought's tokens, so that it keeps its budget. Raises InputError for another split.
    """
    if split not in STEPS:
        raise InputError(f"split: expected train or held, got {split!r}")
    rng = random.Random(f"questions {split} {seed}")
    shares = KINDS if split == "train" else HELD_KINDS
    seen: set[str] = set()
    while len(seen) < count:
        kind = rng.choices(list(shares), list(shares.values()))[0]
        made = _make(kind, rng, split, f"lapis.data.synth.questions {split} {seed}", tokens)
        if key(made) not in seen:
            seen.add(key(made))
            yield made


def key(made: Sample) -> str:
    """The question with case, spaces and punctuation set aside; what duplicates are counted by."""
    return "".join(char for char in made.turns[0].text.lower() if char.isalnum() or char in "+-*/()")


def _make(kind: str, rng: random.Random, split: str, source: str, tokens: Count) -> Sample:
    lang = rng.choice(("en", "zh"))
    if kind == "math/digit" and rng.random() < DRILL_SHARE:
        return _drill(rng, lang, source)
    if kind == "math/digit":
        problem = _single(rng, lang)
    elif kind == "math/logic":
        problem = logic.draw(rng, lang, split)
    else:
        problem = (_arith if kind == "math/arith" else _word)(rng, lang, split)
    return sample(problem, kind, source, rng, tokens, think=True if split == "held" else None)


def _drill(rng: random.Random, lang: str, source: str) -> Sample:
    """A document: the thought of a random chain without a question."""
    text = program.full(drill(rng, DRILL_STEPS))
    return Sample("math/digit", lang, source, "CC0-1.0", (Turn("assistant", (Text(text),)),), document=True)


def _single(rng: random.Random, lang: str) -> Problem:
    """One calculation as a question."""
    drawn = drill(rng, 1)
    return _worked(drawn, words.asked_sum(drawn, words.FRAMES[lang, "train"], rng), "digit", lang)


def drill(rng: random.Random, steps: int) -> program.Program:
    """A chain of `steps` changes whose numbers are none of HELD_VALUES: one to three digits, results of 0-999."""
    drawn = program.Program(program.Term(_number(rng)), ())
    while len(drawn.changes) < steps:
        sign = rng.choice("++--*/")
        right = {"*": rng.randint(2, 9), "/": 2}.get(sign) or _number(rng)
        done = program.Operation(drawn.answer, sign, right)
        if 0 <= done.result <= 999 and (sign != "/" or done.left % 2 == 0):
            drawn = program.Program(drawn.start, (*drawn.changes, program.Change(sign, program.Term(right))))
    return drawn


def _number(rng: random.Random) -> int:
    pool = rng.choices((range(1, 10), program.TRAIN_VALUES, range(100, 200), range(200, 1000)), (1, 6, 3, 1))[0]
    return rng.choice(pool)


def _arith(rng: random.Random, lang: str, split: str) -> Problem:
    frames, steps = words.FRAMES[lang, split], rng.randint(*STEPS[split])
    spoken = rng.random() < 0.3
    drawn = program.draw(rng, _values(split), steps, "" if spoken else "*+-")
    asked = (words.spoken_sum if spoken else words.asked_sum)(drawn, frames, rng)
    return _worked(drawn, asked, f"{'spoken' if spoken else 'sum'}/{split}", lang)


def _word(rng: random.Random, lang: str, split: str) -> Problem:
    drawn = program.draw(rng, _values(split), rng.randint(*STEPS[split]))
    return _worked(drawn, words.word_problem(drawn, words.FRAMES[lang, split], rng), f"word/{split}", lang)


def _worked(drawn: program.Program, asked: str, template: str, lang: str) -> Problem:
    steps = len(drawn.operations)
    return Problem(asked, str(drawn.answer), "number", program.full(drawn), program.terse(drawn), steps, template, lang)


def _values(split: str) -> tuple[int, ...]:
    return program.TRAIN_VALUES if split == "train" else program.HELD_VALUES
