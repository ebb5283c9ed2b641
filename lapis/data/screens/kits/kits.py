"""The UI kits that pages are drawn with: what each loads, on which devices it is at home, and which are here"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lapis.data.screens.kits import packages
from lapis.data.screens.kits.packages import (
    BOOTSTRAP,
    CACHE,
    ELEMENT,
    ICONS,
    VANT,
    VUE,
    WEUI,
    Package,
)  # fmt: skip
from lapis.types import InputError

JS = Path(__file__).parent / "js"


@dataclass(frozen=True, slots=True)
class Kit:
    """A kit, and the file of ours (`js/NAME.js`) that draws described pages with it."""

    name: str
    packages: tuple[Package, ...]
    """In the order in which their scripts run."""
    devices: tuple[str, ...]

    @property
    def source(self) -> str:
        """Names and versions, as samples keep them."""
        return "+".join(f"{one.name}@{one.version}" for one in self.packages) or "lapis"

    @property
    def licence(self) -> str:
        """SPDX expression of pictures of it: ours, and those of its packages."""
        return " AND ".join(["Apache-2.0", *sorted({one.licence for one in self.packages})])


PLAIN = Kit("plain", (), ("phone", "tablet", "desktop"))
"""Our own, of nothing but `js/common.js`: what is left where no kit can be had."""
KITS = (
    Kit("vant", (VUE, VANT, ICONS), ("phone",)),
    Kit("weui", (WEUI, ICONS), ("phone",)),
    Kit("bootstrap", (BOOTSTRAP, ICONS), ("phone", "tablet", "desktop")),
    Kit("element", (VUE, ELEMENT, ICONS), ("tablet", "desktop", "desktop")),
    PLAIN,
)
NAMES = tuple(kit.name for kit in KITS)


def named(names: Sequence[str]) -> list[Kit]:
    """Kits by name. Raises InputError for a name that is none."""
    known = {kit.name: kit for kit in KITS}
    for name in names:
        if name not in known:
            raise InputError(f"kits: {name!r} is none; there are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)]


def is_there(kit: Kit, cache: Path = CACHE) -> bool:
    """Whether all its packages lie in the cache."""
    return all(packages.is_there(one, cache) for one in kit.packages)


def gathered(names: Sequence[str], cache: Path = CACHE) -> tuple[list[Kit], list[str]]:
    """Kits to draw with, fetched where they are missing, and a note for each that cannot be had.

    Without names: all that are here or can be fetched, and our plain one where none is. Raises InputError for a named
    one that cannot be had.
    """
    if names:
        chosen = named(names)
        for kit in chosen:
            _fetch(kit, cache)
        return chosen, []
    found, notes = [], []
    for kit in KITS[:-1]:
        try:
            _fetch(kit, cache)
            found.append(kit)
        except InputError as error:
            notes.append(f"without {kit.name}: {error}")
    return found or [PLAIN], notes


def _fetch(kit: Kit, cache: Path) -> None:
    for one in kit.packages:
        packages.fetch(one, cache)
