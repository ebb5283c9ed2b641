"""Questions about a screen's numbers: many ways to say each in training, names untouched, held-out ones as they are."""

from __future__ import annotations

import random

import pytest

from lapis.data.synth import screen_frames

NAMES = {"a": "Aaa", "b": "Bbb", "c": "Ccc", "k": "two"}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_training_says_each_thing_in_many_ways_with_its_names_in_order(lang: str) -> None:
    rng = random.Random(0)
    for kind, bank in screen_frames.ASK[lang, "train"].items():
        said = {screen_frames.say(lang, "train", "count", kind, rng, **NAMES) for _ in range(300)}
        assert len(said) > 150, kind
        wanted = [name for key, name in NAMES.items() if f"{{{key}}}" in bank[0] and key != "k"]
        places = [[text.index(name) for name in wanted] for text in said]
        assert all(place == sorted(place) for place in places) and not any("{" in text for text in said)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_held_out_sentences_stay_as_they_are_and_are_never_trained(lang: str) -> None:
    rng = random.Random(0)
    for kind, bank in screen_frames.ASK[lang, "held"].items():
        held = {text.format(**NAMES) for text in bank}
        assert {screen_frames.say(lang, "held", "count", kind, rng, **NAMES) for _ in range(20)} == held
        said = [screen_frames.say(lang, "train", "count", kind, rng, **NAMES) for _ in range(1000)]
        assert not [text for text in said if any(one in text for one in held)]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_number_is_called_what_it_is(lang: str) -> None:
    rng = random.Random(0)
    said = {
        field: " ".join(screen_frames.say(lang, "train", field, "read", rng, a="Tea") for _ in range(600))
        for field in ("price", "count", "temperature", "")
    }
    counts, prices = {"en": ("count", "amount"), "zh": ("数量",)}[lang], {"en": ("price", "cost"), "zh": ("价",)}[lang]
    assert {field for field, text in said.items() if any(word in text for word in counts)} == {"count"}
    assert {field for field, text in said.items() if any(word in text for word in prices)} == {"price"}
