"""What the server answers, as models for its OpenAPI page. Unknown fields are not refused here: clients read them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from lapis.serve.faults import KINDS


class Problem(BaseModel):
    """OpenAI's error."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(BaseModel):
    """What every refusal holds."""

    error: Problem


class FunctionCall(BaseModel):
    """A function and its arguments, JSON as text."""

    name: str
    arguments: str


class Call(BaseModel):
    """A call of a function."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class Message(BaseModel):
    """An answer; `content` is null where it calls a function."""

    role: Literal["assistant"]
    content: str | None
    reasoning_content: str = ""
    tool_calls: list[Call] = []


class Choice(BaseModel):
    """One of the `n` answers."""

    index: int
    message: Message
    logprobs: dict[str, Any] | None
    finish_reason: Literal["stop", "length", "tool_calls"]


class Read(BaseModel):
    """Tokens of the prompt that stood in the cache already."""

    cached_tokens: int


class Details(BaseModel):
    """Tokens of thoughts, which are among the completion's."""

    reasoning_tokens: int


class Usage(BaseModel):
    """Tokens of a request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: Read
    completion_tokens_details: Details


class ChatCompletion(BaseModel):
    """OpenAI's chat completion."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class Model(BaseModel):
    """The model that is served, with its length in tokens."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    max_model_len: int


class Models(BaseModel):
    """All models: one."""

    object: Literal["list"]
    data: list[Model]


class Uploaded(BaseModel):
    """An image that was encoded ahead; `url` is what an image_url names it by."""

    id: str
    object: Literal["image"]
    url: str
    width: int
    height: int
    tiles: int


class Health(BaseModel):
    """Whether requests are taken."""

    status: Literal["ok", "draining"]
    model: str
    live: int
    waiting: int


def errors(*more: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` for the refusals of any route, and of those that read a body."""
    always = (403, 408, 413, 429, 500)
    return {status: {"model": Error, "description": KINDS[status][1]} for status in sorted({*always, *more})}
