"""Functions that a model may call: how they are told to it, the schema that its answer obeys, and the call in it.

A call is written as `{"name": "click", "arguments": {"x": 500, "y": 120}}`. Where the model is free to call or to talk
(`auto`), an answer in words is a JSON string, so that either is valid from its first token on (ours).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lapis.serve.faults import refuse
from lapis.serve.wire import Chat, Chosen, Function, ToolCall

DEFINITIONS = ("$defs", "definitions")


@dataclass(frozen=True, slots=True)
class Tools:
    """The functions of a request that may be called."""

    functions: tuple[Function, ...]
    free: bool
    """The model may answer in words instead."""

    def prompt(self) -> str:
        """What the model reads about them."""
        lines = [dumps(_told(one)) for one in self.functions]
        words = " or with a JSON string" if self.free else ""
        how = f'Answer with one call as JSON, {{"name": ..., "arguments": {{...}}}}{words}.'
        return "\n".join(("Functions:", *lines, how))

    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        shared: dict[str, Any] = {}
        calls: list[dict[str, Any]] = [_call(number, one, shared) for number, one in enumerate(self.functions)]
        forms = [*calls, {"type": "string"}] if self.free else calls
        whole = forms[0] if len(forms) == 1 else {"anyOf": forms}
        return {**whole, **({"$defs": shared} if shared else {})}

    def read(self, text: str) -> tuple[str | None, dict[str, Any] | None]:
        """(words, call in OpenAI's form) of a whole answer; one that was cut short is words."""
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return text, None
        if isinstance(found, str) and self.free:
            return found, None
        if not isinstance(found, dict) or not isinstance(found.get("name"), str):
            return text, None
        function = {"name": found["name"], "arguments": dumps(found.get("arguments", {}))}
        return None, {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": function}


def tools_of(chat: Chat) -> Tools | None:
    """The functions that may be called; None where there are none. Raises Fault for a choice that is not there."""
    functions = tuple(tool.function for tool in chat.tools or ())
    names = [one.name for one in functions]
    if len(set(names)) < len(names):
        raise refuse("tools", "two have one name, expected names that differ")
    choice = chat.tool_choice or "auto"
    if isinstance(choice, Chosen):
        functions = tuple(one for one in functions if one.name == choice.function.name)
        if not functions:
            raise refuse("tool_choice", f"{choice.function.name} is not among the tools")
    elif choice == "required" and not functions:
        raise refuse("tool_choice", "required, but tools are empty")
    if choice == "none" or not functions:
        return None
    return Tools(functions, choice == "auto")


def written(calls: Sequence[ToolCall]) -> str:
    """Earlier calls as the model wrote them. Raises Fault for arguments that are no JSON object."""
    lines = []
    for call in calls:
        try:
            lines.append(dumps({"name": call.function.name, "arguments": json.loads(call.function.arguments or "{}")}))
        except (ValueError, RecursionError):
            raise refuse("messages", f"arguments of {call.function.name} are no JSON") from None
    return "\n".join(lines)


def dumps(value: Any) -> str:
    """JSON of whole characters: half of a surrogate pair, which JSON can escape, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False).encode(errors="replace").decode()


def _told(function: Function) -> dict[str, Any]:
    about = {"description": function.description} if function.description else {}
    return {"name": function.name, **about, "parameters": function.parameters or {"type": "object"}}


def _call(number: int, function: Function, shared: dict[str, Any]) -> dict[str, Any]:
    """Schema of a call; the definitions that its parameters bring move to the root, under names of their own."""
    parameters = dict(function.parameters or {"type": "object"})
    for key in DEFINITIONS:
        found = parameters.pop(key, {})
        if not isinstance(found, dict):
            raise refuse("tools", f"{function.name}: {key} is no object")
        shared.update({f"{number}.{name}": _moved(one, number) for name, one in found.items()})
    return {
        "type": "object",
        "properties": {"name": {"const": function.name}, "arguments": _moved(parameters, number)},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _moved(tree: Any, number: int) -> Any:
    """A schema whose references point to where `_call` put the definitions."""
    if isinstance(tree, list):
        return [_moved(one, number) for one in tree]
    if not isinstance(tree, dict):
        return tree
    moved = {key: _moved(value, number) for key, value in tree.items()}
    reference = tree.get("$ref")
    for key in DEFINITIONS:
        if isinstance(reference, str) and reference.startswith(f"#/{key}/"):
            moved["$ref"] = f"#/$defs/{number}.{reference.removeprefix(f'#/{key}/')}"
    return moved
