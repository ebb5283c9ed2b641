"""Preference pairs: every form gives the same pair, and a line that is none is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lapis import actions
from lapis.data.pairs import Pair, read
from lapis.data.synth import preferences
from lapis.types import InputError, Text, Turn

WANTED = Pair((Turn("user", (Text("2+2?"),)),), "4", "5")
ASK = {"role": "user", "content": "2+2?"}
FOUR, FIVE = ({"role": "assistant", "content": one} for one in "45")


def written(tmp_path: Path, *rows: Any) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "2+2?", "chosen": "4", "rejected": "5"},
        {"question": "2+2?", "chosen": "4", "rejected": "5", "system": ""},
        {"prompt": [ASK], "chosen": [FOUR], "rejected": [FIVE]},
        {"prompt": [ASK], "chosen": [ASK, FOUR], "rejected": [ASK, FIVE]},
        {"prompt": "2+2?", "chosen": FOUR, "rejected": "5", "score": 3},
        {"chosen": [ASK, FOUR], "rejected": [ASK, FIVE]},
        {"prompt": [{"role": "user", "content": [{"type": "text", "text": "2+2?"}]}], "chosen": "4", "rejected": "5"},
        {
            "conversations": [{"from": "human", "value": "2+2?"}],
            "chosen": {"from": "gpt", "value": "4"},
            "rejected": {"from": "gpt", "value": "5"},
        },
    ],
)
def test_every_form_gives_the_same_pair(row: dict[str, Any], tmp_path: Path) -> None:
    assert list(read(written(tmp_path, row, ""))) == [WANTED]


def test_longer_conversations_keep_their_turns(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Be brief."}
    (pair,) = read(
        written(tmp_path, {"chosen": [system, ASK, FIVE, ASK, FOUR], "rejected": [system, ASK, FIVE, ASK, FIVE]})
    )
    assert [turn.role for turn in pair.prompt] == ["system", "user", "assistant", "user"]
    (beside,) = read(written(tmp_path, {"system": "Be brief.", "prompt": "2+2?", "chosen": "4", "rejected": "5"}))
    assert beside.prompt[0] == Turn("system", (Text("Be brief."),)) and beside.key != WANTED.key


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ("{", "no JSON"),
        ("[1]", "expected an object"),
        ({"prompt": "a", "chosen": "b"}, "expected an object with prompt, chosen and rejected"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "the same"),
        ({"prompt": "a", "chosen": " ", "rejected": "b"}, "expected one answer"),
        ({"chosen": "b", "rejected": "c"}, "no prompt"),
        ({"prompt": 3, "chosen": "b", "rejected": "c"}, "prompt: expected a text or messages"),
        ({"prompt": "a", "chosen": [ASK], "rejected": "c"}, "expected one answer"),
        ({"prompt": [{"role": "alien", "content": "a"}], "chosen": "b", "rejected": "c"}, "a role and a text"),
        (
            {"prompt": [{"role": "user", "content": [{"type": "image_url"}]}], "chosen": "b", "rejected": "c"},
            "a role and a text",
        ),
    ],
)
def test_a_line_that_is_no_pair_is_named(row: Any, named: str, tmp_path: Path) -> None:
    path = written(tmp_path, {"prompt": "a", "chosen": "b", "rejected": "c"}, row)
    with pytest.raises(InputError) as error:
        list(read(path))
    assert str(error.value).startswith(f"{path}:2: ") and named in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        list(read(tmp_path / "none"))
    (tmp_path / "pairs.jsonl").write_bytes(b'{"prompt": "\xff"}')
    with pytest.raises(InputError, match="no UTF-8"):
        list(read(tmp_path / "pairs.jsonl"))


def test_safety_pairs_refuse_harm_and_do_what_does_none() -> None:
    made = list(preferences.safety(400, 0, "train"))
    assert made == list(preferences.safety(400, 0, "train"))
    for pair in made:
        kinds = [type(actions.parse(text)) for text in (pair.chosen, pair.rejected)]
        assert set(kinds) == {actions.Answer, actions.Click}
    refused = sum(isinstance(actions.parse(pair.chosen), actions.Answer) for pair in made) / len(made)
    assert 0.4 < refused < 0.6, "no side of a pair tells by itself which is better"
    held = {pair.key for pair in preferences.safety(200, 0, "held")}
    assert not held & {pair.key for pair in made}
    with pytest.raises(InputError, match="split"):
        next(preferences.safety(1, 0, "test"))


def test_thoughts_are_right_and_wrong_by_their_last_result() -> None:
    made = list(preferences.thoughts(20, 0, "train"))
    assert len(made) == 20
    for pair in made:
        (thought, right), (other, wrong) = (text.rsplit("\n", 1) for text in (pair.chosen, pair.rejected))
        assert right != wrong and thought != other and right in thought and wrong in other
