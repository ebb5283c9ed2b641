"""Answers under a JSON schema: which tokens may come next (llguidance), and an ending that still fits.

Unusual: with every token that is written a whole ending is known that fits into the tokens left. A token after which
none would fit is not written; the known ending is, token by token. So an answer is always finished and valid. The
ending is found by walking to the grammar's end with the closing characters first, which is short, though not always
the shortest.

Shape legend: V vocabulary.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.numpy import fill_next_token_bitmask

from lapis import chat
from lapis.serve.budget import token_bytes
from lapis.types import InputError

SCHEMA_BYTES = 1 << 16
"""Longest schema, as UTF-8."""
COMPILED = 32
"""Schemas of which the compiled form is kept."""
LONGEST = 1024
"""Most tokens of an ending; a schema whose shortest answer has more is refused."""
CLOSERS = b'}]"0ntf[{:,'
"""Characters that an ending tries first, in order. Where both brackets may come it is in a string, and closes it."""


class Grammars:
    """Compiles schemas for one tokenizer."""

    def __init__(self, tokenizer: chat.Tokenizer):
        self._tokenizer = tokenizer
        self._compiled: OrderedDict[str, Grammar] = OrderedDict()

    @cached_property
    def _raw(self) -> LLTokenizer:
        raw = self._tokenizer.raw.to_str()
        return LLTokenizer(raw, n_vocab=self._tokenizer.size, eos_token=self._tokenizer.id(chat.END))

    @cached_property
    def _words(self) -> Words:
        tokenizer = self._tokenizer
        alone = {text[0]: token for token, text in enumerate(token_bytes(tokenizer)) if len(text) == 1}
        closers = tuple(alone[byte] for byte in CLOSERS if byte in alone)
        return Words(tokenizer.size, tokenizer.id(chat.END), closers)

    def of(self, schema: str) -> Grammar:
        """A grammar at its beginning. Raises InputError for a schema that is none, is not supported or is too large."""
        if schema not in self._compiled:
            self._compiled[schema] = self._compile(schema)
            if len(self._compiled) > COMPILED:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(schema)
        return self._compiled[schema].copy()

    def _compile(self, schema: str) -> Grammar:
        size = len(schema.encode("utf-8", errors="replace"))
        if size > SCHEMA_BYTES:
            raise InputError(f"schema: {size} bytes, expected at most {SCHEMA_BYTES}")
        try:
            read = json.loads(schema)
            if not isinstance(read, dict):
                raise InputError(f"schema: {type(read).__name__}, expected a JSON object")
            source = LLMatcher.grammar_from_json_schema(read, overrides={"whitespace_flexible": False})
        except (ValueError, RecursionError) as error:
            raise InputError(f"schema: no JSON schema ({_line(error)})") from None
        matcher = LLMatcher(self._raw, source, log_level=0)
        if matcher.is_error():
            raise InputError(f"schema: {_line(matcher.get_error())}")
        ending = ending_of(matcher, self._words)
        if ending is None:
            raise InputError(f"schema: its shortest answer was not found in {LONGEST} tokens")
        return Grammar(matcher, ending, self._words)


def _line(error: object) -> str:
    return " ".join(str(error).split())[:200]


@dataclass(frozen=True, slots=True)
class Words:
    """What a grammar must know of the tokenizer."""

    vocab: int
    end: int
    closers: tuple[int, ...]
    """Tokens of the closing characters."""


class Grammar:
    """Where one answer stands in its schema."""

    def __init__(self, matcher: LLMatcher, ending: tuple[int, ...], words: Words):
        self._matcher, self._words = matcher, words
        self.ending = ending
        """Tokens that finish the answer from here, its end included."""

    def copy(self) -> Grammar:
        return Grammar(self._matcher.deep_copy(), self.ending, self._words)

    def allow(self, logits_V: torch.Tensor) -> torch.Tensor:
        """Logits [V], at -inf for what may not come next."""
        allowed_V = _allowed(self._matcher, self._words.vocab)
        if not allowed_V.any():  # the parser gave up, but an ending is known
            allowed_V[self.ending[0]] = True
        out_V = torch.full_like(logits_V, float("-inf"))
        places = torch.from_numpy(allowed_V.nonzero()[0]).to(logits_V.device)
        out_V[places] = logits_V[places]
        return out_V

    def settle(self, chosen: int, left: int) -> tuple[int, bool]:
        """(token to write, whether it is the ending's instead); `left` may be written, this one included."""
        if chosen != self.ending[0]:
            ahead = self._matcher.deep_copy()
            ending = ending_of(ahead, self._words) if ahead.consume_token(chosen) else None
            if ending is not None and len(ending) < left:
                self._matcher, self.ending = ahead, ending
                return chosen, False
        token = self.ending[0]
        self._matcher.consume_token(token)
        self.ending = self.ending[1:]
        return token, token != chosen


def _allowed(matcher: LLMatcher, vocab: int) -> npt.NDArray[np.bool_]:
    """bool [V]."""
    bits = np.zeros((1, (vocab + 31) // 32), dtype=np.int32)
    if not matcher.is_error():
        fill_next_token_bitmask(matcher, bits)
    return np.unpackbits(bits.view(np.uint8)[0], bitorder="little")[:vocab].astype(np.bool_)


def ending_of(matcher: LLMatcher, words: Words) -> tuple[int, ...] | None:
    """Tokens from here to the end; None where more than LONGEST were needed."""
    walk, out = matcher.deep_copy(), list[int]()
    while len(out) < LONGEST and not walk.is_error():
        if walk.is_accepting():
            return (*out, words.end)
        step = walk.compute_ff_tokens() or _closing(walk, words)
        if not step or walk.try_consume_tokens(step) != len(step):
            return None
        out += step
    return None


def _closing(matcher: LLMatcher, words: Words) -> list[int]:
    """One token that leads towards the end."""
    allowed_V = _allowed(matcher, words.vocab)
    if not allowed_V.any():
        return []
    tried = [token for token in words.closers if allowed_V[token]]
    inside = tried[:2] == list(words.closers[:2])
    return [*tried[2:3], *tried, int(allowed_V.argmax())][:1] if inside else [*tried, int(allowed_V.argmax())][:1]
