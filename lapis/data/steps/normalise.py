"""Unicode repair: wrong decodings undone, NFC, no control characters, one form of line end.

Mojibake is undone by ftfy, told to leave quotation marks, full-width forms and HTML alone: `“`, `，` and `&lt;` are
what people wrote. Ours: bidirectional controls and zero-width spaces go (a zero-width joiner stays, scripts and emoji
need it), no-break spaces become spaces, ligatures of typesetting (`ﬁ`) their letters, and form feeds line ends.

Unusual: a text in which no character can need repair is found by one search over the column, and never becomes a
Python string. ftfy takes about 0.3 ms for a text of two thousand characters; where its own test sees nothing bad, it
is not asked either.
"""

from __future__ import annotations

import re
import unicodedata

import ftfy
import ftfy.badness
import pyarrow as pa

from lapis.data.steps.rewrite import matching, rewrite

SAFE = (
    ("\t", "\t"), ("\n", "\n"), (" ", "~"), ("\u2010", "\u2027"), ("\u2030", "\u203a"), ("\u20a0", "\u20c0"),
    ("\u2190", "\u21ff"), ("\u2460", "\u27bf"), ("\u3000", "\u3029"), ("\u3030", "\u3096"), ("\u309b", "\u30ff"),
    ("\u4e00", "\u9fff"), ("\ufe00", "\ufe0f"), ("\uff01", "\uff5e"), ("\U0001f300", "\U0001f64f"),
    ("\U0001f680", "\U0001f6ff"), ("\U0001f900", "\U0001faff"),
)  # fmt: skip
"""Spans of characters that are in NFC after whatever stands before them, and no control: what English and Chinese are
written with. A test asks Python's Unicode data about each."""
CONFIG = ftfy.TextFixerConfig(
    unescape_html=False, uncurl_quotes=False, fix_character_width=False, normalization=None, explain=False
)
_ENDS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_GONE = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]"
)
_SPACES = re.compile("[\xa0\u2007\u202f]")
_LIGATURE = re.compile("[\ufb00-\ufb06]")


def _pattern() -> str:
    """RE2: a character outside of SAFE, or one that JSON writes as an escape: a control, or a line end but \\n."""
    spans = "".join(rf"\x{{{ord(first):x}}}-\x{{{ord(last):x}}}" for first, last in SAFE)
    return rf"[^{spans}]|\\(?:[rfb]|u00)"


PATTERN = _pattern()


def change(rows: pa.Table) -> pa.Table:
    """The same rows (store.SCHEMA) with every text repaired; `id` and `key` follow."""
    return rewrite(rows, matching(rows, PATTERN), repair)


def repair(text: str) -> str:
    """One text repaired."""
    text = _ENDS.sub("\n", text)
    if ftfy.badness.is_bad(text):
        text = _ENDS.sub("\n", ftfy.fix_text(text, CONFIG))
    text = _SPACES.sub(" ", _GONE.sub("", text))
    text = _LIGATURE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return unicodedata.normalize("NFC", text)
