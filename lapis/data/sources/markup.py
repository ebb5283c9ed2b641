"""Plain paragraphs from HTML, Mallard and DocBook pages, manual pages and docstrings, with Python's own parsers.

Unusual: code blocks, tables, navigation and references are dropped, since the aim is prose. Figures keep the text
that stands beside them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


BLOCKS = _names(
    "p li dd dt div h1 h2 h3 h4 h5 h6 title td th tr section article blockquote desc item body page figure figcaption "
    "ul ol dl table para listitem"
)
SKIPPED = _names("script style pre nav table info header footer button form svg math code_block screen programlisting")
CHROME = ("docnav", "navheader", "navfooter", "sphinxsidebar", "related", "toc", "footer", "banner", "breadcrumb")
"""Class names of what surrounds a page's own text."""
_VOID = _names("img br hr meta link input area base col embed source track wbr include revision")
_SPACE = re.compile(r"\s+")
_FIGURE_NUMBER = re.compile(r"^\s*(Figure|Fig\.|图|圖)\s*[\d.\-]+\s*[.:：]?\s*")


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture's address, relative to its page, and the text of its caption."""

    address: str
    caption: str


class Page(HTMLParser):
    """Reads one page: `paragraphs` and `figures` afterwards."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.paragraphs: list[str] = []
        self.figures: list[Figure] = []
        self._words: list[str] = []
        self._open: list[tuple[str, bool, bool]] = []
        """Open elements: tag, whether its text is skipped, whether it is a figure."""
        self._skipping = 0
        self._figure: list[str] | None = None
        self._address = ""
        self._alternative = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag in ("img", "imagedata"):
            self._picture(names)
        if tag in BLOCKS or tag == "br":
            self._flush()
        if tag in _VOID:
            return
        classes = f"{names.get('class') or ''} {names.get('id') or ''}".split()
        figure = self._figure is None and (tag == "figure" or "figure" in classes)
        skipped = tag in SKIPPED or any(name in CHROME for name in classes)
        self._open.append((tag, skipped, figure))
        self._skipping += skipped
        if figure:
            self._figure, self._address = [], ""

    def handle_endtag(self, tag: str) -> None:
        if not any(name == tag for name, _, _ in self._open):
            return
        if tag in BLOCKS:
            self._flush()
        while self._open:
            name, skipped, figure = self._open.pop()
            self._skipping -= skipped
            if figure:
                self._end_figure()
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self._words.append(data)

    def close(self) -> None:
        super().close()
        self._flush()

    def _picture(self, names: dict[str, str | None]) -> None:
        if self._figure is not None and not self._address:
            self._address = names.get("src") or names.get("fileref") or ""
            self._alternative = names.get("alt") or ""

    def _flush(self) -> None:
        text = _SPACE.sub(" ", "".join(self._words)).strip()
        self._words.clear()
        if not text:
            return
        if self._figure is not None:
            self._figure.append(text)
        else:
            self.paragraphs.append(text)

    def _end_figure(self) -> None:
        self._flush()
        texts = [_FIGURE_NUMBER.sub("", text).strip() for text in self._figure or ()]
        caption = max([*texts, self._alternative], key=len)
        if self._address and caption:
            self.figures.append(Figure(self._address, caption))
        self._figure = None


def read_page(text: str) -> Page:
    """A parsed HTML, Mallard or DocBook page."""
    page = Page()
    page.feed(text)
    page.close()
    return page


_ROFF_COMMENT = re.compile(r"\\\".*")
_ROFF_FONT = re.compile(r"\\f(?:\[[^\]]*\]|\(..|.)|\\s[-+]?\d+|\\[&/,|^%c:]|\\\*\[[^\]]*\]|\\n\([a-zA-Z]{2}")
_ROFF_NAMES = {"-": "-", "e": "\\", "(aq": "'", "(dq": '"', "(bu": "*", "(em": "-", "(en": "-", "(lq": '"', "(rq": '"'}
_ROFF_NAME = re.compile(r"\\(\(..|\[[^\]]*\]|.)")
_ROFF_TEXT = _names("B I BR RB BI IB IR RI SM SB")
_ROFF_BREAK = _names("PP P LP TP IP HP SH SS br sp RS RE TQ")
_ROFF_SILENT = {"nf": "fi", "EX": "EE", "TS": "TE", "de": "."}
"""Requests that open what is no prose, and the request that ends it."""


def read_manual(text: str) -> list[str]:
    """Paragraphs of a manual page (the man macros); tables, examples and macros of its own are dropped."""
    paragraphs: list[str] = []
    words: list[str] = []
    silent = ""
    for line in text.splitlines():
        request, _, rest = line[1:].partition(" ") if line[:1] in (".", "'") else ("", "", line)
        request = request.strip()
        if silent:
            silent = "" if request == silent else silent
        elif request in _ROFF_SILENT:
            silent = _ROFF_SILENT[request]
        elif request in _ROFF_BREAK or not line.strip():
            paragraphs.append(" ".join(words))
            words.clear()
        elif request in _ROFF_TEXT:
            words.append(("" if request in ("B", "I", "SM", "SB") else " ").join(_arguments(rest, request)))
        elif line[:1] not in (".", "'"):
            words.append(_roff(line))
    paragraphs.append(" ".join(words))
    return [cleaned for text in paragraphs if (cleaned := _SPACE.sub(" ", text).strip())]


def _arguments(rest: str, request: str) -> list[str]:
    """A font request's arguments: one-font requests keep spaces, two-font ones join without."""
    parts = [_roff(part.replace('"', "")) for part in re.findall(r'"[^"]*"|\S+', rest)]
    return [" ".join(parts)] if request in ("B", "I", "SM", "SB") else ["".join(parts)]


def _roff(text: str) -> str:
    text = _ROFF_FONT.sub("", _ROFF_COMMENT.sub("", text))
    return _ROFF_NAME.sub(lambda found: _ROFF_NAMES.get(found.group(1), " "), text)


def read_docstring(text: str) -> list[str]:
    """Paragraphs of a docstring or of plain text; indented examples (`>>>`) are dropped."""
    parts = re.split(r"\n\s*\n", text)
    kept = (part for part in parts if ">>>" not in part and "::" not in part[-3:])
    return [cleaned for part in kept if (cleaned := _SPACE.sub(" ", part).strip(" -=*~^+\n"))]
