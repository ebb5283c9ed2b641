"""A client's chat request as requests to an engine: one for each of the `n` answers, with its pictures fetched."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lapis.serve import wire
from lapis.serve.faults import Fault, refuse
from lapis.serve.images import Images
from lapis.serve.limits import Limits
from lapis.serve.tools import Tools, tools_of, written
from lapis.types import Part, Request, Text, Turn

EFFORTS = {"minimal": 32, "low": 64, "medium": 256, "high": -1}
"""Budgets in tokens for OpenAI's words of `reasoning_effort`; `none` does not think (ours)."""
RESERVE, SCHEMA_RESERVE = 32, 96
"""Tokens kept for an answer after a thought, in words and as JSON; never more than half of a reply."""
CHARACTERS = 64
"""Of text for each token of an engine's length: what is longer is refused before anybody counts its tokens."""
SCHEMA = 65_536
"""Characters of a JSON schema."""
SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Asked:
    """A chat request, understood."""

    requests: tuple[Request, ...]
    tools: Tools | None
    logprobs: int | None
    """Likeliest tokens told beside each written one; None tells no log-probabilities."""
    usage: bool
    """A stream ends with how many tokens it took."""


async def asked(chat: wire.Chat, images: Images, limits: Limits, length: int) -> Asked:
    """`chat` for an engine of `length` tokens. Raises Fault where a field is wrong or a picture cannot be had."""
    tools = tools_of(chat)
    schema = _schema(chat, tools)
    _check_size(chat, limits, length * CHARACTERS)
    think, budget = thinking(chat)
    most = _most(chat, limits, length)
    likeliest = _likeliest(chat)
    first = Request(
        turns=await _turns(chat.messages, tools, images),
        think=think,
        budget=budget,
        show_budget=budget >= 0,
        max_tokens=most,
        reserve=min(SCHEMA_RESERVE if schema else RESERVE, most // 2),
        stop=_stop(chat),
        # A backend that tells log-probabilities only with others in their place is asked for one at least.
        top_logprobs=max(likeliest, int(bool(chat.logprobs))),
        schema=schema,
        seed=(secrets.randbits(31) if chat.seed is None else chat.seed) % SEEDS,
        **_sampling(chat),
    )
    requests = tuple(replace(first, seed=(first.seed + number) % SEEDS) for number in range(chat.n or 1))
    usage = bool(chat.stream_options and chat.stream_options.include_usage)
    return Asked(requests, tools, likeliest if chat.logprobs else None, usage)


def thinking(chat: wire.Chat) -> tuple[bool, int]:
    """(whether to think, budget). A budget alone switches thinking on. Raises Fault for fields that contradict."""
    enabled = chat.chat_template_kwargs.enable_thinking if chat.chat_template_kwargs else None
    budget, effort = chat.thinking_token_budget, chat.reasoning_effort
    if effort is None:
        on = budget is not None if enabled is None else enabled
        return on, -1 if budget is None or not on else budget
    if budget is not None:
        raise refuse("reasoning_effort", "expected either this or thinking_token_budget")
    if enabled is not None and enabled == (effort == "none"):
        raise refuse("reasoning_effort", f"{effort} contradicts chat_template_kwargs.enable_thinking")
    return effort != "none", EFFORTS.get(effort, -1)


def _sampling(chat: wire.Chat) -> dict[str, Any]:
    """Fields that have one name here and there; what was not given stays at the engine's default (greedy)."""
    names = ("temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty")
    given = {name: getattr(chat, name) for name in names if getattr(chat, name) is not None}
    return {**given, "top_k": max(0, chat.top_k or 0)}


def _stop(chat: wire.Chat) -> tuple[str, ...]:
    return (chat.stop,) if isinstance(chat.stop, str) else tuple(chat.stop or ())


def _likeliest(chat: wire.Chat) -> int:
    if chat.top_logprobs and not chat.logprobs:
        raise refuse("top_logprobs", "expected logprobs: true beside it")
    return chat.top_logprobs or 0


def _most(chat: wire.Chat, limits: Limits, length: int) -> int:
    given = {value for value in (chat.max_tokens, chat.max_completion_tokens) if value is not None}
    if len(given) > 1:
        raise refuse("max_tokens", "differs from max_completion_tokens")
    most = given.pop() if given else min(limits.answer, length)
    if most > length:
        raise refuse("max_tokens", f"{most}, expected at most {length}, this model's length")
    return most


def _schema(chat: wire.Chat, tools: Tools | None) -> str:
    """JSON schema of the answer as text; empty for free text."""
    form = chat.response_format
    kind = form.type if form else "text"
    if tools and kind != "text":
        raise refuse("response_format", "expected text beside tools, whose calls are JSON anyway")
    if form and (form.json_schema is not None) != (kind == "json_schema"):
        raise refuse("response_format", "json_schema goes with type json_schema, and with no other")
    tree: dict[str, Any] | None = tools.schema() if tools else None
    if kind == "json_object":
        tree = {"type": "object"}
    elif form and form.json_schema:
        tree = form.json_schema.json_schema or {}
    return "" if tree is None else _as_text(tree, "tools" if tools else "response_format")


def _as_text(tree: dict[str, Any], name: str) -> str:
    try:
        text = json.dumps(tree, allow_nan=False)
    except ValueError:
        raise refuse(name, "a schema holds NaN or an infinity") from None
    if len(text) > SCHEMA:
        raise refuse(name, f"a schema of {len(text)} characters, expected at most {SCHEMA}")
    return text


def _check_size(chat: wire.Chat, limits: Limits, characters: int) -> None:
    """Raises Fault where there is more than could ever fit."""
    if len(chat.messages) > limits.messages:
        raise refuse("messages", f"{len(chat.messages)} of them, expected at most {limits.messages}")
    if (chat.n or 1) > limits.choices:
        raise refuse("n", f"{chat.n}, expected at most {limits.choices}")
    parts = [part for message in chat.messages for part in _parts_of(message)]
    text = sum(len(part.text) for part in parts if isinstance(part, wire.TextPart))
    if text > characters:
        message = f"messages: {text} characters of text, which this model's length cannot hold"
        raise Fault(400, message, "messages", "context_length_exceeded")
    pictures = sum(isinstance(part, wire.ImagePart) for part in parts)
    if pictures > limits.images:
        raise refuse("messages", f"{pictures} images, expected at most {limits.images}")


def _parts_of(message: wire.Message) -> Sequence[wire.TextPart | wire.ImagePart]:
    content = message.content or ""
    return [wire.TextPart(type="text", text=content)] if isinstance(content, str) else content


async def _turns(messages: Sequence[wire.Message], tools: Tools | None, images: Images) -> tuple[Turn, ...]:
    """Messages as turns; what the model must know of its functions is told by the first, the system's."""
    turns = [Turn(_role(message), await _parts(message, images)) for message in messages]
    if tools:
        told = Text(tools.prompt())
        if turns[0].role == "system":
            turns[0] = Turn("system", (*turns[0].parts, Text("\n"), told))
        else:
            turns.insert(0, Turn("system", (told,)))
    return tuple(turns)


def _role(message: wire.Message) -> str:
    return "system" if message.role == "developer" else message.role


async def _parts(message: wire.Message, images: Images) -> tuple[Part, ...]:
    parts: list[Part] = []
    for part in _parts_of(message):
        parts.append(Text(part.text) if isinstance(part, wire.TextPart) else await images.of(part.image_url.url))
    if isinstance(message, wire.AssistantMessage) and message.tool_calls:
        parts.append(Text(written(message.tool_calls)))
    return tuple(parts)
