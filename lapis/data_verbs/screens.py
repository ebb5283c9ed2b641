"""`lapis data screens`: labelled screens of UI kits or of given pages, and the check of their labels"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapis.parsing import takes_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapis.data_config.screens import Screens
    from lapis.types import Progress

NAME, ABOUT = "screens", "draw pages with UI kits (or take given ones), label what is seen, and make samples"
EXAMPLE = "lapis data screens count=200 out=screens"


def options(verb: argparse.ArgumentParser) -> None:
    """What to make, or what to do with what is made."""
    verb.add_argument("--check", metavar="N", type=int, help="write a page on which a person judges N random samples")
    verb.add_argument("--checked", metavar="FILE", help="keep the ticks of that page, and tell the share that is right")
    about = "a field of lapis/data_config/screens.py (count=200, kits=vant,weui, html=FOLDER), or out=DIR"
    takes_words(verb, about)


def act(words: argparse.Namespace) -> None:
    """Make, or write the page, or read its ticks; prints one line. Raises InputError for a number below 1."""
    what, out = _asked(words.words)
    if words.checked is not None:
        _checked(out, Path(words.checked))
    elif words.check is not None:
        _page(out, words.check, what.seed)
    else:
        _make(what, out)


def _asked(words: list[str]) -> tuple[Screens, Path]:
    """Settings and the folder. Raises InputError for what is none."""
    import dataclasses

    from lapis.data_config.screens import Screens
    from lapis.overrides import assign, check
    from lapis.types import InputError

    tree: dict[str, Any] = dataclasses.asdict(Screens())
    out = "runs/screens"
    for word in words:
        name, mark, value = word.partition("=")
        if not mark:
            raise InputError(f"{word!r}: expected key=value")
        if name == "out":
            out = value
        elif isinstance(tree.get(name), tuple):
            tree[name] = tuple(one for one in value.split(",") if one)
        else:
            assign(tree, name, value)
    return check(Screens, tree), Path(out)


def _make(what: Screens, out: Path) -> None:
    from lapis.data.screens.kits import make
    from lapis.progress import Bars, Task

    pages, versions, draw = _given(what) if what.html or what.url else _kits(what)
    with Bars([Task("screens", 0)], {}) as bars, bars.stage("screens", pages) as progress:
        found = make.make(what, pages, out, lambda numbers: draw(numbers, progress), versions)
    told = ", ".join(f"{count} {name}" for name, count in found.items())
    print(f"{out}: {told}")


def _kits(what: Screens) -> tuple[int, list[str], Callable[[Any, Progress], Any]]:
    import sys

    from lapis.data.screens.kits import kits, shots
    from lapis.types import InputError

    found, notes = kits.gathered(what.kits)
    for note in notes:
        print(note, file=sys.stderr)
    at_home = tuple(kit for kit in found if set(kit.devices) & set(what.devices))
    if not at_home:
        raise InputError(
            f"devices: none of {', '.join(kit.name for kit in found)} is drawn on {', '.join(what.devices)}"
        )
    series = shots.Series(what.seed, what.split, at_home, what.devices, what.views)
    return (
        what.count,
        [kit.source for kit in at_home],
        lambda numbers, bar: shots.shots(series, numbers, what.workers, bar),
    )


def _given(what: Screens) -> tuple[int, list[str], Callable[[Any, Progress], Any]]:
    from lapis.data.screens.kits import given
    from lapis.data_config.screens import Screens
    from lapis.types import InputError

    if what.html and what.url:
        raise InputError("html: given beside url, expected one of the two")
    drawn = next((name for name in ("count", "split", "kits") if getattr(what, name) != getattr(Screens(), name)), None)
    if drawn:
        raise InputError(f"{drawn}: is for drawn pages; all of html or url are taken")
    if not what.licence:
        raise InputError("licence: given pages need one, as an SPDX identifier (licence=CC-BY-4.0)")
    told: dict[str, Any] = {"licence": what.licence, "devices": what.devices, "views": what.views, "seed": what.seed}
    pages = given.of_folder(Path(what.html), **told) if what.html else given.of_web(what.url, what.allow, **told)
    return len(pages.places), list(pages.places), lambda numbers, bar: given.shots(pages, numbers, bar)


def _page(out: Path, many: int, seed: int) -> None:
    from lapis.data.screens.kits import check
    from lapis.types import InputError

    if many < 1:
        raise InputError(f"--check: {many}, expected at least 1")
    print(check.write(out, many, seed))


def _checked(out: Path, path: Path) -> None:
    from lapis.data.check.checks import TICKS
    from lapis.data.screens.kits import check
    from lapis.eval.stats import wilson

    ticks = check.read(path, out)
    check.keep(out, ticks)
    share = wilson(sum(ticks.values()), len(ticks))
    print(f"{share.value:.1%} right ({share.low:.1%} to {share.high:.1%}, n = {share.n}); kept in {out / TICKS}")
