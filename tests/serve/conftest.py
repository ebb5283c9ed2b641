"""A tokenizer of single bytes, and small models with weights from fixed seeds."""

from __future__ import annotations

import pytest
import torch

from lapis import chat, config
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from tests.serve.small import byte_tokenizer, small_shape, spread


@pytest.fixture(scope="session")
def tokenizer() -> chat.Tokenizer:
    return byte_tokenizer()


@pytest.fixture(scope="session")
def shape() -> config.Model:
    return small_shape()


@pytest.fixture(scope="session")
def decoder(shape: config.Model) -> Decoder:
    torch.manual_seed(0)
    return spread(Decoder(shape.decoder))


@pytest.fixture(scope="session")
def lapis(shape: config.Model) -> Lapis:
    torch.manual_seed(1)
    return spread(Lapis(shape))
