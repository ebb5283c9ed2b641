"""Limits of what is kept, and of how often it is taken: languages, heuristics, pictures, key data.

Every limit has its source; where none is named it is ours. A document on a limit stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from lapis.shape import Count, Positive, Rate, Share

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Quality:
    """Limits of prose. Gopher is arXiv 2112.11446 (section A.1.1, table A1), C4 arXiv 1910.10683 (section 2.2), FineWeb
    arXiv 2406.17557 (section 3.6). Shares of Chinese text are ours where they differ, see docs/quality.md."""

    words: Count = 50
    """Fewest words (Gopher)."""
    most_words: Positive = 100_000
    """Most words (Gopher)."""
    word_length: Range = (3.0, 10.0)
    """Mean characters of a word (Gopher)."""
    symbols: Share = 0.1
    """Most `#` a word, and most ellipses a word (Gopher)."""
    bullets: Share = 0.9
    """Most lines that begin with a bullet (Gopher)."""
    ellipses: Share = 0.3
    """Most lines that end in an ellipsis (Gopher)."""
    letters: Share = 0.8
    """Fewest words with a letter in them (Gopher)."""
    stops: Count = 2
    """Fewest of the eight English stop words, asked of English alone (Gopher)."""
    sentences: Count = 3
    """Fewest ends of sentences (C4)."""
    ends: Share = 0.12
    """Fewest lines that end in punctuation (FineWeb)."""
    short_lines: Share = 0.67
    """Most lines that are short (FineWeb)."""
    short: Positive = 30
    """Characters below which a line is short (FineWeb); half of it in Chinese."""
    same_lines: Share = 0.3
    """Most lines that stood before (Gopher)."""
    same_paragraphs: Share = 0.3
    """Most paragraphs that stood before (Gopher)."""
    same_line_characters: Share = 0.2
    """Most characters in lines that stood before (Gopher; FineWeb takes 0.1)."""
    same_paragraph_characters: Share = 0.2
    """Most characters in paragraphs that stood before (Gopher)."""
    top: tuple[float, ...] = (0.2, 0.18, 0.16)
    """Most characters in the most frequent n-gram of 2, 3 and 4 words (Gopher); none asks nothing."""
    repeated: tuple[float, ...] = (0.15, 0.14, 0.13, 0.12, 0.11, 0.1)
    """Most characters in repeated n-grams of 5 to 10 words (Gopher), falling; none asks nothing."""
    han: Share = 0.35
    """Fewest Chinese characters among all that are no space, asked of Chinese alone."""
    least_han: Count = 60
    """Fewest Chinese characters of a Chinese document."""
    broken: Share = 0.001
    """Most characters that stand for lost ones (U+FFFD, and 锟斤拷, which those become once decoded as GBK)."""


PAGES = Quality(
    words=20, sentences=0, ends=0.0, short_lines=1.0, same_lines=1.0, same_paragraphs=1.0, same_line_characters=1.0,
    same_paragraph_characters=1.0, top=(), repeated=(), broken=1.0,
)  # fmt: skip
"""For paragraphs of one page, as the documentation packages give them: Gopher without repetition, from 20 words on."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Limits of images."""

    side: Positive = 28
    """Fewest pixels of the shorter side: one image token."""
    longest: Positive = 8192
    """Most pixels of the longer side."""
    aspect: Annotated[float, Ge(1)] = 5.0
    """Longer by shorter side: two columns of pocket's tiles, and what `anyres` would mostly pad beyond that; LAION's
    usual limit is 3, which a tall phone page passes."""
    spread: Rate = 2.0
    """Least standard deviation of grey, of 255: a picture of one colour has none."""
    sharp: Rate = 20.0
    """Least variance of the Laplacian at 512 px (Pech-Pacheco et al., ICPR 2000); photographs alone are asked."""
    gain: float = 0.02
    """Least nats a token by which an image lowers the loss of its text."""


@dataclass(frozen=True, slots=True)
class Select:
    """How often a row is taken; the formula is in lapis/data/steps/select.py."""

    rare: Share = 0.5
    """Exponent by which rare kinds gain: 0 leaves shares alone, 1 makes all kinds equal (arXiv 1901.07291 has 0.3)."""
    hard: Rate = 1.0
    """How much more of its kind's hardest rows is taken than of the easiest: 1 is from half to one and a half."""
    peak: Share = 0.9
    """Standing in its kind of the row that is taken most; the hardest of all are as often wrong as they are hard."""
    saturated: Share = 0.3
    """Mean difficulty below which a kind counts as saturated."""
    floor: Annotated[float, Gt(0), Le(1)] = 0.25
    """Weight of a kind that has nothing left to teach."""
    quality: Share = 0.5
    """How far quality tilts the weight: 0 not at all, 1 from nothing to double."""
    most: Positive = 4
    """Most copies of a row (four epochs are about as good as new text, arXiv 2305.16264)."""
