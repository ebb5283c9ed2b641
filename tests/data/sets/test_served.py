"""`lapis data sets` with models behind servers: what it took is told, and a kill costs nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lapis import cli
from lapis.data import store
from lapis.data.losses import read_counts
from tests.data.answers.counting import counting, kill_once_full
from tests.serve.scripted import Scripted, serving

QUESTIONS = {"Six by seven?": "42", "Seven by eight?": "56", "Where is Lisbon?": ""}


def questions(folder: Path) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps({"question": one, "answer": said}) + "\n" for one, said in QUESTIONS.items()))
    return path


def config(folder: Path, models: dict[str, str], scorer: str = "", **fields: float) -> str:
    """A config of models by name and address; every written token costs one of a million."""
    place = '{{ name = "{}", url = "{}/v1", model = "scripted", price_answer = 1.0 }}'
    lines = ["[candidates]", *(f"{name} = {value}" for name, value in fields.items())]
    lines += [f"models = [{', '.join(place.format(*pair) for pair in models.items())}]"]
    lines += [f"scorer = {place.format('scorer', scorer)}"] if scorer else []
    (folder / "sets.toml").write_text("\n".join(lines))
    return str(folder / "sets.toml")


def reasons(folder: Path) -> dict[str, Any]:
    found = Counter[str]()
    for row in read_counts(folder)["steps"]:
        found.update(row["dropped"] if row["name"] == "candidates" else {})
    return dict(found)


class Rates(Scripted):
    """A scorer: 9 for what was said of Lisbon by the sea, 7 for the rest."""

    async def _answer(self, request: Any, asked: str) -> Any:
        self.says[asked] = '{"score": 9}' if "sea" in asked else '{"score": 7}'
        async for delta in super()._answer(request, asked):
            yield delta


def test_what_models_and_a_scorer_took_is_told_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = Scripted(), Scripted()
    one.says |= {"Six by seven?": "42", "Seven by eight?": "54", "Where is Lisbon?": "In Portugal. " * 8}
    other.says |= {"Six by seven?": "41", "Seven by eight?": "56", "Where is Lisbon?": "By the sea. " * 8}
    with serving(one) as first, serving(other) as second, serving(Rates()) as third:
        file = config(tmp_path, {"one": first.url, "other": second.url}, third.url)
        words = ["data", "sets", str(questions(tmp_path)), "--config", file, f"out={tmp_path / 'sets'}"]
        assert cli.main(words) == 0
        before = read_counts(tmp_path / "sets")
        assert cli.main(words) == 0
    told = capsys.readouterr().out.splitlines()
    assert "3 samples in sft.parquet" in told[0]
    assert "10 asked, 0 known, 0 failed, 0 left, 0 refused" in told[1] and "0 asked, 10 known" in told[3]
    found = {sample.turns[0].text: sample for sample in store.read_samples(tmp_path / "sets" / "sft.parquet")}
    assert {asked: sample.meta["by"] for asked, sample in found.items()} == {
        "Six by seven?": "one", "Seven by eight?": "other", "Where is Lisbon?": "other"}  # fmt: skip
    assert found["Where is Lisbon?"].meta["score"] == 9.0
    requests = before["requests"]
    assert (requests["asked"], requests["left"]) == (10, 0)
    assert requests["cost"] == pytest.approx(requests["written"] * 1e-6) and requests["cost"] > 0
    assert f"cost {requests['cost']:.4f}" in told[1] and read_counts(tmp_path / "sets")["requests"]["known"] == 10


def test_money_that_runs_out_is_told_and_no_rating_is_no_low_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backend, sets = Scripted(), tmp_path / "sets"
    backend.says |= QUESTIONS | {"Where is Lisbon?": "In Portugal."}  # 3, 3 and 13 tokens; a rating has 13
    with serving(backend) as served, serving(Rates()) as rates:
        for spend, asked, left, taken in ((90e-6, 4, 2, 1), (1.0, 2, 0, 3)):
            file = config(tmp_path, {"one": served.url}, rates.url, spend=spend, max_tokens=64)
            assert cli.main(["data", "sets", str(questions(tmp_path)), "--config", file, f"out={sets}"]) == 0
            told = capsys.readouterr().out
            assert f"{taken} samples in sft.parquet" in told and f" {asked} asked" in told and f" {left} left" in told
            assert ("what is left could pass what may be spent" in told) == bool(left)
            requests = read_counts(sets)["requests"]
            assert requests["left"] == left and 0 < requests["cost"] <= spend
            assert reasons(sets) == ({"no rating": left} if left else {})


def test_two_models_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sets.toml"
    path.write_text('[[candidates.models]]\nmodel = "a"\n[[candidates.models]]\nmodel = "b"\n')
    assert cli.main(["data", "sets", str(questions(tmp_path)), "--config", str(path), f"out={tmp_path / 'o'}"]) == 2
    error = capsys.readouterr().err
    assert "candidates.models: 'model' names two models" in error and error.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_a_killed_build_goes_on_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    path, out = tmp_path / "q.jsonl", tmp_path / "o"
    path.write_text("".join(json.dumps({"question": f"{n} and {42 - n}?", "answer": "42"}) + "\n" for n in range(20)))
    with counting(25) as server:
        port, url = server.server_port, f"http://127.0.0.1:{server.server_port}"
        words = ["data", "sets", str(path), f"out={out}", "--config", config(tmp_path, {"one": url}, url)]
        kill_once_full(server, words)
    kept = (out / "log.jsonl").read_bytes().count(b"\n")
    assert 25 - 4 <= kept <= 25 and not (out / "sft.parquet").exists()
    with counting(port=port) as other:
        assert cli.main(words) == 0
    assert other.got.total() == 40 - kept == read_counts(out)["requests"]["asked"]
    assert len(list(store.read_samples(out / "sft.parquet"))) == 20
    assert (out / "log.jsonl").read_bytes().count(b"\n") == 40
