"""The classifier: its loss against a plain computation, what it learns, AUC by counting pairs, what it keeps."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapis.data import labelled, linear, measure
from lapis.data.steps import classify, scored
from lapis.data_verbs import fit_quality
from lapis.types import InputError

GOOD = ("because", "therefore", "shows", "reason", "evidence")
BAD = ("click", "buy", "cheap", "offer", "now")


def made(count: int, seed: int = 0) -> list[labelled.Example]:
    """Texts in which two words of three are their label's."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        own, other = (GOOD, BAD) if number % 2 else (BAD, GOOD)
        words = [rng.choice(own if rng.random() < 0.67 else other) for _ in range(12)]
        found.append(labelled.Example(" ".join([*words, str(number)]), str(number % 2)))
    return found


def fitted(examples: list[labelled.Example]) -> linear.Linear:
    return linear.fit([one.text for one in examples], [one.label for one in examples], ["0", "1"])


def test_a_text_scores_what_its_features_weigh() -> None:
    """One word, one pair and four windows of `ab cdef`, by their own hashes."""
    weights = np.random.default_rng(0).normal(size=(2, 1 << linear.BITS)).astype(np.float32)
    classifier = linear.Linear(("x", "y", "z"), weights, np.array([0.5, -0.5], np.float32))
    index, owner = linear.gather(["ab Cdef", "", "q"])
    assert np.bincount(owner, minlength=3).tolist() == [2 + 1 + 4, 0, 1]
    words = [int(measure.text_hash(word)) >> (64 - linear.BITS) for word in ("ab", "cdef")]
    windows = [int.from_bytes(b"ab cdef"[at : at + 4], "little") * 0x9E3779B1 % 2**32 >> 14 for at in range(4)]
    assert set(words + windows) <= {*index[owner == 0].tolist()}
    logits = [[0.0, *(weights[:, index[owner == 0]].sum(1) / np.sqrt(7) + [0.5, -0.5])], [0.0, 0.5, -0.5]]
    expected = [np.exp(row) / np.exp(row).sum() for row in logits]
    np.testing.assert_allclose(classifier.probabilities(pa.array(["ab Cdef", None])), expected, rtol=1e-5)


def test_it_learns_what_its_labels_say_and_the_same_every_time() -> None:
    taught, held = labelled.split(made(300))
    assert (len(taught), len(held)) == (240, 60)
    first, second = fitted(taught), fitted(taught[::-1])
    np.testing.assert_allclose(first.weights, second.weights, atol=1e-4)
    rows = scored.change(pa.table({"text": [one.text for one in held]}), first)
    right = [one.label == "1" for one in held]
    assert rows["quality"].type == pa.float32()
    assert np.mean((rows["quality"].to_numpy() > 0.5) == right) > 0.8
    dropped = scored.judge(rows, 0.5).to_pylist()
    assert dropped == ["low quality" if value < 0.5 else None for value in rows["quality"].to_pylist()]


def test_many_labels_are_classes() -> None:
    texts = [f"{word} {word}s {number}" for number in range(12) for word in ("apple", "river", "engine")]
    classifier = linear.fit(texts, ["food", "nature", "cars"] * 12, ["cars", "food", "nature"])
    assert classify.subjects(pa.array(["an apple", "two rivers", "engines"]), classifier) == ["food", "nature", "cars"]


def test_auc_counts_pairs() -> None:
    rng = np.random.default_rng(1)
    scores, good = rng.integers(0, 9, 60) / 8, rng.random(60) < 0.4
    pairs = scores[good][:, None] - scores[~good][None]
    value, low, high = linear.auc(scores, good)
    assert value == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)
    assert low < value < high
    assert linear.auc(np.array([1.0, 0.0]), np.array([True, False])) == (1.0, 1.0, 1.0)


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    classifier = fitted(made(40))
    classifier.save(tmp_path / "q")
    again = linear.Linear.load(tmp_path / "q")
    assert again.labels == classifier.labels
    texts = pa.array(["click now", "reason"])
    np.testing.assert_array_equal(again.probabilities(texts), classifier.probabilities(texts))
    (tmp_path / "q" / "weights.safetensors").write_bytes(b"cut")
    with pytest.raises(InputError, match="not a whole classifier"):
        linear.Linear.load(tmp_path / "q")
    with pytest.raises(InputError, match="no classifier there"):
        linear.Linear.load(tmp_path / "none")


def verb(*words: str) -> None:
    """What `lapis data fit-quality` does with these words."""
    parser = argparse.ArgumentParser()
    fit_quality.options(parser)
    fit_quality.act(parser.parse_args(words))


def test_the_verb_fits_and_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "labelled.jsonl"
    path.write_text("".join(json.dumps({"text": one.text, "label": int(one.label)}) + "\n" for one in made(200)))
    verb(str(path), "--out", str(tmp_path / "out"), "--keep", "0.9")
    first, second, third, last = capsys.readouterr().out.splitlines()
    assert first.startswith("accuracy: 0.") and first.endswith("n = 40 held out)") and second.startswith("auc: 0.")
    classifier = linear.Linear.load(tmp_path / "out")
    held = labelled.split([labelled.Example(one.text, "good" if one.label == "1" else "bad") for one in made(200)])[1]
    quality = classifier.probabilities(pa.array([one.text for one in held]))[:, 1]
    good = np.array([one.label == "good" for one in held])
    assert (quality[good] >= classifier.about["threshold"]).sum() == 18 + 1
    assert third.startswith(f"threshold: {classifier.about['threshold']:.3f}") and last == str(tmp_path / "out")


def test_the_verb_keeps_labels_of_subjects_and_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    path = tmp_path / "labelled.jsonl"
    lines = [{"text": f"{word} {number}", "label": word} for number in range(10) for word in ("art", "food", "law")]
    path.write_text("\n".join(map(json.dumps, lines)))
    verb(str(path), "--out", str(tmp_path / "out"), "--column", "subject")
    classifier = linear.Linear.load(tmp_path / "out")
    assert classifier.labels == ("art", "food", "law")
    assert {*classifier.about} == {"accuracy", "column", "fitted_on"}
    for words, expected in (
        (("--keep", "0"), "--keep: 0, expected more than 0"),
        (("--good", "fine"), "no example is labelled 'fine'; labels are art, food, law"),
        (("--column", "lang"), "--column: 'lang', expected quality or subject"),
    ):
        with pytest.raises(InputError, match=expected):
            verb(str(path), "--out", str(tmp_path / "none"), *words)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["{"], "line 1: no JSON"),
        (['{"text": "a"}'], "line 1: no 'label' there"),
        (["[1]"], "line 1: no 'text' there"),
        (['{"text": " ", "label": 1}'], "line 1: 'text' is empty or no text"),
        (['{"text": "a", "label": [1]}'], "line 1: 'label' is no label"),
        ([json.dumps({"text": str(number), "label": number < 3}) for number in range(20)], "label '1': 3 examples"),
        ([json.dumps({"text": str(number), "label": 1}) for number in range(20)], "one label alone"),
    ],
)
def test_examples_that_are_none_are_refused(lines: list[str], expected: str, tmp_path: Path) -> None:
    path = tmp_path / "labelled.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=expected):
        labelled.read([path])


def test_examples_come_from_parquet_too_and_once(tmp_path: Path) -> None:
    path = tmp_path / "labelled.parquet"
    rows = [{"body": f"text {number % 30}", "kind": ("a", "b")[number % 2]} for number in range(60)]
    pq.write_table(pa.Table.from_pylist(rows), path)
    found = labelled.read([path], "body", "kind")
    assert len(found) == 30 and {one.label for one in found} == {"a", "b"}
    with pytest.raises(InputError, match="not a whole Parquet file"):
        labelled.read([path], "body", "label")
    with pytest.raises(InputError, match="no such file"):
        labelled.read([tmp_path / "none.jsonl"])
