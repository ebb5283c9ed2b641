"""Documents on one topic lie together on the path, and likeness is TF-IDF's cosine."""

from __future__ import annotations

import math
import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from lapis.data.synth import topics
from lapis.data.synth.problem import bytes_of
from tests.data import world

VOCABULARIES = {
    "kitchen": ["oven", "pan", "salt", "butter", "bread", "dough", "bake", "stir", "pepper", "onion"],
    "harbour": ["ship", "rope", "sail", "anchor", "tide", "dock", "crane", "cargo", "mast", "captain"],
    "garden": ["seed", "soil", "spade", "hedge", "rose", "weed", "lawn", "bulb", "pot", "compost"],
}


def corpus(seed: int = 0, each: int = 30) -> list[tuple[str, str]]:
    """(topic, text) in a drawn order; half of the words are those of any text."""
    rng = random.Random(seed)
    common = ["the", "a", "of", "and", "in", "to", "is", "that", "it", "was"]
    made = [
        (topic, " ".join(rng.choices(words, k=20) + rng.choices(common, k=20)))
        for topic, words in VOCABULARIES.items()
        for _ in range(each)
    ]
    rng.shuffle(made)
    return made


def test_likeness_is_the_cosine_of_tf_idf() -> None:
    texts = [text for _, text in corpus(each=4)]
    counts = [Counter(text.split()) for text in texts]
    df = Counter(word for count in counts for word in count if len(word) > 1)
    weights = [
        {word: (1 + math.log(n)) * math.log(len(texts) / df[word]) for word, n in count.items() if len(word) > 1}
        for count in counts
    ]

    def cosine(a: dict[str, float], b: dict[str, float]) -> float:
        size = math.prod(math.sqrt(sum(value**2 for value in one.values())) for one in (a, b))
        return sum(a[word] * b.get(word, 0) for word in a) / size

    wanted = [[cosine(a, b) for b in weights] for a in weights]
    made = topics.vectors(texts)
    assert np.allclose(made @ made.T, wanted, atol=1e-4)
    for row, near in enumerate(topics.neighbours(made, 3)):
        others = sorted((-value, at) for at, value in enumerate(wanted[row]) if at != row)[:3]
        assert [at for at, _ in near] == [at for _, at in others]


def test_the_path_visits_all_once_and_stays_on_a_topic() -> None:
    made = corpus()
    order = topics.path(topics.neighbours(topics.vectors([text for _, text in made])))
    assert sorted(order) == list(range(len(made)))
    assert sum(made[one][0] != made[other][0] for one, other in pairwise(order)) <= 6
    assert topics.path([[], []]) == [0, 1]


@pytest.mark.parametrize("tokens", [500, 900])
def test_joined_documents_are_whole_and_of_one_topic(tokens: int) -> None:
    made = corpus()
    documents = [world.document(text, source=topic) for topic, text in made]
    joined = list(topics.joined(documents, tokens))
    parts = [part for one in joined for part in one.turns[0].text.split("\n\n")]
    assert len(parts) == len(set(parts)) and {*parts} <= {text for _, text in made} and len(parts) > 80
    assert all(bytes_of(one.turns[0].text) <= tokens and one.meta["parts"] > 1 for one in joined)
    assert sum(len({*one.meta["sources"]}) == 1 for one in joined) >= 0.7 * len(joined)
    assert [one.fingerprint for one in joined] == [one.fingerprint for one in topics.joined(documents, tokens)]
    assert len(list(topics.joined(documents, tokens, most=2))) == 2


def test_languages_are_kept_apart_and_chinese_is_read_in_pairs() -> None:
    chinese = [world.document(text, lang="zh") for text in ("天空是蓝色的", "天空很蓝", "市场卖鱼", "去市场买鱼")]
    english = [world.document(f"the sky is blue {number}") for number in range(3)]
    joined = list(topics.joined([*chinese, *english], 60))
    assert {one.lang for one in joined} == {"en", "zh"}
    assert topics.words("去市场 Buy fish") == Counter({"去市": 1, "市场": 1, "buy": 1, "fish": 1})
    assert list(topics.joined([], 60)) == [] and list(topics.joined(english[:1], 60)) == []
