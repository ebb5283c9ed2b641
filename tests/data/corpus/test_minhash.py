"""Bands of MinHash: who meets, against the probability that Jaccard similarity gives."""

from __future__ import annotations

import numpy as np
import pytest

from lapis.data.corpus import minhash, words

BANDS, ROWS = 14, 5


def bands(*documents: np.ndarray, count: int = BANDS, rows: int = ROWS) -> np.ndarray:
    ends = np.cumsum([0, *map(len, documents)])
    return minhash.bands(words.mixed(np.concatenate(documents).astype(np.uint64)), ends, count, rows)


@pytest.mark.parametrize("size", [4, 15, 100])
@pytest.mark.parametrize(("shared", "whole"), [(2, 3), (4, 5), (9, 10)])
def test_documents_meet_as_often_as_their_similarity_says(size: int, shared: int, whole: int) -> None:
    """Of 600 pairs whose unions are `whole` times `size` n-grams, four deviations below the expected share or more."""
    pairs, documents = 600, []
    rng = np.random.default_rng(size + whole)
    for at in range(pairs):
        grams = rng.permutation(whole * size) + at * 10_000
        common, left, right = np.split(grams, [shared * size, (shared + whole) * size // 2])
        documents += [np.concatenate([common, left]), np.concatenate([right, common])]
    found = bands(*documents)
    expected = 1 - (1 - (shared / whole) ** ROWS) ** BANDS
    met = (found[0::2] == found[1::2]).any(axis=1).mean()
    assert met >= expected - 4 * np.sqrt(expected * (1 - expected) / pairs)
    assert (found[0:-2:2] == found[2::2]).mean() < 1e-3


def test_order_and_repeats_mean_nothing() -> None:
    one = np.arange(30)
    found = bands(one, one[::-1], np.repeat(one, 2), one[:29])
    assert (found[0] == found[1]).all() and (found[0] == found[2]).all() and (found[0] != found[3]).any()


def test_a_document_of_one_ngram_fills_all_bands_and_one_of_none_meets_no_other() -> None:
    found = bands(np.array([7]), np.array([7]), np.array([8]), np.array([], dtype=np.int64))
    assert (found[0] == found[1]).all() and (found[0] != found[2]).all() and (found[0] != found[3]).all()


def test_a_document_s_bands_do_not_hang_on_its_neighbours() -> None:
    documents = [np.arange(at, at + 3 * at + 1) for at in range(40)]
    alone = np.concatenate([bands(one) for one in documents])
    assert (bands(*documents) == alone).all()
