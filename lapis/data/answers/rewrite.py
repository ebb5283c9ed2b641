"""Phase one, rewriting: a model says a problem in other words, makes another one of its sort, or asks about a text.

Other words keep the answer (MetaMath's rephrasing, arXiv 2309.12284); another problem of the sort has none until
answers have voted (Evol-Instruct's breadth, arXiv 2304.12244); a question about a document brings its answer, which
is only trusted once answers agree with it (MAmmoTH2, arXiv 2405.03548). The words of the requests and the rules are
ours.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from lapis.data import store
from lapis.data.answers import problems
from lapis.data_config.answers import Answers, Way
from lapis.remote.request import Reply
from lapis.types import Request, Sample, Text, Turn

ASKED = {
    ("reword", "en"): "Rewrite the problem below in other words. Keep every number and what is asked, so that the "
    "answer stays the same. Write the rewritten problem and nothing else.",
    ("reword", "zh"): "请换一种说法改写下面的题目。所有数字和所问的内容都保持不变,使答案不变。"
    "只写改写后的题目,不要写别的。",
    ("vary", "en"): "Write a new problem of the same sort as the one below, about something else and with other "
    "numbers. It must have exactly one right answer. Write the new problem and nothing else.",
    ("vary", "zh"): "请仿照下面的题目另出一道同类型的新题,换一个情境,换一组数字,并且只有一个正确答案。"
    "只写新题,不要写别的。",
    ("ask", "en"): "Write one question that the text below answers and that can be understood without it, with its "
    'short answer, as JSON: {"question": "...", "answer": "..."}',
    ("ask", "zh"): "请根据下面的文字出一道题。题目不看原文也能看懂,答案简短。用 JSON 回答:"
    '{"question": "...", "answer": "..."}',
}
"""What a model is told, by way and language; the problem or text follows."""
DIGITS = re.compile(r"\d+(?:[.,]\d+)*")
OBJECT = re.compile(r"\{.*\}", re.DOTALL)
LENGTHS = (0.4, 2.5)
"""Characters of a rewritten problem over those of its original."""
LONGEST_TEXT = 8000
"""Characters of a document that a question is made of."""
MOST_TOKENS = 512
"""Of a rewritten problem."""
LONGEST_ANSWER = 80
"""Characters of the answer to a question about a document."""


def ways(problem: Sample, settings: Answers) -> list[Way]:
    """How a problem can be rewritten: documents are asked about, conversations of one turn are reworded and varied."""
    if problem.document:
        return [way for way in settings.ways if way == "ask"]
    single = len(problem.turns) == 1 and problem.meta.get("verifier") in (None, "number", "choice", "text")
    return [way for way in settings.ways if way != "ask" and single and not (way == "vary" and problem.images)]


def request(problem: Sample, way: Way, number: int, settings: Answers) -> Request:
    """What is asked of the model for rewrite `number` of a problem."""
    lang = "zh" if problem.lang == "zh" else "en"
    told = problem.turns[-1].text[:LONGEST_TEXT]
    words = Text(f"{ASKED[way, lang]}\n\n{told}")
    return Request(
        turns=(Turn("user", (*problem.images, words)),),
        max_tokens=MOST_TOKENS,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=settings.seed + number,
    )


def rewritten(problem: Sample, way: Way, reply: Reply) -> Sample | str:
    """The new problem, or why there is none: one of a few reasons."""
    if reply.refused:
        return "refused"
    if reply.finish == "length":
        return "cut off"
    if way == "ask":
        return _question(problem, reply.text)
    text = reply.text.strip()
    if why := _wrong(problem.turns[-1].text, text, way):
        return why
    meta = dict(problem.meta) if way == "reword" else {}
    return _made(problem, way, text, meta)


def _wrong(original: str, text: str, way: Way) -> str:
    """Why a rewrite is none; empty where it is one."""
    least, most = (share * len(original) for share in LENGTHS)
    if store.normal(text) == store.normal(original):
        return "same text"
    if not least <= len(text) <= most:
        return "length"
    if problems.lang_of(text) != problems.lang_of(original):
        return "other language"
    if way == "reword" and sorted(DIGITS.findall(text)) != sorted(DIGITS.findall(original)):
        return "other numbers"
    return ""


def _question(document: Sample, said: str) -> Sample | str:
    found = OBJECT.search(said)
    try:
        tree = json.loads(found[0]) if found else {}
        question, answer = str(tree["question"]).strip(), str(tree["answer"]).strip()
    except (ValueError, KeyError, TypeError):
        return "no JSON"
    if not question or not 0 < len(answer) <= LONGEST_ANSWER:
        return "no short answer"
    if problems.lang_of(question) != problems.lang_of(document.turns[-1].text):
        return "other language"
    return _made(document, "ask", question, {"answer": answer, "verifier": problems.verifier_of(answer)})


def _made(problem: Sample, way: Way, text: str, meta: dict[str, object]) -> Sample:
    kind = "knowledge/text" if problem.document else problem.kind
    return replace(
        problem,
        kind=kind,
        document=False,
        turns=(Turn("user", (*problem.images, Text(text))),),
        cells=problem.cells if problem.images else (),
        meta={**meta, "way": way, "from": problem.fingerprint},
    )
