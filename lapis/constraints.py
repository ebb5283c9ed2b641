"""Instructions that a program can check, in English and Chinese: lengths, words, formats, edges, case, language.

The kinds are IFEval's (arXiv 2311.07911, table 1), by names of ours; the checks are strict, on the answer as it is. A
constraint is a dict: `id` and the fields of its kind, and `lang`, which says how words are counted: English words, or
Chinese characters. Ours: least and most in one constraint, bounds of Latin words for every keyword, JSON that must be
an object or a list, and paragraphs that an empty line parts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lapis.types import InputError, Verdict

Constraint = Mapping[str, Any]
HAN = re.compile(r"[\u3400-\u9fff]")
WORD = re.compile(r"\w+(?:['’-]\w+|\.\d+)*")
SENTENCES = re.compile(r"(?<=[.!?])[\"'”’)]*\s+|(?<=[。!?…])[”’」)]*|\n+")
"""Between two sentences."""
BULLET = re.compile(r"^\s*[-*•]\s+\S", re.MULTILINE)
FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL | re.IGNORECASE)
TITLE = re.compile(r"<<[^<>\n]*[^<>\s][^<>\n]*>>")
SLOT = re.compile(r"\[[^\[\]\n]+\]")
QUOTES = ('""', "“”", "「」")
LEAST_HAN, LEAST_LATIN = 0.6, 0.95
"""Share of the letters that are Chinese in a Chinese answer, and A to Z in an English one (ours)."""
COMMAS = ",,、"
EDGES = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of constraint: its check, its fields besides `id` and `lang`, and its words in both languages."""

    holds: Callable[[Constraint, str], bool]
    needs: tuple[str, ...]
    en: str
    zh: str


def count_words(text: str, lang: str) -> int:
    """English words, or Chinese characters (words of Latin letters among them count as one)."""
    if lang != "zh":
        return len(WORD.findall(text))
    return len(HAN.findall(text)) + len(WORD.findall(HAN.sub(" ", text)))


def count_sentences(text: str) -> int:
    """Pieces between the ends of sentences, and lines, that have a letter or a digit."""
    return sum(bool(WORD.search(part)) for part in SENTENCES.split(text))


def occurrences(text: str, word: str) -> int:
    """How often a word stands in a text, in any case; within no other word where it begins and ends with letters."""
    left, right = (r"\b" if edge.isascii() and edge.isalnum() else "" for edge in (word[0], word[-1]))
    return len(re.findall(left + re.escape(word) + right, text, re.IGNORECASE))


def _within(count: int, one: Constraint) -> bool:
    return one.get("least", 0) <= count <= one.get("most", count)


def _json(one: Constraint, text: str) -> bool:
    fenced = FENCE.fullmatch(text)
    try:
        return isinstance(json.loads(fenced[1] if fenced else text), dict | list)
    except (ValueError, RecursionError):
        return False


def _language(one: Constraint, text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    if one["of"] == "zh":
        return bool(letters) and len(HAN.findall(text)) >= LEAST_HAN * len(letters)
    return bool(letters) and sum(char.isascii() for char in letters) >= LEAST_LATIN * len(letters)


def _quoted(one: Constraint, text: str) -> bool:
    text = text.strip(EDGES)
    return len(text) > 2 and f"{text[0]}{text[-1]}" in QUOTES


def _starts(one: Constraint, text: str) -> bool:
    return text.lstrip(EDGES).casefold().startswith(one["text"].casefold())


def _ends(one: Constraint, text: str) -> bool:
    return text.rstrip(EDGES).casefold().endswith(one["text"].casefold())


def _postscript(one: Constraint, text: str) -> bool:
    return any(line.strip().startswith(one["text"]) for line in text.splitlines()[1:])


def _lower(one: Constraint, text: str) -> bool:
    return text.islower() and not HAN.search(text)


def _upper(one: Constraint, text: str) -> bool:
    return text.isupper() and not HAN.search(text)


def _paragraphs(one: Constraint, text: str) -> bool:
    return len([part for part in re.split(r"\n\s*\n", text) if part.strip()]) == one["count"]


KINDS: dict[str, Kind] = {
    "words/least": Kind(
        lambda one, text: _within(count_words(text, one["lang"]), one), ("least",),
        "Write at least {least} words.", "至少写 {least} 个字。",
    ),
    "words/most": Kind(
        lambda one, text: _within(count_words(text, one["lang"]), one), ("most",),
        "Write no more than {most} words.", "最多写 {most} 个字。",
    ),
    "words/between": Kind(
        lambda one, text: _within(count_words(text, one["lang"]), one), ("least", "most"),
        "Write between {least} and {most} words.", "写 {least} 到 {most} 个字。",
    ),
    "sentences": Kind(
        lambda one, text: count_sentences(text) == one["count"], ("count",),
        "Write exactly {count} sentences.", "正好写 {count} 句话。",
    ),
    "paragraphs": Kind(
        _paragraphs, ("count",),
        "Write exactly {count} paragraphs with an empty line between them.", "正好写 {count} 段,段与段之间空一行。",
    ),
    "include": Kind(
        lambda one, text: all(occurrences(text, word) for word in one["words"]), ("words",),
        "Use these words: {words}.", "要用到这些词:{words}。",
    ),
    "exclude": Kind(
        lambda one, text: not any(occurrences(text, word) for word in one["words"]), ("words",),
        "Do not use these words: {words}.", "不要用这些词:{words}。",
    ),
    "frequency": Kind(
        lambda one, text: occurrences(text, one["word"]) >= one["least"], ("word", "least"),
        'Use the word "{word}" at least {least} times.', "“{word}”这个词至少出现 {least} 次。",
    ),
    "json": Kind(_json, (), "Answer with valid JSON only.", "只用合法的 JSON 回答。"),
    "language": Kind(_language, ("of",), "Answer in {of} only.", "只用{of}回答。"),
    "bullets": Kind(
        lambda one, text: len(BULLET.findall(text)) == one["count"], ("count",),
        'Write exactly {count} bullet points, each on a line that begins with "- ".',
        "正好列出 {count} 个要点,每个要点占一行,以“- ”开头。",
    ),
    "title": Kind(
        lambda one, text: bool(TITLE.search(text)), (),
        "Give it a title in double angle brackets, such as <<title>>.", "加一个标题,放在双尖括号里,如 <<标题>>。",
    ),
    "slots": Kind(
        lambda one, text: len(SLOT.findall(text)) >= one["least"], ("least",),
        "Leave at least {least} placeholders in square brackets, such as [name].",
        "至少留出 {least} 个用方括号括起来的空,如 [姓名]。",
    ),
    "quoted": Kind(
        _quoted, (), "Put the whole answer in double quotation marks.", "把整个回答放在双引号里。"
    ),
    "start": Kind(_starts, ("text",), 'Begin with "{text}"', "以“{text}”开头。"),
    "end": Kind(
        _ends, ("text",), 'End with exactly "{text}" and nothing after it.', "以“{text}”结尾,后面不要再写别的。"
    ),
    "postscript": Kind(
        _postscript, ("text",), "Add a postscript on a line of its own that begins with {text}",
        "最后另起一行写一句附言,以“{text}”开头。",
    ),
    "lowercase": Kind(
        _lower, (), "Write in English, in small letters only.", "用英文回答,所有字母都小写。"
    ),
    "uppercase": Kind(
        _upper, (), "Write in English, in capital letters only.", "用英文回答,所有字母都大写。"
    ),
    "no_comma": Kind(
        lambda one, text: bool(text.strip()) and not any(mark in text for mark in COMMAS), (),
        "Do not use any commas.", "不要用逗号和顿号。",
    ),
}  # fmt: skip
"""By id."""
LANGUAGES = {"en": {"en": "English", "zh": "英文"}, "zh": {"en": "Chinese", "zh": "中文"}}
"""A language's name, by it and by the language that names it."""


def told(one: Constraint) -> str:
    """A constraint in words, in its own language."""
    lang = one["lang"]
    joint = "、" if lang == "zh" else ", "
    fields = {name: joint.join(value) if isinstance(value, list | tuple) else value for name, value in one.items()}
    if "of" in fields:
        fields["of"] = LANGUAGES[fields["of"]][lang]
    kind = KINDS[one["id"]]
    return (kind.zh if lang == "zh" else kind.en).format(**fields)


def check(constraints: Any, text: str) -> Verdict:
    """1 where every constraint holds, else 0 with those that do not. Raises InputError for one that is none."""
    if not isinstance(constraints, Sequence) or not constraints:
        raise InputError("meta.constraints: expected a list of constraints")
    broken = [one["id"] for one in constraints if not holds(one, text)]
    return Verdict(float(not broken), f"not kept: {', '.join(broken)}" if broken else "every constraint is kept")


def holds(one: Constraint, text: str) -> bool:
    """Whether an answer keeps one constraint. Raises InputError for one that is none."""
    kind = KINDS.get(str(one.get("id"))) if isinstance(one, Mapping) else None
    if kind is None:
        raise InputError(f"meta.constraints: {one!r}, expected an id of {', '.join(KINDS)}")
    missing = [name for name in (*kind.needs, "lang") if not one.get(name)]
    if missing:
        raise InputError(f"meta.constraints: {one['id']} lacks {missing[0]}")
    return kind.holds(one, text)
