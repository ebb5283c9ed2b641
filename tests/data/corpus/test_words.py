"""Words, n-grams and their similarity against Python's own strings and sets; rows against Sample objects."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis.data import store
from lapis.data.corpus import rows, words
from lapis.types import Sample, Text, Turn

TEXTS = st.lists(st.text(st.sampled_from("ab Z.\n\t\u3000中文é"), max_size=30), min_size=1, max_size=5)


def naive(text: str, size: int) -> set[tuple[str, ...]]:
    spaced = "".join(f" {one} " if one in "中文" else one for one in text.lower().replace("\u3000", " "))
    found = spaced.split()
    return {tuple(found[at : at + size]) for at in range(max(len(found) - size + 1, 1))} if found else set()


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(1, 5))
def test_ngrams_are_those_of_strings(texts: list[str], size: int) -> None:
    hashes, ends = words.grams(*words.words(words.spaced(pa.array(texts))), size)
    mine = [set(hashes[begin:end].tolist()) for begin, end in zip(ends, ends[1:], strict=False)]
    theirs = [naive(text, size) for text in texts]
    assert [len(one) for one in mine] == [len(one) for one in theirs]
    for first, other in zip(range(len(texts)), range(1, len(texts)), strict=False):
        assert len(mine[first] & mine[other]) == len(theirs[first] & theirs[other])
        sets = [np.array(sorted(one), dtype=np.uint64) for one in (mine[first], mine[other])]
        union = theirs[first] | theirs[other]
        assert words.alike(*sets) == (len(theirs[first] & theirs[other]) / len(union) if union else 0.0)


def test_bare_words_have_no_punctuation() -> None:
    assert words.bare(pa.array(['He said: "No-one!"'])).to_pylist()[0].split() == ["he", "said", "no", "one"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1) | st.text("aB  \n\t\x1c\x00\x7fßﬁé", min_size=1), min_size=1, max_size=4))
def test_columns_give_the_rows_that_samples_give(texts: list[str]) -> None:
    texts = [text for text in texts if text.isascii() or not any("\ud800" <= one <= "\udfff" for one in text)]
    columns = {name: ["en"] * len(texts) for name in ("lang", "source", "licence")}
    mine = rows.finish(rows.documents(columns | {"text": texts, "meta": ["{}"] * len(texts)}, "prose"))
    made = [Sample("prose", "en", "en", "en", (Turn("assistant", (Text(one),)),), document=True) for one in texts]
    assert mine.to_pylist() == store.to_table(made).to_pylist()


def test_words_of_any_length_are_told_apart() -> None:
    long = ["x" * 300 + "a", "x" * 300 + "b", "x" * 300 + "a"]
    hashes, ends = words.words(pa.array([" ".join(long), ""]))
    assert ends.tolist() == [0, 3, 3] and hashes[0] == hashes[2] != hashes[1]
