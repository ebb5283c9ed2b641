"""A tokenizer in GGUF's fields: byte-level BPE as llama.cpp's `gpt2`, split as its pre-tokenizer of the same regex.

Unusual: what llama.cpp does is not in the file but in its source, by name (`tokenizer.ggml.pre`). So the tokenizer's
own regex must be one of those names, and nothing may happen before it (a normaliser), or ids would differ unseen;
anything else is refused. Rows of the embedding that no token has are marked as unused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gguf import GGUFWriter, TokenType

from lapis import chat
from lapis.model import convert
from lapis.types import InputError

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2 = ""
"""The one that ByteLevel splits by itself."""
SHOWN = (chat.THINK, chat.UNTHINK)
"""Marks that llama.cpp's programs write out, so that a thought can be told from an answer; others they leave out."""
SPLITS = {QWEN2: "qwen2", GPT2: "gpt-2"}
"""The regex of a pre-tokenizer, and llama.cpp's name of the same."""


def describe(writer: GGUFWriter, source: Path, rows: int) -> None:
    """Write the tokenizer in `source` for an embedding of `rows`, with the template and its special tokens.

    Raises InputError for a tokenizer that llama.cpp would not read alike.
    """
    raw = convert.read_json(source / "tokenizer.json")
    name = str(source / "tokenizer.json")
    tokens, types = _tokens(raw, rows, name)
    ids = {token: number for number, token in enumerate(tokens)}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split_of(raw, name))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in raw["model"]["merges"]])
    writer.add_eos_token_id(ids[chat.END])
    writer.add_pad_token_id(ids[chat.PAD])
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(_template(source))


def split_of(raw: dict[str, Any], name: str) -> str:
    """llama.cpp's name of a tokenizer's split. Raises InputError for one that it does not have, or a normaliser that
    changes more than Unicode's composition (which typed text has already)."""
    if (raw.get("normalizer") or {"type": "NFC"})["type"] != "NFC":
        raise InputError(f"{name}: normalizer {raw['normalizer']['type']}, expected none or NFC")
    before = raw.get("pre_tokenizer") or {}
    steps = before.get("pretokenizers", [before])
    kinds = [step.get("type") for step in steps]
    regex = steps[0].get("pattern", {}).get("Regex") if kinds == ["Split", "ByteLevel"] else None
    regex = GPT2 if kinds == ["ByteLevel"] and steps[0].get("use_regex") else regex
    if regex not in SPLITS or steps[-1].get("add_prefix_space"):
        raise InputError(
            f"{name}: its pre-tokenizer is none of {', '.join(SPLITS.values())}, so llama.cpp splits otherwise"
        )
    return SPLITS[regex]


def _tokens(raw: dict[str, Any], rows: int, name: str) -> tuple[list[str], list[TokenType]]:
    """Every row's token and its type."""
    tokens = [f"[unused{number}]" for number in range(rows)]
    types = [TokenType.UNUSED] * rows
    for text, number in raw["model"]["vocab"].items():
        tokens[_within(number, rows, name)], types[number] = text, TokenType.NORMAL
    for entry in raw.get("added_tokens", ()):
        number = _within(entry["id"], rows, name)
        tokens[number] = entry["content"]
        hidden = entry["special"] and entry["content"] not in SHOWN
        types[number] = TokenType.CONTROL if hidden else TokenType.USER_DEFINED
    return tokens, types


def _within(number: int, rows: int, name: str) -> int:
    if number >= rows:
        raise InputError(f"{name}: token {number}, but the model's embedding has {rows} rows")
    return number


def _template(source: Path) -> str:
    """The folder's own chat template, else ours."""
    path = source / "tokenizer_config.json"
    found = convert.read_json(path).get("chat_template") if path.is_file() else None
    return found if isinstance(found, str) else chat.JINJA
