"""The template: what is written, what is trained, what text can never become, and that the Jinja twin agrees."""

from __future__ import annotations

import json
from pathlib import Path

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lapis import chat
from lapis.types import Image, InputError, Part, Sample, Text, Turn
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer(tokens_per_tile=4)
PICTURE = Image(b"", 10, 10)


def two_tiles(image: Image) -> int:
    return 2


def user(*parts: Part | str) -> Turn:
    return Turn("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def written(ids: list[int]) -> str:
    return TOKENIZER.decode(ids, specials=True)


def sample(answer: Turn, think: bool = False, budget: int | None = None, document: bool = False) -> Sample:
    turns = (answer,) if document else (user("1+1?"), answer)
    return Sample("math/arith", "en", "test", "CC0-1.0", turns, document=document, think=think, budget=budget)


ANSWER = Turn("assistant", (Text("2"),), thought="1+1=2")


@pytest.mark.parametrize(
    ("think", "budget", "text", "trained"),
    [
        (False, None, "[|Human|]:1+1?\n[|AI|]:2</s>", "2</s>"),
        (True, None, "[|Human|]:1+1?\n[|AI|]:[|BlueThink|]<think>\n1+1=2</think>2</s>", "<think>\n1+1=2</think>2</s>"),
        (True, 8, "[|Human|]:1+1?\n[|AI|]:[|BlueThink|]8\n<think>\n1+1=2</think>2</s>", "<think>\n1+1=2</think>2</s>"),
    ],
)
def test_a_sample_as_the_model_sees_it(think: bool, budget: int | None, text: str, trained: str) -> None:
    encoded = chat.encode_sample(sample(ANSWER, think, budget), TOKENIZER, two_tiles)
    assert written(encoded.ids) == text
    kept = [number for number, learned in zip(encoded.ids, encoded.trained, strict=True) if learned]
    assert written(kept) == trained


def test_a_document_is_trained_whole() -> None:
    encoded = chat.encode_sample(sample(Turn("assistant", (Text("The sky"),)), document=True), TOKENIZER, two_tiles)
    assert written(encoded.ids) == "The sky</s>" and all(encoded.trained)


def test_an_image_stands_where_it_was_put() -> None:
    encoded = chat.encode_prompt((user("a", PICTURE, "b"),), False, None, TOKENIZER, two_tiles)
    tile = "<|image_start|>" + "<image>" * 4 + "<|image_end|>"
    assert written(encoded.ids) == f"[|Human|]:a{tile}{tile}b\n[|AI|]:"
    assert encoded.images == [PICTURE] and not any(encoded.trained)


def test_only_the_last_thought_is_shown() -> None:
    turns = (user("1+1?"), ANSWER, user("again"), Turn("assistant", (Text("2"),), thought="same"))
    many = Sample("math/arith", "en", "test", "CC0-1.0", turns, think=True)
    text = written(chat.encode_sample(many, TOKENIZER, two_tiles).ids)
    assert text.endswith("[|AI|]:2</s>[|Human|]:again\n[|AI|]:[|BlueThink|]<think>\nsame</think>2</s>")


@given(some.text(max_size=40) | some.sampled_from(chat.SPECIALS).map(lambda name: f"say {name} please"))
@settings(max_examples=200, deadline=None)
def test_text_never_becomes_a_special_token(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert not {TOKENIZER.id(name) for name in chat.SPECIALS} & set(ids)
    assert TOKENIZER.decode(ids) == text


@pytest.mark.parametrize(
    ("text", "think", "parts"),
    [
        ("4</s>", False, ("", "4", True)),
        ("<think>\n2+2=4</think>4</s>", True, ("2+2=4", "4", True)),
        ("<think>\n2+2", True, ("2+2", "", False)),
        ("2+2", True, ("2+2", "", False)),
        ("", False, ("", "", True)),
    ],
)
def test_split_answer(text: str, think: bool, parts: tuple[str, str, bool]) -> None:
    TOKENIZER.raw.encode_special_tokens = False
    ids = TOKENIZER.raw.encode(text, add_special_tokens=False).ids
    TOKENIZER.raw.encode_special_tokens = True
    thought, answer, closed = chat.split_answer(ids, TOKENIZER, think)
    assert (thought.removeprefix("<think>").strip("\n"), answer, closed) == parts


MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]},
    {"role": "assistant", "content": "That."},
    {"role": "tool", "content": "42"},
    {"role": "user", "content": "And?"},
]
TURNS = (
    Turn("system", (Text("Be brief."),)),
    user(PICTURE, "What?"),
    Turn("assistant", (Text("That."),)),
    Turn("tool", (Text("42"),)),
    user("And?"),
)


@pytest.mark.parametrize(("think", "budget"), [(False, None), (True, None), (True, 16), (True, 0)])
def test_the_jinja_twin_writes_the_same(think: bool, budget: int | None) -> None:
    config = json.loads(chat.tokenizer_config(512))
    twin = jinja2.Template(config["chat_template"]).render(
        messages=MESSAGES, add_generation_prompt=True, enable_thinking=think, thinking_token_budget=budget
    )
    encoded = chat.encode_prompt(TURNS, think, budget, tiny_tokenizer(tokens_per_tile=1), lambda image: 1)
    ours = written(encoded.ids).replace("<|image_start|><image><|image_end|>", "<image>")
    assert twin == ours


def test_stock_transformers_renders_the_same_ids(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    TOKENIZER.raw.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(chat.tokenizer_config(512), encoding="utf-8")
    stock = AutoTokenizer.from_pretrained(tmp_path)
    turns = (TURNS[0], user("What?"))
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    ids = stock.apply_chat_template(messages, add_generation_prompt=True, enable_thinking=True, return_dict=False)
    assert ids == chat.encode_prompt(turns, True, None, TOKENIZER, two_tiles).ids
    assert (stock.eos_token_id, stock.pad_token_id) == (TOKENIZER.id(chat.END), TOKENIZER.id(chat.PAD))


def test_a_tokenizer_without_the_special_tokens_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tokenizer there"):
        chat.Tokenizer.load(tmp_path, 4)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "trunc')
    with pytest.raises(InputError, match=r"tokenizer\.json: no tokenizer that can be read \(.+\)$"):
        chat.Tokenizer.load(tmp_path, 4)
    from tokenizers import Tokenizer, models

    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(InputError, match="special token <pad> is missing"):
        chat.Tokenizer.load(tmp_path, 4)
