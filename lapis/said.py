"""The one line that a person is told of what a program or an error says at length"""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """An error's first line that is not empty, or what sort of error it is."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def last_line(text: str, otherwise: str = "no reason told") -> str:
    """The last line that is not empty, where programs say why they ended."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), otherwise)
