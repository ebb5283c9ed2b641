"""Benches that compare fail where they compare unlike things, and a small run takes no full one's place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import corpus_memory
from bench.parts import all as benches
from bench.parts import corpus


def measured(peak: float = 1.0, kept: range = range(0)) -> corpus.Measured:
    return corpus.Measured(1.0, peak, frozenset(map(str, kept)))


def test_kept_sets_that_differ_end_the_bench(capsys: pytest.CaptureFixture[str]) -> None:
    corpus.agree("one", measured(kept=range(1000)), measured(kept=range(10, 1000)))
    assert capsys.readouterr().out == "kept sets agree to 0.9900 (at least 0.98)\n"
    with pytest.raises(SystemExit, match=r"^one: kept sets agree to 0\.9700, expected at least 0\.98$"):
        corpus.agree("one", measured(kept=range(1000)), measured(kept=range(30, 1000)))


def test_a_small_run_is_recorded_only_where_no_full_one_is() -> None:
    assert benches.is_full("corpus_memory", ["--full"]) and not benches.is_full("corpus_memory", [])
    assert not benches.is_full("row_fill", ["--full"])
    small, full = ({"name": "a", "full": size} for size in (False, True))
    for before, line, taken in ((None, small, True), (small, small, True), (full, small, False), (full, full, True)):
        assert benches.takes({"a": before} if before else {}, line) is taken


@pytest.mark.parametrize("words", [[], ["--full", "count=1000"], ["--full"]])
def test_only_a_full_run_replaces_the_committed_plot(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plot = tmp_path / "results" / "corpus_memory.svg"
    plot.parent.mkdir()
    plot.write_text("before", encoding="utf-8")
    monkeypatch.setattr(corpus_memory, "PLOT", plot)
    monkeypatch.setattr(corpus_memory, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(corpus, "planted", lambda path, count: path)
    monkeypatch.setattr(corpus, "ours", lambda source, words, name: measured(peak=100.0))
    monkeypatch.setattr(sys, "argv", ["corpus_memory", *words])
    corpus_memory.main()
    assert (plot.read_text(encoding="utf-8") == "before") is (words != ["--full"])
    assert (tmp_path / "cache" / plot.name).is_file() is (words != ["--full"])
