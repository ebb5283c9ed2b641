"""The page around the sections, and the small pieces that all of them use."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path

Section = tuple[str, str, str]
"""Anchor, name in the navigation, HTML (empty where there is nothing to show)."""


def page(title: str, head: str, sections: Sequence[Section], foot: str, more: str = "") -> str:
    """One self-contained HTML document; sections without content are left out, in the navigation too.

    `more` goes into its head, behind the style.
    """
    shown = [section for section in sections if section[2]]
    links = "".join(f'<a href="#{anchor}">{escape(name)}</a> ' for anchor, name, _ in shown if name)
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    body = "".join(f'<section id="{anchor}">{html}</section>' for anchor, _, html in shown)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style>{more}</head><body>"
        f"<header><div>{head}<nav>{links}</nav></div></header><main>{body}"
        f"<footer>{foot}</footer></main></body></html>\n"
    )


def section(title: str, lead: str, *parts: str) -> str:
    """A heading, one sentence on how to read it, and the content; nothing without content."""
    content = "".join(parts)
    return f"<h2>{escape(title)}</h2><p>{lead}</p>{content}" if content else ""


def table(heads: Sequence[str], lines: Sequence[Sequence[str]], text: Sequence[int] = (0,)) -> str:
    """A table of ready HTML cells; `text` numbers the columns that are words, set to the left."""
    if not lines:
        return ""

    def row(cells: Sequence[str], tag: str) -> str:
        marked = (' class="t"' if number in text else "" for number in range(len(cells)))
        return "".join(f"<{tag}{mark}>{cell}</{tag}>" for cell, mark in zip(cells, marked, strict=True))

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in lines)
    head = f"<thead><tr>{row([escape(name) for name in heads], 'th')}</tr></thead>" if any(heads) else ""
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'


def data_uri(path: Path) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def number(value: float) -> str:
    """12,345 or 1.2M: a count that people can read."""
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:,.0f}"


def clip(text: str, most: int) -> str:
    """Text shortened to `most` characters, escaped."""
    return escape(text if len(text) <= most else text[: most - 1] + "\u2026")
