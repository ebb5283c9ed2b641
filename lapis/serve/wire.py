"""What clients send: OpenAI's chat request, and vLLM's fields for thinking and sampling, as strict models.

A field that is not here is refused by name. Fields that stock clients send and that change nothing are listed under
`Chat` as such.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
Text = Annotated[str, Field(max_length=2_000_000)]


class Wire(BaseModel):
    """Unknown fields, numbers as text and NaN are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class TextPart(Wire):
    """Plain text inside a message."""

    type: Literal["text"]
    text: Text


class ImageURL(Wire):
    """A picture: a data URI, lapis://ID of one that was uploaded ahead, or a URL of a host that is allowed."""

    url: str
    detail: Literal["auto", "low", "high"] | None = Field(None, description="has no effect: tiles follow the picture")


class ImagePart(Wire):
    """A picture inside a message."""

    type: Literal["image_url"]
    image_url: ImageURL


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]
Parts = Annotated[list[Part], Field(max_length=1024)]
Texts = Annotated[list[TextPart], Field(max_length=1024)]


class CallOf(Wire):
    """Which function is called, and with what (JSON as text)."""

    name: Name
    arguments: Text


class ToolCall(Wire):
    """A call that an assistant made."""

    id: str
    type: Literal["function"]
    function: CallOf


class SystemMessage(Wire):
    """Instructions."""

    role: Literal["system", "developer"]
    content: Text | Texts
    name: str | None = None


class UserMessage(Wire):
    """A question, with pictures where it has some."""

    role: Literal["user"]
    content: Text | Parts
    name: str | None = None


class AssistantMessage(Wire):
    """An earlier answer. Its thought is left out of what the model reads."""

    role: Literal["assistant"]
    content: Text | Texts | None = None
    reasoning_content: Text | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=16)] | None = None
    name: str | None = None
    refusal: str | None = None


class ToolMessage(Wire):
    """What a call gave: text, or a picture of the screen after it."""

    role: Literal["tool"]
    content: Text | Parts
    tool_call_id: str | None = None
    name: str | None = None


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class Function(Wire):
    """A function that the model may call."""

    name: Name
    description: Text | None = None
    parameters: dict[str, Any] | None = Field(None, description="JSON schema of its arguments")
    strict: bool | None = Field(None, description="has no effect: calls are always valid")


class Tool(Wire):
    """OpenAI's wrapping of a function."""

    type: Literal["function"]
    function: Function


class Named(Wire):
    """A function by its name."""

    name: Name


class Chosen(Wire):
    """The one function that is to be called."""

    type: Literal["function"]
    function: Named


class Schema(Wire):
    """A JSON schema that the answer is valid under."""

    name: Name
    description: Text | None = None
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = Field(None, description="has no effect: answers are always valid")


class Format(Wire):
    """Free text, any JSON object, or JSON of a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None


class StreamOptions(Wire):
    """What a stream tells besides text."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = Field(None, description="has no effect: usage is told once, at the end")
    include_obfuscation: bool | None = Field(None, description="has no effect: nothing is padded")


class Template(Wire):
    """What Qwen's and vLLM's clients tell the chat template."""

    enable_thinking: bool | None = None


Effort = Literal["none", "minimal", "low", "medium", "high"]
Stop = Annotated[str, Field(min_length=1, max_length=200)]
Penalty = Annotated[float, Field(ge=-2, le=2)]


class Chat(Wire):
    """A request for a chat completion."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=2**31)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    thinking_token_budget: Annotated[int, Field(ge=-1)] | None = None
    chat_template_kwargs: Template | None = None
    reasoning_effort: Effort | None = None
    response_format: Format | None = None
    tools: Annotated[list[Tool], Field(max_length=64)] | None = None
    tool_choice: Literal["none", "auto", "required"] | Chosen | None = None

    parallel_tool_calls: bool | None = Field(None, description="has no effect: an answer makes one call at most")
    user: str | None = Field(None, description="has no effect")
    metadata: dict[str, str] | None = Field(None, description="has no effect")
    store: Literal[False] | None = Field(None, description="nothing is stored")
    service_tier: str | None = Field(None, description="has no effect")
    prompt_cache_key: str | None = Field(None, description="has no effect: prefixes are found by their tokens")
    safety_identifier: str | None = Field(None, description="has no effect")
    ignore_eos: bool | None = Field(None, description="has no effect: an answer ends where the model ends it")
