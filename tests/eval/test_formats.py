"""Formats measured: the table, the section of the report, and, where llama.cpp is built, the whole of it."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from lapis import config, native, report
from lapis.data import store
from lapis.data.synth import questions
from lapis.data.tokenise import train_tokenizer
from lapis.eval import formats
from lapis.export import gguf, hf
from lapis.model import init
from lapis.types import InputError, Sample, Silent, Text, Turn
from tests.fake_run import make_run, write
from tests.model.shared import DECODER

ENTRY = {
    "megabytes": 13.6,
    "memory_megabytes": 183.0,
    "loss": 4.0727,
    "tasks": {"math/think": {"value": 0.7, "low": 0.55, "high": 0.82, "n": 40}},
    "tokens_a_second": 155.2,
    "tokens_a_second_together": 310.0,
    "first_token": 0.036,
    "same": 0.82,
}
CONTENT = {"baseline": "bf16", "samples": 40, "formats": {"bf16": ENTRY | {"memory_megabytes": None}, "f16": ENTRY}}


def test_the_table_has_a_line_a_format() -> None:
    *_, bf16, f16 = formats.table(CONTENT)
    assert f16 == "| f16 | 70% (55-82) | 13.6 | 183 | 4.0727 | 82% | 155 | 310 | 0.036 |"
    assert bf16.startswith("| bf16 | 70% (55-82) | 13.6 |  | ")


def test_the_report_shows_what_the_export_measured(tmp_path: Path) -> None:
    run = make_run(tmp_path / "pocket")
    report.build(run)
    assert 'id="formats"' not in (run / "report.html").read_text()
    write(run / "export" / "gguf" / "report.json", CONTENT)
    report.build(run)
    page = (run / "report.html").read_text()
    assert 'id="formats"' in page and "40 held-out samples a task" in page
    assert '<td class="t">f16</td><td>70% (55-82)</td><td>13.6</td><td>183</td>' in page


def test_without_held_out_sets_nothing_is_measured(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no held-out set there, expected math\.parquet"):
        formats.chosen(tmp_path, 3)


@pytest.mark.skipif(native.newest() is None, reason="llama.cpp is not built here (lapis build llamacpp)")
def test_a_text_models_formats_are_measured(tmp_path: Path) -> None:
    """At f32 the loss is torch's, and q8_0 is told apart from it."""
    held = tmp_path / "heldout"
    held.mkdir()
    asked = list(questions.generate(8, 0, "held"))
    words = " ".join(turn.text for sample in questions.generate(300, 1, "held") for turn in sample.turns)
    prose = Sample("prose", "en", "made", "CC0-1.0", (Turn("assistant", (Text(words),)),), document=True)
    store.write_samples(held / "math.parquet", asked)
    store.write_samples(held / "prose.parquet", [prose])
    tokenizer = train_tokenizer([words], DECODER.vocab, tmp_path / "tokenizer", 1)
    hf.write(init.fresh(dataclasses.replace(DECODER, max_positions=1024), 0), tokenizer, tmp_path / "hf")
    gguf.write(tmp_path / "hf", tmp_path / "out", ("f32", "q8_0"))
    given = (tmp_path / "hf", tmp_path / "out", config.Eval(samples=2, max_tokens=16), held, 2, Silent(), 1)
    content = formats.report(*given)
    found = content["formats"]
    assert [*found] == ["bf16", "f32", "q8_0"] and json.loads((tmp_path / "out" / "report.json").read_text()) == content
    assert found["f32"]["loss"] == pytest.approx(found["bf16"]["loss"], abs=0.02)
    assert all(math.isfinite(each["loss"]) and each["tokens_a_second"] > 0 for each in found.values())
    assert found["q8_0"]["megabytes"] < found["f32"]["megabytes"] and found["q8_0"]["memory_megabytes"] > 1
    formats.tell(tmp_path / "out" / "README.md", content)
    assert (tmp_path / "out" / "README.md").read_text().count(formats.HEAD) == 1
