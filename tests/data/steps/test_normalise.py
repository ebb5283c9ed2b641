"""Unicode repair: what changes, what never does, and that turns and text say the same."""

from __future__ import annotations

import unicodedata

import pyarrow as pa
import pytest

from lapis.data import store
from lapis.data.steps import normalise
from lapis.data.steps.rewrite import matching
from tests.data.steps.rows import documents, talk


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("schÃ¶n und â€œgutâ€\x9d", "schön und “gut”"),
        ("ä¸\xadæ–‡", "中文"),
        ("e\u0301te\u0301", "été"),
        ("a\r\nb\rc\u2028d\x0be\x0cf", "a\nb\nc\nd\ne\nf"),
        ("a\x00b\x1bc\u200bd\ufeffe\u202ef\xadg", "abcdefg"),
        ("1\xa0000\u202f000", "1 000 000"),
        ("the ﬁrst oﬃce", "the first office"),
        ("it’s “so”, 全角：ＡＢＣ，１２３", "it’s “so”, 全角：ＡＢＣ，１２３"),
        ("&lt;b&gt; x\u00b2 ① ½", "&lt;b&gt; x\u00b2 ① ½"),
        ("👩\u200d💻 ن\u200cم", "👩\u200d💻 ن\u200cم"),
        ("", ""),
    ],
)
def test_repair(text: str, expected: str) -> None:
    assert normalise.repair(text) == expected
    assert normalise.repair(expected) == expected
    assert normalise.change(documents(text))["text"].to_pylist() == [expected]


def test_what_is_called_safe_needs_no_repair_wherever_it_stands() -> None:
    every = "".join(chr(code) for first, last in normalise.SAFE for code in range(ord(first), ord(last) + 1))
    assert normalise.repair(every) == every
    assert unicodedata.is_normalized("NFC", "".join("a" + char for char in every))
    assert all(unicodedata.combining(char) == 0 for char in every)
    assert not matching(documents("a" + every), normalise.PATTERN).any()


def test_turns_thoughts_and_answers_are_repaired_with_the_text() -> None:
    rows = store.to_table(
        [talk("cafe\u0301\r\n?", "a\x00b", "e\u0301", answer="a\x00b", seed=7), talk("plain", "text")]
    )
    rows = rows.append_column("quality", pa.array([0.5, 0.25]))
    changed = normalise.change(rows)
    first, second = store.from_table(changed.select(store.SCHEMA.names))
    assert [turn.text for turn in first.turns] == ["café\n?", "ab"]
    assert (first.turns[1].thought, first.meta) == ("é", {"answer": "ab", "seed": 7})
    assert changed["text"][0].as_py() == "café\n?\nab"
    assert changed["id"][0].as_py() == first.fingerprint != rows["id"][0].as_py()
    assert changed["key"][0].as_py() == store.key(first)
    assert changed.slice(1).to_pylist() == rows.slice(1).to_pylist()
    assert second.turns[0].text == "plain"


def test_rows_that_need_nothing_are_the_same_table() -> None:
    rows = documents("plain “text” — 中文。", "more")
    assert normalise.change(rows) is rows
