"""Which prose is worth training on: published heuristics as one Daft expression that names the reason for a drop.

English follows Gopher's rules (arXiv 2112.11446, table A1): words, their mean length, symbols, bullets, ellipses,
letters, stop words. Ours: at least 20 words instead of 50 (documents here are paragraphs of one page), and for Chinese,
which has no spaces, the share of Chinese characters and of repeated lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daft import DataFrame, Expression

WORDS = 20
"""Fewest words of an English document."""
WORD_LENGTH = (3.0, 10.0)
"""Mean characters of an English word."""
SYMBOLS = 0.1
"""Most `#` and `...` per word."""
BULLETS, ELLIPSES, LETTERS = 0.9, 0.3, 0.8
"""Most lines with a bullet, most lines that end in an ellipsis, fewest words with a letter."""
STOPS = ("the", "be", "to", "of", "and", "that", "have", "with")
LEAST_STOPS = 2
HAN, LEAST_HAN = 0.35, 60
"""Least share of Chinese characters among all that are no space, and the fewest of them."""

Rule = tuple[str, "Expression"]


def judge(frame: DataFrame) -> DataFrame:
    """Add a column `reason`: why a row (columns `text`, `lang`) is dropped, or null where it stays."""
    from daft import col
    from daft.functions import when

    rules = [((col("lang") != "zh") & broken, name) for name, broken in _english()]
    rules += [((col("lang") == "zh") & broken, name) for name, broken in _chinese()]
    reason = when(*rules[0])
    for rule in rules[1:]:
        reason = reason.when(*rule)
    return frame.with_column("reason", reason)


def _english() -> list[Rule]:
    words = _count(r"\S+")
    lines = _count(r"[^\n]+")
    least, most = WORD_LENGTH
    mean = _count(r"\S") / words
    stops = sum((_count(rf"(?i)\b{stop}\b") > 0).cast("int32") for stop in STOPS)
    return [
        ("few words", words < WORDS),
        ("word length", (mean < least) | (mean > most)),
        ("symbols", _count(r"#|\.\.\.|…") > words * SYMBOLS),
        ("bullets", _count(r"(?m)^\s*[-*•]") > lines * BULLETS),
        ("ellipses", _count(r"(?m)(\.\.\.|…)\s*$") > lines * ELLIPSES),
        ("letters", _count(r"\S*[A-Za-z]\S*") < words * LETTERS),
        ("stop words", stops < LEAST_STOPS),
    ]


def _chinese() -> list[Rule]:
    han = _count(r"\p{Han}")
    return [
        ("few Chinese characters", han < LEAST_HAN),
        ("share of Chinese", han < _count(r"\S") * HAN),
        ("ellipses", _count(r"(?m)(\.\.\.|…+)\s*$") > _count(r"[^\n]+") * ELLIPSES),
    ]


def _count(pattern: str) -> Expression:
    from daft import col

    return col("text").regexp_count(pattern).cast("float64")
