"""How a generated screen looks: size, device, colours, fonts, corners and the order of its parts, drawn by seed.

One number, `difficulty`, moves font size (18 px down to 11), decoration and with both the number of elements: 0 gives
few, large and plain elements. Lengths in `em` are multiples of the font size.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

SIZES = {(252, 252): 70, (200, 252): 10, (252, 200): 10, (252, 504): 5, (504, 252): 5}
"""Width and height in pixels, and share in percent. A tile is 252 px, so the last two are several tiles."""

Fonts = Mapping[str, tuple[str, ...]]
"""Installed font families by `sans`, `serif`, `mono`, `zh-sans`, `zh-serif`, `zh-mono`."""


@dataclass(frozen=True, slots=True)
class Style:
    """One screen's look."""

    lang: str
    width: int
    height: int
    device: str
    difficulty: float
    dark: bool
    hue: int
    vivid: int
    """Saturation of the accent colour, percent."""
    family: str
    size: int
    """Font size in pixels."""
    radius: int
    gap: float
    """Em between rows."""
    lined: bool
    """Rows are parted by lines; cards have borders."""
    filled: bool
    """Cards have a background of their own."""
    shadow: bool
    bold: bool
    align: str
    """Of titles: left or center."""
    mirrored: bool
    """Sides are swapped where a template has sides."""
    header: bool
    nav: bool
    nav_first: bool
    """Tabs stand above the body instead of below it."""
    spread: bool
    """Rows share the height out instead of standing at the top."""

    @property
    def room(self) -> float:
        """Em of height left for the body."""
        bars = 2.4 * self.header + 2.5 * (self.nav and self.device == "phone") + 0.6
        return self.height / self.size - bars

    @property
    def span(self) -> float:
        """Em of width of the body."""
        return (self.width / self.size - 1.2) * (0.68 if self.device == "desktop" and self.nav else 1)

    @property
    def rich(self) -> bool:
        """Pictures, icons and second lines are drawn."""
        return self.difficulty > 0.3

    def rows(self, each: float, reserve: float = 0.0, most: int = 12) -> int:
        """How many rows of `each` em fit into the body beside `reserve` em; at least one."""
        return max(1, min(most, int((self.room - reserve + self.gap) / (each + self.gap))))

    def css(self) -> str:
        """Style elements: the shared classes (equal on all screens, so a browser parses them once), then the look."""
        return f"<style>{SHEET}</style><style>{_variables(self)}</style>"


def draw_style(rng: random.Random, lang: str, difficulty: float, fonts: Fonts) -> Style:
    """A look of the given difficulty."""
    width, height = rng.choices(list(SIZES), list(SIZES.values()))[0]
    desktop = {200: 0.0, 504: 0.9}.get(width, 0.1 if height == 504 else 0.35)
    device = "desktop" if rng.random() < desktop else "phone"
    plain = rng.random() > difficulty
    return Style(
        lang=lang, width=width, height=height, device=device, difficulty=difficulty, dark=rng.random() < 0.35,
        hue=rng.randrange(360), vivid=rng.randrange(25, 95), family=_family(rng, lang, fonts),
        size=_size(rng, difficulty, lang, narrow=width == 200 or (device == "desktop" and width < 504)),
        radius=rng.choice((0, 2, 4, 8, 14)), gap=rng.choice((0.15, 0.25, 0.4, 0.6)), lined=rng.random() < 0.4,
        filled=rng.random() < 0.6, shadow=not plain and rng.random() < 0.4, bold=rng.random() < 0.3,
        align=rng.choice(("left", "center")), mirrored=rng.random() < 0.5, header=rng.random() < 0.85,
        nav=rng.random() < (0.25 + 0.5 * difficulty if height > 200 else 0.2), nav_first=rng.random() < 0.35,
        spread=rng.random() < 0.5,
    )  # fmt: skip


def _size(rng: random.Random, difficulty: float, lang: str, narrow: bool) -> int:
    size = round(18 - 7 * difficulty + rng.uniform(-0.7, 0.7))
    return max(12 if lang == "zh" else 11, min(14 if narrow else 18, size))


def _family(rng: random.Random, lang: str, fonts: Fonts) -> str:
    kind = rng.choices(("sans", "serif", "mono"), (70, 20, 10))[0]
    generic = {"sans": "sans-serif", "serif": "serif", "mono": "monospace"}[kind]
    names = fonts.get(f"zh-{kind}" if lang == "zh" else kind, ())
    return f"'{rng.choice(names)}', {generic}" if names else generic


def _variables(style: Style) -> str:
    hue, dark = style.hue, style.dark
    light = (12, 19, 27, 93, 70, 66, 8) if dark else (97, 91, 80, 10, 36, 38, 99)
    bg, surface, border, fg, muted, accent, on_accent = light
    if not style.filled:
        surface = bg
    tint = min(style.vivid, 40)
    line = f"1px solid hsl({hue} {tint}% {border}%)"
    return (
        f".s{{--bg:hsl({hue} {tint}% {bg}%);--sf:hsl({hue} {tint}% {surface}%);--bd:hsl({hue} {tint}% {border}%);"
        f"--fg:hsl({hue} 20% {fg}%);--mu:hsl({hue} 10% {muted}%);--ac:hsl({hue} {style.vivid}% {accent}%);"
        f"--oa:hsl({hue} 20% {on_accent}%);--r:{style.radius}px;--gap:{style.gap}em;--fs:{style.size}px;"
        f"--line:{line if style.lined else '0 solid transparent'};--edge:{line if not style.filled else '0 solid'};"
        f"--sh:{'0 1px 4px #0005' if style.shadow else 'none'};--w:{600 if style.bold else 400};"
        f"--al:{'center' if style.align == 'center' else 'flex-start'};"
        f"--list:{'space-between' if style.spread else 'flex-start'};--ff:{style.family}}}"
    )


SHEET = """
*{box-sizing:border-box;margin:0;padding:0}
.s{position:absolute;inset:0;display:flex;flex-direction:column;overflow:hidden;background:var(--bg);color:var(--fg);
 font:var(--w) var(--fs)/1.3 var(--ff);white-space:nowrap}
.h,.f{display:flex;align-items:center;gap:.5em;padding:0 .6em;flex:none}
.h{height:2.4em;background:var(--sf);border-bottom:var(--line);font-weight:700}
.h.ac{background:var(--ac);color:var(--oa)}
.h .t{flex:1;display:flex;justify-content:var(--al);min-width:0;overflow:hidden}
.f{height:2.5em;background:var(--sf);border-top:var(--line);justify-content:space-around;gap:.3em}
.m{flex:1;display:flex;min-height:0;min-width:0}
.body{flex:1;min-width:0;min-height:0;overflow:hidden;padding:.3em .6em;display:flex;flex-direction:column;
 gap:var(--gap);position:relative}
.side{flex:0 0 30%;background:var(--sf);padding:.4em .3em;display:flex;flex-direction:column;gap:.3em;overflow:hidden;
 border-right:var(--line)}
.list{flex:1;min-height:0;display:flex;flex-direction:column;gap:var(--gap);justify-content:var(--list);overflow:hidden}
.row{display:flex;align-items:center;gap:.5em;min-width:0;flex:none}
.col{display:flex;flex-direction:column;align-items:flex-start;min-width:0}
.item{display:flex;align-items:center;gap:.5em;padding:.28em .5em;background:var(--sf);border:var(--edge);
 border-radius:var(--r);flex:none;min-width:0;box-shadow:var(--sh)}
.ln{border-bottom:var(--line)}
.g{flex:1;min-width:0}.fit{width:fit-content;max-width:100%}.e{margin-left:auto}.c{text-align:center;justify-content:center}.wrap{white-space:normal}
.mu{color:var(--mu)}.st{font-weight:700}.sm{font-size:.86em}.lg{font-size:1.25em}.xl{font-size:1.7em}
.btn{background:var(--ac);color:var(--oa);border-radius:var(--r);padding:.25em .7em;text-align:center;flex:none;
 font-weight:600}
.btn.o{background:transparent;color:var(--ac);border:1px solid var(--ac)}
.btn.q{background:transparent;color:var(--ac);padding:.25em .2em}
.tab{padding:.15em .4em;border-radius:var(--r);flex:none}
.tab.on{color:var(--ac);font-weight:700}.side .tab.on{background:var(--ac);color:var(--oa)}
.in{border:1px solid var(--mu);border-radius:var(--r);padding:.2em .5em;background:var(--bg);color:var(--mu);
 min-width:0}
.card{background:var(--sf);border:var(--edge);border-radius:var(--r);padding:.4em .5em;box-shadow:var(--sh);min-width:0}
.sw{width:2em;height:1.15em;border-radius:1em;background:var(--mu);padding:.15em;flex:none}
.sw i{display:block;width:.85em;height:.85em;border-radius:50%;background:var(--bg)}
.sw.on{background:var(--ac)}.sw.on i{margin-left:auto}
.ck{width:1.05em;height:1.05em;border:2px solid var(--mu);border-radius:.2em;flex:none}
.ck.on{background:var(--ac);border-color:var(--ac)}.ck.ro{border-radius:50%}
.av{width:1.7em;height:1.7em;border-radius:50%;flex:none;background:var(--ac)}
.grid{display:grid;gap:var(--gap);min-height:0}
svg.i{width:1.25em;height:1.25em;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;
 stroke-linejoin:round;display:block}
.ic{flex:none;padding:.15em}
"""
"""Classes that the templates share."""
