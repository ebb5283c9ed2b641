"""What can be said of a model behind an OpenAI-compatible API, whatever it is asked for"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt

from lapis.shape import STRICT, Count, Positive, Rate
from lapis.types import InputError


@STRICT
@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an OpenAI-compatible API, and how hard it may be asked."""

    url: str = ""
    """Up to and with `/v1`: `http://127.0.0.1:8000/v1`."""
    model: str = ""
    """What the API calls it."""
    name: str = "model"
    """What its answers are told by."""
    key_from: str = ""
    """Name of the environment variable that holds the API key; empty sends none. The key itself is written nowhere."""
    thinking: Literal["budget", "effort", "plain"] = "budget"
    """How it is told to think: `thinking_token_budget` and `enable_thinking` (Lapis, vLLM), OpenAI's
    `reasoning_effort`, or not at all."""
    concurrency: Positive = 4
    """Requests on their way at once."""
    requests_minute: Count = 0
    """Most requests in any 60 seconds; 0 is no limit."""
    tokens_minute: Count = 0
    """Most tokens, of prompts and answers, in any 60 seconds; 0 is no limit."""
    seconds: Annotated[float, Gt(0)] = 300.0
    """A request that takes longer is asked again."""
    retries: Count = 6
    """How often a request is asked again after 408, 409, 425, 429, 5xx, a lost connection or a time-out."""
    price_prompt: Rate = 0.0
    """Of a million prompt tokens, in any currency."""
    price_answer: Rate = 0.0
    """Of a million tokens of thoughts and answers."""


def refuse_address(url: str, field: str) -> None:
    """Raises InputError for what no server can be reached by."""
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{field}: {url!r}, expected http://... or https://...")
