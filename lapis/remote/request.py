"""A request as an OpenAI-compatible API wants it, its key in the log, and what the API answers.

The fields for thoughts are those of Lapis and vLLM (`thinking_token_budget`, `chat_template_kwargs`), OpenAI's
(`reasoning_effort`) or none. A thought comes back as `reasoning_content`, as `reasoning`, or between `<think>` and
`</think>` in front of the answer.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lapis import chat
from lapis.endpoint import Endpoint
from lapis.types import Image, InputError, Part, Request, Text, Turn

IMAGE_TOKENS = 4096
"""What an image may cost, before it is known (17 tiles of 196 tokens are 3,332)."""
MESSAGE_TOKENS = 16
"""What a message's frame may cost."""
MOST_COUNT = 2**53
"""No API counts as many tokens: a larger number is a broken one."""
EFFORTS = ((256, "low"), (2048, "medium"))
"""Budgets up to which an effort is asked for; above and without a budget it is high (ours)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered to one request, and what it took."""

    text: str
    """The answer, without the thought."""
    thought: str
    closed: bool
    """No thought was open at the end."""
    finish: str
    """stop, length, or what else the API says."""
    prompt: int
    """Tokens."""
    written: int
    """Tokens of thought and answer."""
    thought_tokens: int
    cost: float
    """In the currency of the endpoint's prices."""
    refused: str = ""
    """Why the API will never answer this request; empty where it has."""


def body(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    """The JSON of `POST /chat/completions`."""
    most = "max_completion_tokens" if endpoint.thinking == "effort" else "max_tokens"
    fields = {
        "model": endpoint.model,
        "messages": [message(turn) for turn in request.turns],
        most: request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
    }
    return fields | _thinking(request, endpoint)


def _thinking(request: Request, endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.thinking == "plain":
        return {}
    if endpoint.thinking == "effort":
        return {"reasoning_effort": _effort(request)}
    limit = {"thinking_token_budget": request.budget} if request.think and request.budget >= 0 else {}
    return {"chat_template_kwargs": {"enable_thinking": request.think}, **limit}


def _effort(request: Request) -> str:
    if not request.think:
        return "none"
    return next((word for most, word in EFFORTS if 0 <= request.budget <= most), "high")


def message(turn: Turn) -> dict[str, Any]:
    """A turn as a message; pictures as data URIs in their places."""
    if not turn.images:
        return {"role": turn.role, "content": turn.text}
    return {"role": turn.role, "content": [_part(part) for part in turn.parts]}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": data_uri(part)}}


def data_uri(image: Image) -> str:
    """An encoded picture as `data:image/png;base64,...`."""
    return f"data:{media_type(image.data)};base64,{base64.b64encode(image.data).decode()}"


def media_type(data: bytes) -> str:
    """`image/png`, `image/jpeg` or `image/webp`, by a picture's first bytes."""
    names = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"RIFF": "webp"}
    return f"image/{next((name for magic, name in names.items() if data.startswith(magic)), 'png')}"


def key(request: Request, endpoint: Endpoint) -> str:
    """What a request is known by: equal for the same words, settings, number (`seed`), model and place."""
    told = json.dumps([endpoint.url, body(request, endpoint)], sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def most_prompt(turns: Sequence[Turn]) -> int:
    """An upper bound of a prompt's tokens: no byte-level tokenizer makes more of a text than its bytes."""
    texts = sum(len(turn.text.encode("utf-8", "surrogatepass")) + MESSAGE_TOKENS for turn in turns)
    return texts + IMAGE_TOKENS * sum(len(turn.images) for turn in turns)


def price(prompt: int, written: int, endpoint: Endpoint) -> float:
    """Of so many tokens."""
    return (prompt * endpoint.price_prompt + written * endpoint.price_answer) / 1e6


def reply_of(answer: Any, request: Request, endpoint: Endpoint) -> Reply:
    """What an API's JSON says. Raises ValueError where it is no chat completion, or has halves of characters.

    Without `usage`, or with a broken one, the bytes count as tokens, so that a limit on cost is kept all the same.
    """
    try:
        choice = answer["choices"][0]
        said, finish = choice["message"], str(choice.get("finish_reason") or "stop")
        content = str(said.get("content") or "")
        told = said.get("reasoning_content") or said.get("reasoning") or ""
        usage = answer.get("usage")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError("no chat completion") from None
    size = len((content + str(told)).encode())
    thought, text, closed = (str(told), content, True) if told else split(content)
    if request.think and not text and finish == "length":
        closed = False
    prompt = _count(usage, "prompt_tokens") or most_prompt(request.turns)
    written = _count(usage, "completion_tokens") or size
    inside = _count(_field(usage, "completion_tokens_details"), "reasoning_tokens")
    return Reply(text, thought, closed, finish, prompt, written, inside, price(prompt, written, endpoint))


def _field(tree: Any, name: str) -> Any:
    return tree.get(name) if isinstance(tree, dict) else None


def _count(tree: Any, name: str) -> int:
    """A number of tokens; 0 where none is told."""
    value = _field(tree, name)
    return int(value) if isinstance(value, int | float) and 0 < value < MOST_COUNT else 0


def split(content: str) -> tuple[str, str, bool]:
    """(thought, answer, closed) of a reply that may open with `<think>`."""
    inside = content.lstrip()
    if not inside.startswith(chat.THINK):
        return "", content, True
    thought, mark, text = inside.removeprefix(chat.THINK).partition(chat.UNTHINK)
    return thought.strip("\n"), text.lstrip("\n"), bool(mark)


def refused(request: Request, why: str) -> Reply:
    """A request that the API turned down for good; it costs nothing."""
    return Reply("", "", False, "refused", 0, 0, 0, 0.0, why)


def to_json(reply: Reply) -> dict[str, Any]:
    """A reply as a line of the log holds it."""
    return asdict(reply)


def from_json(tree: Any) -> Reply:
    """Back from a line of the log. Raises InputError where it is none."""
    try:
        return Reply(**tree)
    except TypeError:
        raise InputError("a line of answers is none of this version") from None
