"""Phase one, gathering: problems from samples files and from lines of JSON.

A problem is a conversation that ends where a model is to answer, with what its answer is checked by in `meta`
(`verifier` and `answer`, lapis/verify.py) where that is known. A document is kept too, for questions made of it.
Lines of JSON have a question and perhaps an answer, under any of the usual names; nothing else is needed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lapis import verify
from lapis.data import store
from lapis.data.check.checks import SUFFIX
from lapis.data.losses import DROPPED
from lapis.model import anyres
from lapis.types import Image, InputError, Sample, Text, Turn

QUESTIONS = ("question", "problem", "prompt", "instruction", "query")
ANSWERS = ("answer", "final_answer", "target", "expected_answer")
CHECKED = {wanted for _, wanted in verify.VERIFIERS.values()}
"""Fields of `meta` that verifiers compare with."""
LABELS = ("verifier", "template", "steps", *sorted(CHECKED))
"""Fields of `meta` that go on with a problem."""
MARK = re.compile(r"####\s*(.+?)\s*$")
"""GSM8K's answers end so."""
HAN = re.compile(r"[\u3400-\u9fff]")
CHINESE = 0.2
"""Share of Chinese characters from which a text is Chinese (ours; a formula or a name may stand in it)."""
LONGEST = 16_384
"""Characters of a question that is answered."""
LINE = 64 << 20
"""Bytes of a line."""


def gather(paths: Sequence[Path], limit: int = 0) -> Iterator[Sample]:
    """Problems of files in order, each once (by text and pictures); at most `limit`, 0 takes all.

    Raises InputError for a file of another sort, and for a line that is no problem, with its place.
    """
    seen: set[str] = set()
    for path in paths:
        for sample in _read(path):
            key = store.key(sample)
            if key not in seen:
                seen.add(key)
                yield sample
            if limit and len(seen) >= limit:
                return


def fits(problem: Sample) -> bool:
    """Whether it is short enough. A document may be of any length: questions are made of its beginning (rewrite.py)."""
    return problem.document or len(problem.turns[-1].text) <= LONGEST


def _read(path: Path) -> Iterator[Sample]:
    if path.is_dir():
        for file in within(path):
            yield from _read(file)
    elif path.suffix in (".jsonl", ".json"):
        yield from _lines(path)
    else:
        yield from (problem for sample in store.read_samples(path) if (problem := problem_of(sample)))


def within(folder: Path) -> list[Path]:
    """The files of a folder that hold samples or problems: no checks, and none of what a step dropped."""
    found = sorted([*folder.glob("*.parquet"), *folder.glob("*.jsonl")])
    return [file for file in found if file.name != DROPPED and not file.name.endswith(SUFFIX)]


def problem_of(sample: Sample) -> Sample | None:
    """The part of a sample up to what is asked last; a document stays whole, a reply without a question is none."""
    if sample.document:
        return sample
    turns = sample.turns
    while turns and turns[-1].role == "assistant":
        turns = turns[:-1]
    if not turns or not any(turn.role == "user" for turn in turns):
        return None
    kept = {name: sample.meta[name] for name in LABELS if name in sample.meta}
    if "answer" in kept and "verifier" not in kept:
        kept["verifier"] = verifier_of(str(kept["answer"]))
    return replace(sample, turns=turns, think=False, budget=None, meta=kept)


def _lines(path: Path) -> Iterator[Sample]:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LINE):
                number += 1
                if line.strip():
                    yield _problem(line, path, f"{path}: line {number}", number)
    except FileNotFoundError:
        raise InputError(f"{path}: no problems there") from None


def _problem(line: bytes, path: Path, place: str, number: int) -> Sample:
    try:
        tree = json.loads(line)
    except ValueError:
        raise InputError(f"{place}: no JSON") from None
    if not isinstance(tree, dict):
        raise InputError(f"{place}: expected an object with a question")
    question = _first(tree, QUESTIONS)
    if not question:
        raise InputError(f"{place}: expected one of {', '.join(QUESTIONS)}")
    if tree.get("input"):
        question += f"\n\n{tree['input']}"
    images = tuple(_image(name, path.parent, place) for name in tree.get("images") or ())
    return Sample(
        kind=str(tree.get("kind") or "math/word"),
        lang=str(tree.get("lang") or lang_of(question)),
        source=str(tree.get("source") or f"{path.name}#{number}"),
        licence=str(tree.get("licence") or tree.get("license") or "unknown"),
        turns=(Turn("user", (*images, Text(question))),),
        meta=_known(tree, place),
    )


def _first(tree: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((str(tree[name]).strip() for name in names if tree.get(name) not in (None, "")), "")


def _known(tree: Mapping[str, Any], place: str) -> dict[str, Any]:
    """`verifier` and what it wants, where the line tells."""
    meta = {name: tree[name] for name in sorted(CHECKED - {"answer"}) if name in tree}
    answer = _first(tree, ANSWERS)
    marked = MARK.search(answer)
    answer = marked[1] if marked else verify.answer_of(answer) or ""
    if answer:
        meta["answer"] = answer
    named = tree.get("verifier") or (verifier_of(answer) if answer else None)
    if named is not None and named not in verify.VERIFIERS:
        raise InputError(f"{place}: verifier {named!r}, expected one of {', '.join(verify.VERIFIERS)}")
    return {**meta, "verifier": named} if named else meta


def verifier_of(answer: str) -> str:
    """The check that an answer by itself suggests: number, choice or text."""
    text = answer.translate(verify.WIDE).strip(verify.NUMBER_ENDS)
    if verify.PLAIN.fullmatch(text) or verify.EXPRESSION.fullmatch(text) and any(map(str.isdigit, text)):
        return "number"
    return "choice" if verify.CHOICE.fullmatch(text) else "text"


def _image(name: Any, folder: Path, place: str) -> Image:
    """A picture by its data URI, or by a path inside the file's folder."""
    if not isinstance(name, str):
        raise InputError(f"{place}: expected images as paths or data URIs")
    if name.startswith("data:"):
        try:
            return anyres.image_of(base64.b64decode(name.partition(",")[2], validate=True), place)
        except binascii.Error:
            raise InputError(f"{place}: the base64 of an image is broken") from None
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError(f"{place}: an image's path leaves the folder of the file")
    if not path.is_file():
        raise InputError(f"{place}: {name}: no image there")
    return anyres.image_of(path.read_bytes(), f"{place}: {name}")


def lang_of(text: str) -> str:
    """zh where a fifth of the letters are Chinese characters, else en."""
    letters = sum(map(str.isalpha, text))
    return "zh" if letters and len(HAN.findall(text)) >= CHINESE * letters else "en"
