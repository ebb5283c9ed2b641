"""Samples as HTML: each an article that says what it is, its text with the training mask, its pictures with boxes.

Everything of a sample goes through `escape`; numbers of boxes are written as numbers. The page's policy lets no
script run but its own, and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources

from lapis.data.thumbnail import jpeg
from lapis.data_pages.shown import Box, Piece, Shown
from lapis.remote.request import data_uri
from lapis.report_parts.page import Section, page
from lapis.types import InputError

SIDE = 460
"""Longest side of a picture on a page, in pixels."""
LONGEST = 6000
"""Characters of a sample on a page; the rest is counted."""
TOLD = (
    *("id", "lang", "source", "licence", "tokens", "trained", "step", "other"),
    *("modality", "subject", "quality", "difficulty", "gain", "masked", "checks"),
)
ORIGIN = re.compile(r"[ /]")
"""What ends the part of a source's name that many samples share."""
FILTERS = ("reason", "step", "kind", "lang", "licence", "source")
"""What a person can choose by: those that differ among the samples of a list."""


def document(title: str, head: str, sections: Sequence[Section]) -> str:
    """The whole page: one file that needs no other, and asks for nothing."""
    parts = resources.files(__package__)
    style, script = (parts.joinpath(name).read_text(encoding="utf-8") for name in ("pages.css", "pages.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    more = f'<meta http-equiv="Content-Security-Policy" content="{policy}"><style>{style}</style>'
    foot = "Made by <code>lapis data</code>. Arrow keys turn the list in view."
    return page(title, head, sections, f"{foot}<script>{script}</script>", more)


def browser(samples: Iterable[Shown]) -> str:
    """A list that a person turns and filters; nothing where there are no samples."""
    entries = "".join(map(article, samples))
    return (
        entries
        and f'<div class="browser" data-filters="{" ".join(FILTERS)}"><div class="entries">{entries}</div></div>'
    )


def article(one: Shown) -> str:
    """One sample."""
    known = {name: one.fact(name) for name in FILTERS if one.fact(name)}
    known |= {"source": ORIGIN.split(known["source"])[0]} if "source" in known else {}
    data = "".join(f' data-{name}="{escape(value)}"' for name, value in known.items())
    reason = f'<span class="chip why">{escape(one.fact("reason"))}</span>' if one.fact("reason") else ""
    told = "".join(_told(name, one.fact(name)) for name in TOLD if one.fact(name))
    shots = "".join(_shot(picture, one.boxes if not at else ()) for at, picture in enumerate(one.pictures))
    pictures = f'<div class="shots">{shots}</div>' if shots else ""
    return (
        f'<article class="sample{" dropped" if reason else ""}"{data}>{reason}'
        f'<span class="chip">{escape(one.kind)}</span><dl>{told}</dl>'
        f'{pictures}<div class="words">{_words(one.pieces)}</div></article>'
    )


def _told(name: str, value: str) -> str:
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _words(pieces: Sequence[Piece]) -> str:
    out, left = [], LONGEST
    for piece in pieces:
        if left <= 0:
            break
        text, left = piece.text[:left], left - len(piece.text)
        if piece.picture is not None:
            out.append(f"<em>[picture {piece.picture + 1}]</em>")
        elif text:
            tag, mark = "b" if piece.special else "span", ' class="t"' if piece.trained else ""
            out.append(f"<{tag}{mark}>{escape(text)}</{tag}>")
    more = sum(len(piece.text) for piece in pieces) - LONGEST
    return "".join(out) + (f"<em> \u2026 {more:,} more characters</em>" if more > 0 else "")


def _shot(data: bytes, boxes: Sequence[Box]) -> str:
    try:
        small = jpeg(data, SIDE, SIDE)
    except InputError:
        return '<span class="chip why">a picture that cannot be read</span>'
    drawn = "".join(
        f'<i style="left:{x / 10:.2f}%;top:{y / 10:.2f}%;width:{w / 10:.2f}%;height:{h / 10:.2f}%"></i>'
        for x, y, w, h in boxes
    )
    shown = f'<img alt="" width="{small.width}" height="{small.height}" src="{data_uri(small)}">'
    return f'<span class="shot">{shown}{drawn}</span>'
