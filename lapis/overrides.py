"""`key=value` words applied to a config tree, and a tree checked against its dataclass with one-line errors.

Pydantic checks types and ranges (`Annotated[int, Ge(1)]`); a list of named entries is addressed by their names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from lapis.types import InputError

T = TypeVar("T")
NAMED = (["sources"], ["graders"], ["checkers"])
"""Fields whose entries have names of the user's own."""


def assign(tree: dict[str, Any], path: str, value: str) -> None:
    """Set `path` (`stages.sft.steps`) of a config tree in place; `@FILE` takes the value from a JSON file.

    Raises InputError for a key that is not there, and a file that is none.
    """
    *parents, last = path.split(".")
    node: Any = tree
    for depth, name in enumerate(parents):
        if isinstance(node, dict) and _new(parents[:depth], name):
            node.setdefault(name, {})
        node = _child(node, name, path)
    if isinstance(node, tuple | list) or not isinstance(node, dict):
        raise InputError(f"{path}: names a list; name an entry's field")
    if last not in node and not _free_keys(parents):
        raise InputError(f"{path}: no such key; here are {', '.join(sorted(node))}")
    node[last] = _read(path, value[1:]) if value.startswith("@") else _parse(value)


def _new(parents: list[str], name: str) -> bool:
    """Whether an entry of the user's own begins here; what it may hold is checked with its values."""
    return parents[-1:] in NAMED or (parents[-2:-1] == ["sources"] and name == "columns")


def _free_keys(parents: list[str]) -> bool:
    """Whether a dict takes keys of the user's own."""
    own = ("mixture", "epochs", "handlers", "columns", "sources", "weights", "own", "trained")
    return bool(parents) and (parents[-1] in own or parents[-2:-1] in NAMED)


def _child(node: Any, name: str, path: str) -> Any:
    if isinstance(node, tuple | list):
        named = {entry["name"]: entry for entry in node}
    else:
        named = node if isinstance(node, dict) else {}
    if name not in named:
        raise InputError(f"{path}: no such key '{name}'; here are {', '.join(sorted(named)) or 'none'}")
    if named[name] is None:
        raise InputError(f"{path}: '{name}' is off in this recipe")
    return named[name]


def _read(path: str, name: str) -> Any:
    """A value from a JSON file, such as the weights that `lapis data mixture` found."""
    try:
        return json.loads(Path(name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: {name}: no such file") from None
    except (OSError, ValueError):
        raise InputError(f"{path}: {name}: no JSON that can be read") from None


def _parse(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        lowered = {"True": True, "False": False, "None": None}
        return lowered.get(value, value)


def check(kind: type[T], tree: dict[str, Any]) -> T:
    """A tree as a frozen dataclass of `kind`. Raises InputError that names the first value out of range."""
    try:
        return TypeAdapter(kind).validate_python(_tuples(tree))
    except ValidationError as error:
        first = error.errors()[0]
        place = _place(first["loc"], tree)
        raise InputError(f"{place}: {first['msg']}, got {first['input']!r}") from None


def _place(loc: tuple[int | str, ...], tree: dict[str, Any]) -> str:
    """`stages.sft.steps` from pydantic's ('stages', 3, 'train', 'steps')."""
    parts = [str(part) for part in loc]
    if parts[0] == "stages" and len(parts) > 2:
        parts[1:3] = [tree["stages"][int(parts[1])]["name"]]
    return ".".join(parts)


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    """`{"stages.sft.pack.rows": 8}` of nested dicts and lists of named entries."""
    if isinstance(tree, list | tuple) and tree and all(isinstance(one, dict) and "name" in one for one in tree):
        tree = {one["name"]: one for one in tree}
    if not isinstance(tree, dict):
        return {path[:-1]: tree}
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{path}{key}.")
    return found


def _tuples(node: Any) -> Any:
    """Lists from JSON as tuples, so that a loaded recipe equals the dumped one."""
    if isinstance(node, dict):
        return {key: _tuples(value) for key, value in node.items()}
    return tuple(_tuples(value) for value in node) if isinstance(node, list | tuple) else node
