"""From a number to a page and its views: kit, kind, language, device and looks drawn by seed. No browser."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lapis.data.screens.compose import HELD as HELD_SPLITS
from lapis.data.screens.compose import Split
from lapis.data.screens.kits.describe import Page, Part, icon
from lapis.data.screens.kits.kits import Kit
from lapis.data.screens.kits.pages import HELD, KINDS
from lapis.data.screens.kits.say import Say
from lapis.data.screens.kits.tab import View
from lapis.data.screens.style import Fonts

MOST_VIEWS = 4
"""Pictures that one page gives at most."""
SIZES = {
    "phone": ((360, 740), (360, 800), (375, 667), (375, 812), (390, 844), (393, 852), (412, 915), (430, 932)),
    "tablet": ((768, 1024), (820, 1180), (1024, 768), (800, 1280)),
    "desktop": ((1280, 720), (1280, 800), (1366, 768), (1440, 900)),
}
"""CSS pixels, from devices that are sold."""
SCALES = {
    "phone": {1.0: 30, 1.5: 25, 2.0: 35, 2.5: 5, 3.0: 5},
    "tablet": {1.0: 40, 1.5: 30, 2.0: 30},
    "desktop": {1.0: 60, 1.25: 20, 1.5: 20},
}
"""Pixels of the picture a CSS pixel, and their share in percent."""
DARK = 0.35
LETTERS = (tuple("qwertyuiop"), tuple("asdfghjkl"), ("⇧", *"zxcvbnm", "⌫"))
NUMBERS = (tuple("1234567890"), tuple('-/:;()@"&'), ("#+=", *".,?!'", "⌫"))


@dataclass(frozen=True, slots=True)
class Plan:
    """A page and the ways in which it is shown."""

    index: int
    kit: Kit
    kind: str
    lang: str
    device: str
    view: View
    content: frozenset[str]
    """Held-out words on it."""
    views: tuple[dict[str, Any], ...]
    """What `lapis.show` draws, one a picture."""


def plan(
    seed: int, split: Split, index: int, kits: Sequence[Kit], devices: Sequence[str], most: int, fonts: Fonts
) -> Plan:
    """Page `index` of a run, with up to `most` views: a pure function of its arguments."""
    rng = random.Random(f"kits/{seed}/{split}/{index}")
    kit = rng.choice([kit for kit in kits if set(kit.devices) & set(devices)])
    device = rng.choice([device for device in kit.devices if device in devices])
    lang = rng.choice(("en", "zh"))
    kind = rng.choice(sorted(HELD if split == "unseen" else frozenset(KINDS) - HELD))
    say = Say(rng, lang, split in HELD_SPLITS)
    page = KINDS[kind](say, device != "phone")
    view = viewport(rng, device)
    base = {**dataclasses.asdict(page), **_looks(rng, lang, device, fonts)}
    base["actions"] = [icon(say, name) for name in page.actions]
    content = frozenset(say.content) if split in HELD_SPLITS else frozenset()
    return Plan(
        index, kit, kind, lang, device, view, content, tuple(_views(rng, page, base, say, min(most, MOST_VIEWS)))
    )


def viewport(rng: random.Random, device: str) -> View:
    """A size and a scale that make whole pixels."""
    width, height = rng.choice(SIZES[device])
    scales = {
        scale: share for scale, share in SCALES[device].items() if (width * scale) % 1 == (height * scale) % 1 == 0
    }
    return View(width, height, rng.choices(list(scales), list(scales.values()))[0])


def _looks(rng: random.Random, lang: str, device: str, fonts: Fonts) -> dict[str, Any]:
    latin, chinese = fonts.get("sans", ()), fonts.get("zh-sans", ())
    families = [*([rng.choice(latin)] if latin and rng.random() < 0.5 else ()), *chinese[:1], "sans-serif"]
    return {
        "lang": lang, "device": device, "dark": rng.random() < DARK, "hue": rng.randrange(360),
        "family": ", ".join(f"'{name}'" if name != "sans-serif" else name for name in families), "at": 0,
        "scroll": 0.0, "overlay": None, "keyboard": None,
    }  # fmt: skip


def _views(rng: random.Random, page: Page, base: dict[str, Any], say: Say, most: int) -> list[dict[str, Any]]:
    """As it opens; then, in a drawn order, further down, in the other theme under something, and with a keyboard up."""
    base["at"] = rng.randrange(len(page.tabs)) if page.tabs else 0
    under = {**base, "dark": base["dark"] != (rng.random() < 0.7), "scroll": rng.choice((0.0, 0.0, rng.random()))}
    others = [
        {**base, "scroll": rng.uniform(0.3, 1.0)},
        {**under, "overlay": page.overlays[0]},
        {**under, "scroll": rng.choice((0.0, 1.0)), "overlay": page.overlays[-1]},
    ]
    if page.typed and base["device"] != "desktop":
        others.append({**base, "keyboard": keyboard(rng, say)})
    return [base, *rng.sample(others, len(others))][:most]


def keyboard(rng: random.Random, say: Say) -> list[list[str]]:
    """Rows of keys of an on-screen keyboard."""
    rows = NUMBERS if rng.random() < 0.25 else LETTERS
    last = [say.ui("123", "123"), say.ui("space", "空格"), say.ui("return", "换行")]
    return [*map(list, rows), last]


def overlay_name(view: dict[str, Any]) -> str:
    """What lies over a page, in a word."""
    part: Part | None = view["overlay"]
    return "keyboard" if view["keyboard"] else part["t"] if part else ""
