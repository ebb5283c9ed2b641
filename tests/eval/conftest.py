"""A tokenizer without merges: every byte is a token."""

from __future__ import annotations

import pytest

from lapis import chat
from tests.serve.small import byte_tokenizer


@pytest.fixture(scope="session")
def tokenizer() -> chat.Tokenizer:
    return byte_tokenizer()
