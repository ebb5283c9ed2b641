"""Which prose is dropped, and why; and which copies stay."""

from __future__ import annotations

import random

import daft
import pytest

from lapis.data import dedup, quality
from tests.data import world

GOOD = "The cat and the dog have to be at home, and that is where they sleep with all of their friends every night."


def reason(text: str, lang: str = "en") -> str | None:
    return quality.judge(daft.from_pydict({"text": [text], "lang": [lang]})).to_pydict()["reason"][0]


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        (GOOD, "en", None),
        ("the cat of that", "en", "few words"),
        ("a b c d e of the i j k l m n o p q r s t u v w x", "en", "word length"),
        (GOOD.replace(" be", " #be"), "en", None),
        (GOOD.replace(" t", " #t"), "en", "symbols"),
        ("\n".join(f"- {GOOD}" for _ in range(3)), "en", "bullets"),
        ("\n".join(GOOD[:60] + "..." for _ in range(3)), "en", "ellipses"),
        (GOOD + " 1234567" * 9, "en", "letters"),
        (
            "foxes jump over lazy dogs while birds sing near green hills where sheep eat all day long until dusk comes",
            "en",
            "stop words",
        ),
        (world.CHINESE * 3, "zh", None),
        (world.CHINESE[:40], "zh", "few Chinese characters"),
        (world.CHINESE * 2 + GOOD * 3, "zh", "share of Chinese"),
    ],
)
def test_each_rule_says_its_reason(text: str, lang: str, expected: str | None) -> None:
    assert reason(text, lang) == expected


def frame(texts: dict[str, str], keys: dict[str, str] | None = None) -> daft.DataFrame:
    keys = keys or {name: name for name in texts}
    return daft.from_pydict({"id": list(texts), "text": list(texts.values()), "key": [keys[name] for name in texts]})


def test_exact_copies_keep_the_smallest_id() -> None:
    texts = dict.fromkeys("cabd", "x")
    assert dedup.exact(frame(texts, {"a": "1", "b": "1", "c": "1", "d": "2"})) == {"b": "a", "c": "a"}


def test_near_copies_are_found_in_both_languages_and_others_kept() -> None:
    rng = random.Random(0)
    words = [f"word{number}" for number in range(500)]
    first, second = rng.choices(words, k=150), rng.choices(words, k=150)
    changed = [*first]
    changed[70] = "other"
    han = "".join(chr(0x4E00 + rng.randrange(3000)) for _ in range(300))
    texts = {
        "b": " ".join(first),
        "a": " ".join(changed),
        "c": " ".join(second),
        "z": han,
        "y": han[:150] + "的" + han[150:],
    }
    assert dedup.near(frame(texts)) == {"b": "a", "z": "y"}


def test_no_documents_have_no_copies() -> None:
    empty = frame({"a": "x"}).where(daft.col("id") == "none")
    assert dedup.near(empty) == {}
    assert dedup.exact(empty) == {}
