"""Generated problems with exact answers and worked thoughts: sums, word problems, small logic.

Two more kinds are for training alone: `math/digit`, short sums of larger numbers, and `math/read`, questions that are
only to be read.

What held-out questions (`split="held"`) have that training has not:
- numbers: every two-digit number of a held-out question lies in one of program.HELD_RANGES (16-18, 23-25, 34-36 and so
  on, three of every ten); training questions never show one of these (program.TRAIN_VALUES). The digit pairs and
  carries of held-out work occur in training through other numbers, and through running values, which may lie anywhere
  in 10-99 (`math/digit` has longer ones). Factors of 2 and 3 are shared;
- sentences, and in word problems names and things (frames_en, frames_zh, logic.WORDS); the verbs are known;
- length: at least four steps (training has two to six).

Questions of the two splits can therefore never be equal; `key` is what a count of duplicates compares.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from lapis.data.synth import logic, program, words
from lapis.data.synth.problem import Count, Problem, bytes_of, sample
from lapis.types import InputError, Sample

KINDS = {"math/digit": 0.14, "math/read": 0.16, "math/arith": 0.2, "math/word": 0.35, "math/logic": 0.15}
"""Shares of training samples."""
HELD_KINDS = {"math/arith": 0.4, "math/word": 0.4, "math/logic": 0.2}
"""Shares of held-out samples. All are given with a thought; whoever measures asks them in both modes."""
STEPS: dict[str, dict[int, int]] = {"train": {2: 2, 3: 3, 4: 3, 5: 4, 6: 3}, "held": {4: 1, 5: 1}}
"""How many calculations sums and word problems take, with weights: too few long ones and a plan ends too soon."""
DRILL_STEPS = (1, 1, 2)
"""Calculations of `math/digit`, one drawn."""
READ_STEPS = (3, 4, 5, 6)
"""Calculations of `math/read`, one drawn: questions whose answer is what a thought copies from them."""
READ = {"en": "Only list the steps.", "zh": "只列出步骤。"}
"""What `math/read` adds to a question."""


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
    if kind == "math/read":
        return sample(_read(rng, lang), kind, source, rng, tokens, think=False)
    if kind == "math/digit":
        problem = _drill(rng, lang)
    elif kind == "math/logic":
        problem = logic.draw(rng, lang, split)
    else:
        problem = (_arith if kind == "math/arith" else _word)(rng, lang, split)
    return sample(problem, kind, source, rng, tokens, think=True if split == "held" else None)


def _drill(rng: random.Random, lang: str) -> Problem:
    """A short sum of larger numbers."""
    drawn = drill(rng, rng.choice(DRILL_STEPS))
    return _worked(drawn, words.asked_sum(drawn, words.FRAMES[lang, "train"], rng), "digit", lang)


def drill(rng: random.Random, steps: int) -> program.Program:
    """A chain of `steps` changes whose numbers are none of HELD_VALUES: one to three digits, results of 0-999.

    Many have three digits, so that no pair of digits is improbable to copy.
    """
    drawn = program.Program(program.Term(_number(rng)), ())
    while len(drawn.changes) < steps:
        sign = rng.choice("++++---*/")
        right = {"*": rng.choice(program.FACTORS), "/": 2}.get(sign) or _number(rng)
        done = program.Operation(drawn.answer, sign, right)
        if 0 <= done.result <= 999 and (sign != "/" or done.left % 2 == 0):
            drawn = program.Program(drawn.start, (*drawn.changes, program.Change(sign, program.Term(right))))
    return drawn


def _number(rng: random.Random) -> int:
    pool = rng.choices((range(1, 10), program.TRAIN_VALUES, range(100, 1000)), (1, 4, 5))[0]
    return rng.choice(pool)


def _read(rng: random.Random, lang: str) -> Problem:
    """A sum or word problem that is only to be read: much practice in few tokens of what thoughts begin with."""
    frames, story = words.FRAMES[lang, "train"], rng.random() < 0.7
    drawn = program.draw(rng, program.TRAIN_VALUES, rng.choice(READ_STEPS), start="*+-" if story else "")
    asked = (words.word_problem if story else words.asked_sum)(drawn, frames, rng)
    lines, steps = program.lettered(program.copied(drawn)), len(drawn.operations)
    return Problem(f"{asked}{frames.joint}{READ[lang]}", lines, "text", "", "", steps, "read", lang)


def _arith(rng: random.Random, lang: str, split: str) -> Problem:
    frames, steps = words.FRAMES[lang, split], _steps(rng, split)
    spoken = rng.random() < 0.3
    drawn = program.draw(rng, _values(split), steps, inner="" if spoken else "*+-")
    asked = (words.spoken_sum if spoken else words.asked_sum)(drawn, frames, rng)
    return _worked(drawn, asked, f"{'spoken' if spoken else 'sum'}/{split}", lang)


def _word(rng: random.Random, lang: str, split: str) -> Problem:
    drawn = program.draw(rng, _values(split), _steps(rng, split), start="*+-")
    return _worked(drawn, words.word_problem(drawn, words.FRAMES[lang, split], rng), f"word/{split}", lang)


def _worked(drawn: program.Program, asked: str, template: str, lang: str) -> Problem:
    steps = len(drawn.operations)
    return Problem(asked, str(drawn.answer), "number", program.full(drawn), program.terse(drawn), steps, template, lang)


def _steps(rng: random.Random, split: str) -> int:
    return rng.choices(list(STEPS[split]), list(STEPS[split].values()))[0]


def _values(split: str) -> tuple[int, ...]:
    return program.TRAIN_VALUES if split == "train" else program.HELD_VALUES
