"""Classifiers, a reader and key data in the engine, by models that are written down here."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapis import config
from lapis.data import linear, store
from lapis.data.corpus import part
from lapis.data.linear import Linear
from lapis.data.models import Models
from lapis.data.steps import select
from lapis.types import Completion, InputError, Request, Sample
from tests.data import world
from tests.data.corpus import made
from tests.data.steps.rows import talk

SPAM = "clickbait"


@dataclass
class Longer:
    """A reader that finds long texts hard, and images as telling as `gain` says. Keeps what it was asked."""

    gain: float = 1.0
    asked: list[str] = field(default_factory=list)

    def losses(self, samples: Sequence[Sample], images: bool = True) -> list[float]:
        self.asked += [sample.turns[-1].text for sample in samples]
        return [self._loss(sample, images) for sample in samples]

    def _loss(self, sample: Sample, images: bool) -> float:
        return len(sample.turns[-1].text) / 500 + (self.gain if sample.images and not images else 0)


class Guesses:
    """Answers `4` on every even seed."""

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        said = ["4" if request.seed % 2 == 0 else "5" for request in requests]
        return [Completion(text, "", (), (), (), (), 0, "stop", True) for text in said]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    rng = random.Random(3)
    return [made.text(rng, rng.randint(8, 16)) for _ in range(80)]


def read(samples: Path) -> pa.Table:
    """All samples with their further columns."""
    return pa.concat_tables(pq.read_table(path) for path in sorted(samples.glob("*.parquet")))


def classifier(folder: Path, word: str, **about: object) -> str:
    """A classifier that calls bad, its first label, whatever has the word."""
    weights = np.zeros((1, 1 << linear.BITS), np.float32)
    weights[0, linear.gather([word])[0][0]] = -1e4
    Linear(("bad", "good"), weights, np.array([4.0], np.float32), about).save(folder)
    return str(folder)


def test_a_classifier_drops_what_lies_under_its_threshold_and_tells_quality(tmp_path: Path, texts: list[str]) -> None:
    made.write(tmp_path / "a.jsonl", [texts[0], f"{SPAM} {texts[1]}", texts[2]])
    words = [f"classifiers.quality={classifier(tmp_path / 'q', SPAM, threshold=0.5)}"]
    subject = Linear(("art", "food"), np.zeros((1, 1 << linear.BITS), np.float32), np.array([4.0], np.float32))
    subject.save(tmp_path / "s")
    words.append(f"classifiers.subject={tmp_path / 's'}")
    counts = made.run(made.data({"web": tmp_path / "a.jsonl"}, *words), tmp_path)
    lines = {step["name"]: step["dropped"] for step in counts["steps"]}
    assert lines["scored"] == {"low quality": 1}
    rows = read(tmp_path / "samples")
    assert rows["text"].to_pylist() == [texts[0], texts[2]]
    assert rows["quality"].to_pylist() == [pytest.approx(1 / (1 + math.exp(-4)), abs=1e-6)] * 2
    assert rows["subject"].to_pylist() == ["food", "food"]
    assert [row["text"] for row in made.dropped(tmp_path) if row["reason"] == "low quality"] == [f"{SPAM} {texts[1]}"]
    made.run(made.data({"web": tmp_path / "a.jsonl"}, *words, "classifiers.least=0"), tmp_path)
    assert len(made.kept(tmp_path)) == 3


def test_another_classifier_in_the_same_folder_has_all_scored_again(tmp_path: Path, texts: list[str]) -> None:
    made.write(tmp_path / "a.jsonl", [texts[0], f"{SPAM} {texts[1]}", f"other {texts[2]}"])
    settings = made.data(
        {"web": tmp_path / "a.jsonl"}, f"classifiers.quality={classifier(tmp_path / 'q', SPAM, threshold=0.5)}"
    )
    made.run(settings, tmp_path)
    classifier(tmp_path / "q", "other", threshold=0.5)
    from lapis.data.corpus import steps

    steps.classifier.cache_clear()
    made.run(settings, tmp_path)
    assert made.kept(tmp_path) == [texts[0], f"{SPAM} {texts[1]}"]
    (tmp_path / "q/weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"data.corpus.classifiers.quality: .*weights.safetensors is missing"):
        made.run(settings, tmp_path)


@pytest.fixture
def join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pa.Table]:
    """The engine over given samples; returns the samples that stay."""

    def run(samples: Sequence[Sample], models: Models, *words: str) -> pa.Table:
        source = config.Source("jsonl", str(made.write(tmp_path / "a.jsonl", ["x"])), lang="en")
        skipped = 'skip=["pictures","quality","private"]'
        data = config.Data(sources={"web": source}, made=False, workers=1, corpus=made.corpus(skipped, *words))
        monkeypatch.setattr(part, "_read", lambda *words: iter([store.to_table(samples)]))
        made.run(data, tmp_path, models)
        return read(tmp_path / "samples")

    return run


def test_difficulty_is_the_loss_or_the_share_of_wrong_answers(join: Callable[..., pa.Table]) -> None:
    asked = [talk(f"what is {at} and {4 - at}?", "4", verifier="number", answer="4") for at in (1, 2)]
    samples = [*asked, world.document("a text that no one can check")]
    words = ("reader.model=any", "reader.answers=4")
    rows = join(samples, Models(scorer=Longer(), generator=Guesses(), reader="one"), *words)
    assert rows["difficulty"].to_pylist() == [0.5, 0.5, pytest.approx(1 - math.exp(-28 / 500), abs=1e-6)]
    by_loss = join(samples, Models(scorer=Longer(), reader="two"), "reader.model=any")
    assert by_loss["difficulty"].to_pylist()[0] == pytest.approx(1 - math.exp(-1 / 500), abs=1e-6)


def test_a_picture_that_tells_nothing_goes_where_the_reader_sees(join: Callable[..., pa.Table], tmp_path: Path) -> None:
    samples = [talk("what is it?", "a lamp", image=world.picture(random.Random(0))), world.document("a text")]
    blind = join(samples, Models(scorer=Longer(gain=0.0), reader="text"), "reader.model=any")
    assert (blind.num_rows, blind["gain"].to_pylist()) == (2, [None, None])
    assert join(samples, Models(scorer=Longer(), sees=True, reader="good"), "reader.model=any").num_rows == 2
    left = join(samples, Models(scorer=Longer(gain=0.0), sees=True, reader="bad"), "reader.model=any")
    assert left["kind"].to_pylist() == ["prose"]
    assert [(row["step"], row["reason"]) for row in made.dropped(tmp_path)] == [("agreement", "image tells nothing")]


def expected(texts: Sequence[str], rules: config.Select) -> list[str]:
    """What the rule takes, on one table with no engine around it."""
    rows = store.to_table([world.document(text) for text in texts])
    told = [1 - math.exp(-len(text) / 500) for text in texts]
    rows = rows.append_column("difficulty", pa.array(told, pa.float32()))
    tally = select.Tally(rules)
    tally.add(rows)
    return list(select.taken(select.change(rows, tally.plan()))["text"].to_pylist())


def test_key_data_is_taken_as_the_rule_says_and_nothing_is_read_twice(tmp_path: Path, texts: list[str]) -> None:
    for number in range(4):
        made.write(tmp_path / f"web/{number}.jsonl", texts[20 * number : 20 * number + 20])
    place, words = {"web": tmp_path / "web/*.jsonl"}, ["reader.model=any", "resample=true", "slice_mb=1e-6"]
    reader = Longer()
    counts = made.run(made.data(place, *words), tmp_path, Models(scorer=reader, reader="one"))
    assert made.kept(tmp_path) == expected(texts, config.Select())
    assert sorted(reader.asked) == sorted(texts)
    last = counts["steps"][-1]
    assert (last["name"], last["in"]) == ("select", 80) and last["out"] == len(set(made.kept(tmp_path)))
    assert len([row for row in made.dropped(tmp_path) if row["step"] == "select"]) == 80 - last["out"]
    told = json.loads((tmp_path / "corpus/select.json").read_text(encoding="utf-8"))["kinds"]["prose"]
    assert (told["rows"], told["taken_rows"]) == (80, len(made.kept(tmp_path)))
    assert told["bytes"] == sum(map(len, texts)) and told["taken_bytes"] == pytest.approx(told["bytes"], rel=0.1)
    other = made.data(place, *words, "select.hard=2")
    made.run(other, tmp_path, Models(scorer=reader, reader="one"))
    assert made.kept(tmp_path) == expected(texts, config.Select(hard=2)) and len(reader.asked) == 80
    made.run(other, tmp_path, Models(scorer=reader, reader="another"))
    assert len(reader.asked) == 160
    made.run(made.data(place, "slice_mb=1e-6"), tmp_path)
    assert made.kept(tmp_path) == texts and not (tmp_path / "corpus/select.json").exists()


class Cut(Exception):
    """The build is killed."""


@pytest.mark.parametrize(
    ("first", "second", "step"),
    [
        ((), ('evaluations.against=["EXAM"]',), 1),
        (("reader.model=any",), (), 1),
        (("reader.model=any", "resample=true"), ("reader.model=any", "resample=true", "select.hard=2"), 2),
    ],
)
def test_settings_that_are_set_back_after_a_kill_give_what_they_gave(
    first: Sequence[str],
    second: Sequence[str],
    step: int,
    tmp_path: Path,
    texts: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kill comes once samples are written and before that is told: by `write` or, in the second step, `weigh`."""
    made.write(tmp_path / "a.jsonl", texts[:40])
    exam = made.write(tmp_path / "exam.jsonl", texts[3:5])

    def build(words: Sequence[str]) -> dict[str, bytes]:
        words = [word.replace("EXAM", str(exam)) for word in words]
        made.run(made.data({"web": tmp_path / "a.jsonl"}, *words), tmp_path, Models(scorer=Longer(), reader="one"))
        return made.contents(tmp_path / "samples")

    before, left = build(first), step

    def dies(tally: object) -> pa.Table:
        nonlocal left
        left -= 1
        if not left:
            raise Cut
        return examples(tally)

    examples = part.examples
    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(part, "examples", dies)
        build(second)
    assert made.contents(tmp_path / "samples") != before
    assert build(first) == before


KILLED = """
import signal, sys
from pathlib import Path
from lapis.data.models import Models
from tests.data.corpus import made
from tests.data.corpus.test_weigh import Longer

def run(out, after):
    return made.killed(lambda: made.run(settings, out, Models(scorer=Longer(), reader="one")), after)

folder = Path(sys.argv[1])
settings = made.data({"web": folder / "web/*.jsonl"}, "slice_mb=1e-6", "reader.model=any", "resample=true")
run(folder / "whole", 0)
for after in (20, 5, 8, 9):
    code = run(folder / "cut", after)
    assert code == -signal.SIGKILL, (after, code)
run(folder / "cut", 0)
"""


def test_killed_while_it_grades_and_weighs_gives_the_same_bytes(tmp_path: Path, texts: list[str]) -> None:
    made.write(tmp_path / "web/a.jsonl", texts[:20])
    made.write(tmp_path / "web/b.jsonl", texts[20:40])
    words = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(words, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert made.contents(tmp_path / "cut") == made.contents(tmp_path / "whole")


def test_processes_resample_as_one_does(tmp_path: Path, texts: list[str]) -> None:
    made.write(tmp_path / "web/a.jsonl", texts[:40])
    made.write(tmp_path / "web/b.jsonl", texts[40:])
    settings = made.data({"web": tmp_path / "web/*.jsonl"}, "slice_mb=1e-6", "resample=true")
    tree: dict[str, Any] = json.loads(config.dump(settings))
    made.run(settings, tmp_path / "one")
    made.run(config.check(config.Data, tree | {"workers": 2}), tmp_path / "two")
    assert made.contents(tmp_path / "one") == made.contents(tmp_path / "two")
