"""Which copies stay."""

from __future__ import annotations

import random

import pyarrow as pa

from lapis.data import dedup


def frame(texts: dict[str, str], keys: dict[str, str] | None = None) -> pa.Table:
    keys = keys or {name: name for name in texts}
    return pa.table({"id": list(texts), "text": list(texts.values()), "key": [keys[name] for name in texts]})


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
    empty = frame({"a": "x"}).slice(1)
    assert dedup.near(empty) == {}
    assert dedup.exact(empty) == {}
