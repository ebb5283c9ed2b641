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
        said = {screen_frames.say(lang, "train", kind, rng, **NAMES) for _ in range(300)}
        assert len(said) > 150, kind
        wanted = [name for key, name in NAMES.items() if f"{{{key}}}" in bank[0] and key != "k"]
        places = [[text.index(name) for name in wanted] for text in said]
        assert all(place == sorted(place) for place in places) and not any("{" in text for text in said)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_held_out_sentences_stay_as_they_are_and_are_never_trained(lang: str) -> None:
    rng = random.Random(0)
    for kind, bank in screen_frames.ASK[lang, "held"].items():
        held = {text.format(**NAMES) for text in bank}
        assert {screen_frames.say(lang, "held", kind, rng, **NAMES) for _ in range(20)} == held
        said = [screen_frames.say(lang, "train", kind, rng, **NAMES) for _ in range(1000)]
        assert not [text for text in said if any(one in text for one in held)]
