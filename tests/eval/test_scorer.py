"""Losses of samples against a model's own logits, with the image and without."""

from __future__ import annotations

import random

import pytest
import torch

from lapis import chat
from lapis.data import store
from lapis.data.steps import classify, pictures
from lapis.eval.scorer import Losses, blind
from lapis.eval.scores import scores
from lapis.model.decoder import Decoder
from lapis.model.init import fresh
from lapis.model.vlm import Lapis
from tests.data import world
from tests.tiny import tiny_tokenizer


def model() -> Lapis:
    made = fresh(world.MODEL, 0)
    assert isinstance(made, Lapis)
    return made.eval()


def test_losses_are_those_of_the_trained_tokens() -> None:
    tokenizer, network = tiny_tokenizer(world.MODEL.tokens_per_tile), model()
    rng = random.Random(0)
    shown, told = world.screen_sample(rng), world.document("the sky is blue")
    seen = Losses(network, tokenizer).losses([shown, told])
    unseen = Losses(network, tokenizer).losses([shown, told], images=False)
    for sample, found in ((shown, seen[0]), (blind(shown), unseen[0]), (told, seen[1])):
        encoded = chat.encode_sample(sample, tokenizer, lambda _: 1)
        nats = -scores(network, encoded.ids, encoded.images).log_softmax(-1)
        every = [float(nats[at, token]) for at, token in enumerate(encoded.ids[1:]) if encoded.trained[at + 1]]
        assert found == pytest.approx(sum(every) / len(every), rel=1e-4)
    assert seen[1] == unseen[1] and seen[0] != unseen[0]
    rows = pictures.change(store.to_table([shown, told]), Losses(network, tokenizer))
    assert rows["gain"].to_pylist() == [pytest.approx(unseen[0] - seen[0], abs=1e-5), None]


def test_a_text_model_reads_text_alone_and_long_documents_count_by_their_beginning() -> None:
    tokenizer = tiny_tokenizer(world.MODEL.tokens_per_tile)
    text = fresh(world.DECODER, 0)
    assert isinstance(text, Decoder)
    scorer = Losses(text.eval(), tokenizer, longest=8)
    shown = world.screen_sample(random.Random(0))
    assert scorer.losses([shown]) == scorer.losses([shown], images=False)
    begin = tokenizer.encode(world.SENTENCE)[:8]
    nats = -scores(text, begin).log_softmax(-1)
    expected = sum(float(nats[at, token]) for at, token in enumerate(begin[1:])) / 7
    assert scorer.losses([world.document(world.SENTENCE)]) == [pytest.approx(expected, rel=1e-4)]
    rows = classify.by_loss(store.to_table([world.document(world.SENTENCE)]), scorer)
    assert rows["difficulty"][0].as_py() == pytest.approx(1 - float(torch.exp(torch.tensor(-expected))), rel=1e-4)
