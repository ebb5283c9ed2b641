"""Tokens as they come, made text: whole characters only, and nothing that may still become a stop string."""

from __future__ import annotations

from collections.abc import Sequence

from lapis.serve import budget


def cut(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """Text up to the stop string that begins first, and whether there is one."""
    found = [at for at in (text.find(stop) for stop in stops) if at >= 0]
    return (text[: min(found)], True) if found else (text, False)


def open_tail(text: str, stops: Sequence[str]) -> int:
    """Characters at the end that may be the beginning of a stop string."""
    sizes = range(min(len(text), max(map(len, stops), default=1) - 1), 0, -1)
    return next((size for size in sizes if any(stop.startswith(text[-size:]) for stop in stops)), 0)


class Text:
    """Decodes a growing list of tokens; holds back the bytes of an open character."""

    def __init__(self, content: Sequence[bytes]):
        self._content = content
        self._seen = 0
        self._open = b""

    def add(self, token_ids: Sequence[int]) -> str:
        """Text of the tokens that are new since the last call, up to the last whole character."""
        out = "".join(map(self._one, token_ids[self._seen :]))
        self._seen = len(token_ids)
        return out

    def _one(self, token: int) -> str:
        self._open += self._content[token]
        return "" if budget.missing(self._open) else self.rest()

    def rest(self) -> str:
        """What was held back; bytes that are no UTF-8 become replacement characters."""
        text, self._open = self._open.decode("utf-8", errors="replace"), b""
        return text


class Thought:
    """A thought as it grows, without the line ends around it."""

    def __init__(self, content: Sequence[bytes]):
        self._text = Text(content)
        self._begun = False
        self._lines = ""

    def add(self, token_ids: Sequence[int]) -> str:
        """What is new and whole; line ends wait for what follows them."""
        return self._trim(self._text.add(token_ids))

    def rest(self) -> str:
        """The thought is over: what was held back, but for its last line ends."""
        return self._trim(self._text.rest())

    def _trim(self, new: str) -> str:
        if not self._begun:
            new = new.lstrip("\n")
        self._begun = self._begun or bool(new)
        whole = self._lines + new
        out = whole.rstrip("\n")
        self._lines = whole[len(out) :]
        return out


class Answer:
    """An answer as it grows, up to a stop string."""

    def __init__(self, content: Sequence[bytes], stops: Sequence[str]):
        self._text, self._stops = Text(content), stops
        self._held = ""
        self.over = False
        """A stop string has come."""

    def add(self, token_ids: Sequence[int]) -> str:
        """What is new and can no longer be part of a stop string."""
        return self._pass(self._text.add(token_ids), last=False)

    def rest(self) -> str:
        """The answer is over: what was held back."""
        return self._pass(self._text.rest(), last=True)

    def _pass(self, new: str, last: bool) -> str:
        if self.over:
            return ""
        text, self.over = cut(self._held + new, self._stops)
        keep = 0 if last or self.over else open_tail(text, self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]
