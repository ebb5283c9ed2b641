"""Actions as JSON: read back whole, refused with one line, and always ended and valid under the schema."""

from __future__ import annotations

import json
import random
from typing import Any

import llguidance
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapis import actions, chat
from lapis.types import InputError
from tests.serve.small import byte_tokenizer

EACH: list[actions.Action] = [
    actions.Open(text="Mail"),
    actions.Click(target="Save", coordinate=(812, 64)),
    actions.DoubleClick(coordinate=(0, 1000)),
    actions.LongPress(target="图片", coordinate=(5, 5)),
    actions.Type(target="City", coordinate=(500, 9), text='Lis"bon\n'),
    actions.Type(text="Lisbon"),
    actions.Swipe(coordinate=(500, 750), coordinate2=(500, 250)),
    actions.Drag(target="Tea", coordinate=(1, 2), coordinate2=(3, 4)),
    actions.SystemButton(button="back"),
    actions.Wait(seconds=3),
    actions.Terminate(status="success"),
    actions.TakeNotes(text="Tea 12"),
    actions.Answer(text="十二"),
]


def grammar() -> tuple[Any, str, chat.Tokenizer]:
    tokenizer = byte_tokenizer()
    tokens = llguidance.LLTokenizer(tokenizer.raw.to_str(), eos_token=tokenizer.id(chat.END))
    return tokens, llguidance.LLMatcher.grammar_from_json_schema(json.dumps(actions.schema())), tokenizer


def test_every_name_of_the_family_is_there() -> None:
    family = "open click double_click long_press type swipe drag system_button wait terminate take_notes answer"
    assert [*actions.KINDS] == family.split() == [tool["function"]["name"] for tool in actions.tools()]
    assert {action.name for action in EACH} == {*actions.KINDS}


@pytest.mark.parametrize("action", EACH, ids=actions.write)
def test_an_action_is_read_back_and_fits_the_schema(action: actions.Action) -> None:
    text = actions.write(action)
    assert actions.parse(text) == action and "\n" not in text
    assert actions.of(action.name, actions.arguments(action)) == action
    tokens, rules, tokenizer = grammar()
    matcher = llguidance.LLMatcher(tokens, rules)
    assert matcher.consume_tokens(tokenizer.encode(text)) and matcher.is_accepting()


@given(st.integers(0, 1000), st.integers(0, 1000), st.text(min_size=1, max_size=30))
def test_any_place_and_any_text_is_read_back(x: int, y: int, text: str) -> None:
    action = actions.Type(target=text, coordinate=(x, y), text=text)
    assert actions.parse(actions.write(action)) == action


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tap it", "action: no JSON"),
        ("[1]", "action: expected a JSON object"),
        ("[" * 15_000, "action: no JSON"),
        ('{"action":"clack"}', "action: expected one of open, click"),
        ('{"coordinate":[1,2]}', "action: expected one of"),
        ('{"action":"click"}', "click.coordinate: missing"),
        ('{"action":"click","coordinate":[1,2,3]}', r"click.coordinate: expected \[x, y\]"),
        ('{"action":"click","coordinate":[1,1001]}', "click.coordinate: .* 0-1000"),
        ('{"action":"click","coordinate":[1,true]}', "click.coordinate"),
        ('{"action":"click","coordinate":[1,2.5]}', "click.coordinate"),
        ('{"action":"click","coordinate":[1,NaN]}', "click.coordinate"),
        ('{"action":"click","coordinate":[1,2],"colour":3}', "click.colour: no such field; there are target"),
        ('{"action":"click","action":"wait","coordinate":[1,2]}', "a name stands twice"),
        ('{"action":"wait","seconds":0}', "wait.seconds: expected a whole number in 1-60"),
        ('{"action":"system_button","button":"up"}', "system_button.button: expected one of back, home"),
        ('{"action":"type","text":""}', "type.text: expected a text"),
        ('{"action":"type","text":"\\ud800"}', "type.text: expected a text"),
        ('{"action":"answer","text":"' + "a" * 20_000 + '"}', "characters, expected at most"),
    ],
)
def test_what_is_no_action_is_refused_in_one_line(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        actions.parse(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("habit", ["any", "never closes", "escapes"])
def test_whatever_is_written_under_the_schema_ends_in_time_and_is_an_action(habit: str) -> None:
    """Writers that put off the end as long as the grammar lets them, with a tokenizer of single bytes."""
    tokens, rules, tokenizer = grammar()
    end, quote, escape = tokenizer.id(chat.END), *(tokenizer.encode(one)[0] for one in '"\\')
    for seed in range(25):
        rng, matcher, written = random.Random(seed), llguidance.LLMatcher(tokens, rules), list[int]()
        while True:
            bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
            allowed = [one for one in np.flatnonzero(bits[: tokenizer.size]).tolist() if one != end]
            if not allowed:
                break
            longer = [one for one in allowed if one != quote] if habit != "any" else allowed
            token = escape if habit == "escapes" and escape in longer else rng.choice(longer or allowed)
            assert matcher.consume_token(token)
            written.append(token)
        assert len(written) <= actions.MOST_TOKENS
        actions.parse(tokenizer.decode(written))


def test_tools_have_the_fields_of_their_action() -> None:
    typed = next(tool["function"] for tool in actions.tools() if tool["function"]["name"] == "type")
    assert [*typed["parameters"]["properties"]] == ["target", "coordinate", "text"]
    assert typed["parameters"]["required"] == ["text"] and "maxLength" not in json.dumps(typed)
