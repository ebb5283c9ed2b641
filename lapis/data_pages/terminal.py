"""Samples in the terminal: what is trained stands out, and pictures are named, or written to a folder"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from PIL import Image as Pixels
from rich.console import Console
from rich.text import Text

from lapis import files
from lapis.data_pages.shown import Piece, Shown

OPEN, CLOSE = "\u27e6", "\u27e7"
"""Around what is trained, where there are no colours."""
FACTS = ("id", "lang", "source", "licence", "tokens", "trained", "step", "reason", "other", "masked", "checks")
LONGEST = 4000
"""Characters of a sample; a page shows it whole."""


def say(samples: Sequence[Shown], console: Console, folder: Path | None = None) -> None:
    """Print samples; their pictures are written to `folder` as PNG where one is named."""
    for number, one in enumerate(samples, 1):
        names = _written(one, number, folder)
        known = [f"{name} {one.fact(name)}" for name in FACTS if one.fact(name)]
        console.rule(Text(f"{number} of {len(samples)}: {one.kind}"), align="left")
        console.print(Text("; ".join(known)), style="dim", highlight=False, soft_wrap=True)
        console.print(_body(one, names, console.is_terminal), highlight=False, soft_wrap=True)


def _body(one: Shown, names: Sequence[str], colours: bool) -> Text:
    body = Text()
    for trained, run in groupby(one.pieces, lambda piece: piece.trained):
        marked = trained and not colours
        body.append(OPEN if marked else "")
        for piece in run:
            named = f"[{names[piece.picture]}]" if piece.picture is not None else piece.text
            body.append(named, style=_style(piece) if colours else "")
        body.append(CLOSE if marked else "")
    if len(body) > LONGEST:
        return body[:LONGEST] + Text(f" \u2026 {len(body) - LONGEST} more characters")
    return body


def _style(piece: Piece) -> str:
    if piece.picture is not None:
        return "magenta"
    return ("bold " if piece.special else "") + ("green" if piece.trained else "default")


def _written(one: Shown, number: int, folder: Path | None) -> list[str]:
    """What each picture is called: its size, and where it was written."""
    names = []
    for at, data in enumerate(one.pictures, 1):
        try:
            with Pixels.open(io.BytesIO(data)) as picture:
                name = f"picture {picture.width} x {picture.height}"
                if folder is not None:
                    path = folder / f"{number:04d}-{at}.png"
                    with files.beside(path) as part:
                        picture.convert("RGB").save(part, "PNG")
                    name += f", {path}"
        except (OSError, ValueError, Pixels.DecompressionBombError):
            name = "picture that cannot be read"
        names.append(name)
    return names
