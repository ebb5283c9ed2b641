"""Texts that keep constraints, made of filler, to try verifiers with: the oracle of tests of lapis/constraints.py."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from lapis.constraints import count_words

FILLERS = {"en": ("river", "boat", "tree", "under", "cloud", "seat"), "zh": ("水", "山", "云", "田", "风", "鸟")}
"""Words that no constraint names."""
Made = dict[str, Any]


def keeping(constraints: Sequence[Made], rng: random.Random) -> str:
    """A text that keeps all of them, grown word by word until it is long enough."""
    by = {one["id"]: one for one in constraints}
    lang = by["language"]["of"] if "language" in by else constraints[0]["lang"]
    lang = "en" if {"lowercase", "uppercase"} & by.keys() else lang
    bounds = next((one for one in constraints if one["id"].startswith("words/")), {})
    count = 8
    while count_words(text := _text(by, lang, count, rng), constraints[0]["lang"]) < bounds.get("least", 1):
        count += 1
    return text


def _text(by: dict[str, Made], lang: str, count: int, rng: random.Random) -> str:
    words = [rng.choice(FILLERS[lang]) for _ in range(count)]
    words += by["include"]["words"] if "include" in by else []
    words += [by["frequency"]["word"]] * by["frequency"]["least"] if "frequency" in by else []
    words += ["[姓名]" if lang == "zh" else "[name]"] * by["slots"]["least"] if "slots" in by else []
    if "json" in by:
        return json.dumps(words, ensure_ascii=False)
    text = _cut(words, by, lang)
    if "title" in by:
        text = ("<<山水>>" if lang == "zh" else "<<river>>") + "\n" + text
    if "start" in by:
        text = f"{by['start']['text']} {text}"
    if "end" in by:
        text = f"{text}\n{by['end']['text']}"
    if "postscript" in by:
        text = f"{text}\n{by['postscript']['text']} {FILLERS[lang][0]}"
    if "quoted" in by:
        text = f"“{text}”" if lang == "zh" else f'"{text}"'
    return text.upper() if "uppercase" in by else text.lower() if "lowercase" in by else text


def _cut(words: list[str], by: dict[str, Made], lang: str) -> str:
    """Words as so many sentences, paragraphs or bullet points."""
    name = next((name for name in ("sentences", "paragraphs", "bullets") if name in by), "")
    parts = by[name]["count"] if name else 1
    joint, stop = ("", "。") if lang == "zh" else (" ", ".")
    pieces = [joint.join(words[at::parts]) + stop for at in range(parts)]
    if name == "bullets":
        return "\n".join(f"- {piece}" for piece in pieces)
    return ("\n\n" if name == "paragraphs" else joint).join(pieces)
