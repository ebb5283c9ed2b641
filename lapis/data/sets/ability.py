"""What a sample teaches: one of ABILITIES, by its kind where that says it, else by rules on what is asked (ours)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lapis.data.mixture import match
from lapis.types import Sample

ABILITIES = (
    "maths", "logic", "reading", "writing", "code", "knowledge", "grounding", "ocr", "screen_qa", "acting", "safety",
    "chat", "instructions",
)  # fmt: skip
"""Screen grounding, OCR and screen QA are `grounding`, `ocr` and `screen_qa`; `instructions` are those whose
constraints a program checks."""
MODALITIES = ("image", "text")
BY_KIND = {
    "math": "maths",
    "math/logic": "logic",
    "screen": "screen_qa",
    "screen/ground": "grounding",
    "screen/ocr": "ocr",
    "screen/page": "ocr",
    "screen/list": "ocr",
    "screen/act": "acting",
    "caption": "reading",
    "long": "reading",
    "code": "code",
    "knowledge": "knowledge",
    "safety": "safety",
    "instructions": "instructions",
}
"""Kind to ability; the longest that fits counts."""
BY_VERIFIER = {"point": "grounding", "action": "acting", "constraints": "instructions", "number": "maths"}


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


PICTURE_RULES: Sequence[tuple[str, re.Pattern[str]]] = (
    ("acting", _any(r"\bnext action\b", r"\b(goal|task):", "下一步操作", "目标:")),
    ("grounding", _any(r"\bwhere is\b", r"\b(click|tap|point) (on|at)\b", r"\blocat(e|ion)\b", "在哪", "点击", "位置")),
    ("ocr", _any(r"\b(read|transcribe|ocr)\b", r"\b(the|all) text\b", "文字", "读出", "识别")),
)
"""What a question about a picture is, the first that fits; any other asks about what is seen."""
TEXT_RULES: Sequence[tuple[str, re.Pattern[str]]] = (
    ("code", _any("```", r"\b(python|javascript|sql|c\+\+|regex|html|bash|source code|unit test)\b", "代码", "编程")),
    ("safety", _any(r"\b(bomb|explosive|suicide|self-harm|weapon|poison|hack into|steal)\b", "炸弹", "自杀", "毒药")),
    ("logic", _any(r"\b(puzzle|riddle|knights? and knaves|truth[- ]teller|logically|syllogism)\b", "推理", "谜题")),
    (
        "maths",
        _any(
            r"\\(frac|sqrt|sum|int)\b",
            r"\d\s*[-+*/×÷=]\s*\d",
            r"\b(solve|calculate|equation|how many|how much|percent)\b",
            "计算|方程|多少|求解",
        ),
    ),
    (
        "writing",
        _any(
            r"\b(write|draft|compose|rewrite|rephrase)\b",
            r"\b(essay|poem|story|e-?mail|letter)\b",
            "写一|写篇|作文|改写|润色",
        ),
    ),
    (
        "reading",
        _any(
            r"\b(summar(y|ise|ize)|passage|according to the|text below|article)\b", "总结|概括|下面的文字|根据[上下]文"
        ),
    ),
    (
        "knowledge",
        _any(
            r"\b(what|who|when|which|why|where) (is|are|was|were|did|does|do)\b",
            r"\bexplain\b",
            "什么是|是什么|为什么|谁|解释|哪",
        ),
    ),
)
"""What a question without a picture is, the first that fits; any other is chat."""
LONG = 1200
"""Characters of a question that brings so much text that it is to be read."""


def ability(sample: Sample) -> str:
    """One of ABILITIES."""
    known = match(sample.kind, BY_KIND)
    if known:
        return BY_KIND[known]
    by_check = BY_VERIFIER.get(str(sample.meta.get("verifier")))
    if by_check:
        return by_check
    asked = next((turn.text for turn in reversed(sample.turns) if turn.role == "user"), "")
    if sample.images:
        return _first(PICTURE_RULES, asked, "screen_qa")
    return _first(TEXT_RULES, asked, "reading" if len(asked) > LONG else "chat")


def _first(rules: Sequence[tuple[str, re.Pattern[str]]], asked: str, other: str) -> str:
    return next((name for name, pattern in rules if pattern.search(asked)), other)


def modality(sample: Sample) -> str:
    """One of MODALITIES."""
    return "image" if sample.images else "text"
