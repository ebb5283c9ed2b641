"""What is shown of a sample is what is trained of it, before and after it becomes tokens, and nothing else acts."""

from __future__ import annotations

import random

import pytest

from lapis import chat
from lapis.data.tokenise import example
from lapis.data_pages.shown import Shown, clean, of_example, of_sample
from lapis.types import Sample, Text, Turn
from tests import tiny
from tests.data import world


def trained(shown: Shown) -> str:
    return "".join(piece.text for piece in shown.pieces if piece.trained)


def whole(shown: Shown) -> str:
    return "".join("#" if piece.picture is not None else piece.text for piece in shown.pieces)


@pytest.mark.parametrize(
    "sample", [*world.mixed(6), world.document("天空是蓝色的", lang="zh")], ids=lambda one: one.kind
)
def test_the_mask_is_that_of_training(sample: Sample) -> None:
    tokenizer = tiny.tiny_tokenizer()
    made = example(sample, tokenizer, world.MODEL)
    before, after = of_sample(sample), of_example(made, tokenizer)
    ids = [token for token, on in zip(made.ids.tolist(), made.trained, strict=True) if on]
    assert trained(before) == trained(after) == tokenizer.decode(ids, specials=True)
    assert whole(after).replace("#", "") == whole(before).replace("#", "")
    assert len(before.pictures) == len(sample.images) and after.pictures == made.tiles
    assert [piece.picture for piece in after.pieces if piece.picture is not None] == list(range(len(made.tiles)))
    assert before.kind == after.kind == sample.kind


def test_special_tokens_that_a_text_only_quotes_are_no_special_tokens() -> None:
    turns = (Turn("user", (Text(f"what is {chat.END}?"),)), Turn("assistant", (Text("an end"),)))
    sample = Sample("prose", "en", "test", "CC0-1.0", turns)
    shown = of_example(example(sample, tiny.tiny_tokenizer(), world.MODEL), tiny.tiny_tokenizer())
    assert [piece.text for piece in shown.pieces if piece.special] == [chat.HUMAN, chat.AI, chat.END]
    assert any(chat.END in piece.text for piece in shown.pieces if not piece.special)


def test_what_moves_a_terminal_or_breaks_a_page_becomes_a_sign() -> None:
    assert clean("a\x1b[31mred\x00\x7f\u202etxt\ud800") == "a\u241b[31mred\u2400\u2421\ufffdtxt\ufffd"
    assert clean("a\tb\r\nc\rd") == "a\tb\nc\nd"


def test_facts_and_boxes() -> None:
    rng = random.Random(0)
    base = world.screen_sample(rng)
    sample = Sample(
        **{name: getattr(base, name) for name in base.__slots__} | {"meta": {"box": [1, 2, 3, 4], "answer": "x"}}
    )
    more = {
        "reason": "blank",
        "other": None,
        "difficulty": 0.0,
        "quality": 0.8700000047683716,
        "masked": ["mail", "ip"],
    }
    shown = of_sample(sample, more)
    assert [shown.fact(name) for name in ("difficulty", "quality", "masked")] == ["0", "0.87", "mail, ip"]
    assert shown.fact("id") == sample.fingerprint
    assert shown.boxes == ((1.0, 2.0, 3.0, 4.0),) and shown.fact("reason") == "blank"
    assert (
        shown.facts["checks"] == '{"answer": "x"}' and "other" not in shown.facts and shown.fact("kind") == "screen/ocr"
    )
