"""Where a pointing answer must have looked: tokens and cells against their definition, and the way into a batch."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as RawTokenizer

from lapis import chat
from lapis.data import looks, shards, tokenise
from lapis.data.loader import eval_batches
from lapis.data.synth import questions
from lapis.types import Image, Sample, Text, Turn
from tests.train import world

BOXES = [[0, 0, 500, 500], [500, 0, 500, 500]]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> chat.Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    return tokenise.train_tokenizer([world.SENTENCE + "(1,2)"] * 3, 400, folder, world.MODEL.tokens_per_tile)


def pointing(boxes: list[list[float]], width: int = 56) -> Sample:
    """One conversation that points once a box, over a picture of 2 x 2 image tokens a tile."""
    image = world.picture(random.Random(0), width, 56)
    turns: list[Turn] = []
    for number, (x, y, w, h) in enumerate(boxes):
        asked = (Text("lamp"),) if number else (image, Text("lamp"))
        point = Text(f"lamp ({x + w // 2:03},{y + h // 2:03})")
        turns += [Turn("user", asked), Turn("assistant", (point,))]
    return Sample("screen/ground", "en", "test", "CC0-1.0", tuple(turns), meta={"boxes": boxes})


def test_the_token_before_the_digits_looks_at_the_cells_of_its_box(tokenizer: chat.Tokenizer) -> None:
    made = tokenise.example(pointing(BOXES), tokenizer, world.MODEL)
    first = int(np.flatnonzero(made.ids == tokenizer.id(chat.IMAGE))[0])
    told = {}
    pointing_looks = [look for look in made.looks.tolist() if look[2] >= 0]
    for token, cell, x, y in pointing_looks:
        assert [x, y] in ([250, 250], [750, 250])
        told.setdefault(token, []).append(cell - first)
    assert list(told.values()) == [[0], [1]]
    for token in told:
        assert tokenizer.decode(made.ids[token : token + 9].tolist()).strip() in ("(250,250)", "(750,250)")


@pytest.fixture(scope="module")
def threes() -> chat.Tokenizer:
    """Digits by up to three, as Llama 3 cuts them, and every number up to three digits a token."""
    raw = RawTokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(tokenise.SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")), "isolated")
    raw.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=list(chat.SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    raw.train_from_iterator([f"{number:03} {number}" for number in range(1000)], trainer)
    return chat.Tokenizer(raw, world.MODEL.tokens_per_tile)


def test_points_of_three_digits_a_token_are_looked_for_as_well(threes: chat.Tokenizer) -> None:
    made = tokenise.example(pointing(BOXES), threes, world.MODEL)
    told = sorted({tuple(look) for look in made.looks[:, [0, 2, 3]].tolist() if look[1] >= 0})
    assert [point for _, *point in told] == [[250, 250], [750, 250]]
    for token, x, y in told:
        said = [threes.decode([one]) for one in made.ids[token : token + 5].tolist()]
        assert said[1:] == [f"{x:03}", ",", f"{y:03}", ")"] and said[0].endswith("(")


def test_nothing_is_looked_at_before_it_is_written(threes: chat.Tokenizer, tokenizer: chat.Tokenizer) -> None:
    """Digits share a token with others, and still none has what it follows from at hand too late."""
    asked = list(questions.generate(100, 0, "train"))
    for one in (threes, tokenizer):
        made = np.concatenate([tokenise.example(sample, one, world.MODEL).looks for sample in asked])
        assert len(made) > 1000 and bool((made[:, 1] <= made[:, 0]).all())


@pytest.mark.parametrize(
    ("box", "cells"),
    [
        ([0, 0, 1000, 1000], [0, 1, 2, 3]),
        ([0, 500, 1000, 500], [2, 3]),
        ([600, 600, 50, 50], [3]),
        ([985, 985, 14, 14], [3]),
        ([1000, 1000, 30, 30], []),
        ([0, 240, 10, 20], [0]),
    ],
)
def test_cells_of_a_box_in_one_tile(box: list[float], cells: list[int]) -> None:
    assert looks.covered(box, Image(b"", 56, 56), world.MODEL) == cells


def test_cells_of_a_box_in_two_tiles_and_their_thumbnail() -> None:
    """Twice as wide as a tile: the left half is the first tile, and half of the thumbnail, which is half as high."""
    assert looks.covered([0, 0, 500, 1000], Image(b"", 112, 56), world.MODEL) == [0, 1, 2, 3, 8]


def looked_at(sample: Sample, tokenizer: chat.Tokenizer, *kinds: int) -> list[tuple[str, str]]:
    """(the token that follows, the text that it looks at) of each looking token, for some kinds of looks."""
    made = tokenise.example(sample, tokenizer, world.MODEL)
    texts = [tokenizer.decode([int(one)]) for one in made.ids]
    found: dict[int, str] = {}
    for token, source, kind, _ in made.looks.tolist():
        if kind in kinds:
            found[token] = found.get(token, "") + texts[source]
    return [(texts[token + 1], text) for token, text in found.items()]


def test_a_thought_looks_at_what_it_copies(tokenizer: chat.Tokenizer) -> None:
    thought = "a42\nb-17\na=42\nb-17:2750,4120=25"
    turns = (Turn("user", (Text("42 coins and minus 17 more?"),)), Turn("assistant", (Text("25"),), thought))
    sample = Sample("math/word", "en", "test", "CC0-1.0", turns, think=True)
    found = looked_at(sample, tokenizer, looks.FROM_QUESTION, looks.FROM_THOUGHT)
    copied = [("a", "4"), ("4", "4"), ("2", "2"), ("b", "1"), ("-", "minus"), ("1", "1"), ("7", "7")]
    assert [(one, text.strip()) for one, text in found[:7]] == copied
    line = [(one, text) for one, text in found[7:] if one not in ("\n", "")]
    assert "".join(one for one, _ in line) == "a42b-17274125" and all(one == text for one, text in line[1:])
    assert [text for one, text in found[7:] if one in ("\n", "")] == ["b", "a"], "what goes on, and that nothing does"


def test_question_and_thought_look_at_clues(tokenizer: chat.Tokenizer) -> None:
    thought = "a42\nb-17\nc+30\na=42\nb-17:2750,4120=25\nc+30:5050,2350=55"
    turns = (Turn("user", (Text("42 coins, minus 17 and plus 30."),)), Turn("assistant", (Text("55"),), thought))
    sample = Sample("math/word", "en", "test", "CC0-1.0", turns, think=True)
    found = looked_at(sample, tokenizer, looks.CLUE)
    plan = next(at for at, (one, _) in enumerate(found) if one == "b")
    assert found[plan : plan + 9] == [*zip("b-17c+30a", "222277770", strict=True)]
    assert found[plan + 9 :] == [*zip("50205050", "----++++", strict=True)]
    before = "".join(text for _, text in found[:plan])
    assert before == "2" * before.count("2") + "7" * before.count("7") + "0" and len(before) > 6


def test_names_that_are_pointed_at_come_from_their_question(tokenizer: chat.Tokenizer) -> None:
    """Each of the answer's characters from its own turn's question, found by the one before it."""
    sample = pointing(BOXES)
    made = tokenise.example(sample, tokenizer, world.MODEL)
    texts = [tokenizer.decode([int(one)]) for one in made.ids]
    read = [(token, source) for token, source, kind, _ in made.looks.tolist() if kind == looks.FROM_QUESTION]
    assert "".join(texts[token + 1] for token, _ in read) == "".join(texts[source] for _, source in read) == "lamplamp"
    ends = [at for at, one in enumerate(made.ids) if one == tokenizer.id(chat.END)]
    assert [source < ends[0] for _, source in read] == [token < ends[0] for token, _ in read]


def test_each_token_of_a_name_looks_at_where_the_picture_shows_it(tokenizer: chat.Tokenizer) -> None:
    """And none where the picture shows something else there."""
    there = {"words": [("lamp", 40.0, 10.0, 10.0, 10.0), ("tea", 2.0, 10.0, 10.0, 10.0)]}
    made = tokenise.example(replace(pointing(BOXES), cells=(there,)), tokenizer, world.MODEL)
    first = int(np.flatnonzero(made.ids == tokenizer.id(chat.IMAGE))[0])
    named = [(token, cell - first) for token, cell, kind, _ in made.looks.tolist() if kind == looks.NAME]
    assert "".join(tokenizer.texts[made.ids[token]] for token, _ in named) == "lamp"
    assert {cell for _, cell in named} == {1}, "the second box; the first shows tea"


def test_what_a_plan_reads_is_numbered_in_question_and_plan(tokenizer: chat.Tokenizer) -> None:
    """Every token that is read, and every one that writes what it read next; the question's end has the next number."""
    asked, thought = "42 coins and minus 17 more?", "a42\nb-17\na=42\nb-17:2750,4120=25"
    turns = (Turn("user", (Text(asked),)), Turn("assistant", (Text("25"),), thought))
    made = tokenise.example(Sample("math/word", "en", "test", "CC0-1.0", turns, think=True), tokenizer, world.MODEL)
    texts = [tokenizer.texts[token] for token in made.ids]
    lines = {token: line for token, _, kind, line in made.looks.tolist() if kind == looks.ORDER}
    begin = list(made.ids).index(tokenizer.id(chat.THINK))
    told = ["".join(texts[at] for at in lines if lines[at] == line and at < begin) for line in range(3)]
    assert [text.replace(" ", "") for text in told] == ["42", "minus17", "\n"]
    written = [(texts[at + 1], line) for at, line in lines.items() if at > begin]
    assert written == [("a", 0), ("4", 0), ("2", 0), ("b", 1), ("-", 1), ("1", 1), ("7", 1), ("a", 2)]


def test_a_number_of_a_picture_is_looked_at_where_it_is_named_first(tokenizer: chat.Tokenizer) -> None:
    turns = (Turn("user", (world.picture(random.Random(0), 56, 56), Text("Tea?"))), Turn("assistant", (Text("42"),)))
    turns = (turns[0], replace(turns[1], thought="lamp (750,250)42,coins 17\na42\nb+17"))
    meta = {"values": {"42": BOXES[0]}, "boxes": [BOXES[1]]}
    shown = Sample("screen/math", "en", "test", "CC0-1.0", turns, think=True, meta=meta)
    made = tokenise.example(shown, tokenizer, world.MODEL)
    text = [tokenizer.texts[one] for one in made.ids]
    seen = [(token, source) for token, source, kind, _ in made.looks.tolist() if kind == looks.FROM_PICTURE]
    image = list(made.ids).index(tokenizer.id(chat.IMAGE))
    assert [text[token + 1] for token, _ in seen] == ["4", "2", ","] and {source for _, source in seen} == {image}
    assert {value for *_, kind, value in made.looks.tolist() if kind == looks.FROM_PICTURE} == {42}
    pointed = [(text[token + 1], x, y) for token, _, x, y in made.looks.tolist() if x >= 0]
    assert pointed == [("7", 750, 250)]
    own = [text[token + 1] for token, _, kind, _ in made.looks.tolist() if kind == looks.FROM_THOUGHT]
    assert own == ["4", "2", "1", "7"]


def test_other_kinds_copy_nothing(tokenizer: chat.Tokenizer) -> None:
    turns = (Turn("user", (Text("42"),)), Turn("assistant", (Text("a42"),)))
    for kind, copies in (("screen/qa", False), ("math/word", True)):
        made = tokenise.example(Sample(kind, "en", "test", "CC0-1.0", turns), tokenizer, world.MODEL)
        assert bool(len(made.looks)) == copies


def test_without_boxes_no_point_is_looked_at(tokenizer: chat.Tokenizer) -> None:
    bare = replace(pointing(BOXES), meta={})
    found = tokenise.example(bare, tokenizer, world.MODEL).looks
    assert found.shape == (4, 4) and (found[:, 2] == looks.FROM_QUESTION).all()


def test_a_box_without_a_point_is_refused(tokenizer: chat.Tokenizer) -> None:
    wrong = replace(pointing(BOXES), meta={"boxes": BOXES[:1]})
    with pytest.raises(ValueError, match="argument"):
        tokenise.example(wrong, tokenizer, world.MODEL)


def test_looks_survive_a_shard_and_move_with_their_row(tokenizer: chat.Tokenizer, tmp_path: Path) -> None:
    samples = [pointing(BOXES), pointing(BOXES[:1], 112), world.prose(random.Random(1))]
    made = [tokenise.example(one, tokenizer, world.MODEL) for one in samples]
    entry = shards.write_shard(tmp_path, "a", made)
    shards.write_index(tmp_path, [entry], "none")
    back = shards.Shards(tmp_path)
    assert [back.read(number).looks.tolist() for number in range(3)] == [one.looks.tolist() for one in made]
    image = tokenizer.id(chat.IMAGE)
    for batch in eval_batches(samples, tokenizer, world.MODEL, replace(world.PACK, row_tokens=256, rows=1)):
        assert len(batch.looks_L5) == sum(len(one.looks) for one in made)
        for row, token, cell, x, _ in batch.looks_L5.tolist():
            assert batch.documents_BT[row, token] == batch.documents_BT[row, cell]
            if x < 0:
                continue
            assert batch.tokens_BT[row, cell] == image
            assert tokenizer.decode([int(batch.tokens_BT[row, token])]).endswith("(")


def test_an_answer_looks_at_the_hidden_fact(tokenizer: chat.Tokenizer) -> None:
    turns = (
        Turn("user", (Text("the sky is blue\ncode is 42 here\nwhat is the code?"),)),
        Turn("assistant", (Text("42"),)),
    )
    sample = Sample("long/needle", "en", "test", "CC0-1.0", turns)
    assert looked_at(sample, tokenizer, looks.FROM_QUESTION) == [("4", "4"), ("2", "2")]


def test_a_later_answer_looks_at_the_text_of_the_first_question(tokenizer: chat.Tokenizer) -> None:
    asked = ("The code of the red hut is 42.\nThe code of the old tent is 17.\nWhat is the code of the red hut?", "42")
    again = ("What is the code of the old tent?", "17")
    roles = ("user", "assistant")
    turns = tuple(Turn(role, (Text(text),)) for pair in (asked, again) for role, text in zip(roles, pair, strict=True))
    sample = Sample("long/needle", "en", "test", "CC0-1.0", turns)
    assert looked_at(sample, tokenizer, looks.FROM_QUESTION) == [("4", "4"), ("2", "2"), ("1", "1"), ("7", "7")]
    assert looked_at(sample, tokenizer, looks.CLUE)
