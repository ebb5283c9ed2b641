"""A part's config from its defaults, a TOML file and `key=value` words, in this order, checked with one-line errors."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from lapis.overrides import assign, check
from lapis.types import InputError

T = TypeVar("T")


def read(default: T, file: Path | None, words: Sequence[str]) -> T:
    """`default` (a config dataclass) with what a TOML file and then the words change. A list in the file, such as
    tables of endpoints, takes the default's place. Raises InputError for a key that is not there or a wrong value.
    """
    tree = dataclasses.asdict(default)  # type: ignore[call-overload]
    if file is not None:
        _merge(tree, _toml(file), f"{file}: ")
    for word in words:
        path, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"{word}: expected key=value")
        assign(tree, path, value)
    return check(type(default), tree)


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({type(error).__name__})") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: no TOML ({error})") from None


def _merge(tree: dict[str, Any], told: dict[str, Any], place: str) -> None:
    for key, value in told.items():
        if key not in tree:
            raise InputError(f"{place}{key}: no such key; here are {', '.join(sorted(tree))}")
        if isinstance(value, dict) and isinstance(tree[key], dict) and tree[key]:
            _merge(tree[key], value, f"{place}{key}.")
        else:
            tree[key] = value
