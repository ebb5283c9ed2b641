"""docs/answers.md says what is so: its example runs against our own engine, and it names every reason and ability."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from lapis import cli
from lapis.data import store
from lapis.data.answers import judge
from lapis.data.losses import read_counts
from lapis.data.sets.ability import ABILITIES
from lapis.data_config.answers import Answers
from lapis.data_config.read import read
from lapis.data_config.sets import Sets
from lapis.endpoint import Endpoint
from lapis.model.vlm import Lapis
from lapis.serve.engine import Engine
from lapis.serve.local import Local
from tests.conftest import ROOT
from tests.serve.scripted import serving
from tests.serve.small import byte_tokenizer, small_shape, spread

PAGE = (ROOT / "docs" / "answers.md").read_text(encoding="utf-8")


def blocks(form: str) -> list[str]:
    return re.findall(rf"^```{form}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_runs_against_a_model_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POCKETS_KEY", "k-1")
    (words, _), (problems,), (config, _) = blocks("sh"), blocks("json"), blocks("toml")
    commands = [line.split() for line in words.splitlines() if line.startswith("lapis data")]
    Path("problems.jsonl").write_text(problems)
    engine = Engine(spread(Lapis(small_shape())), byte_tokenizer(), slots=8, length=1024)
    with serving(Local(engine, "pocket"), key="k-1") as served:
        config = config.replace("http://127.0.0.1:8000", served.url).replace('key_from = ""', 'key_from="POCKETS_KEY"')
        Path("answers.toml").write_text(config.replace("samples = 4", "samples = 1").replace("192, 64", "20, 10"))
        assert cli.main([*commands[0][1:], "max_tokens=30", "ways=[]"]) == 0
    replies = [json.loads(line)["reply"] for line in Path("made/log.jsonl").read_text().splitlines()]
    assert len(replies) == 2 * 4 and not any(one["refused"] for one in replies)
    assert all(one["thought_tokens"] <= 30 and one["written"] <= 30 for one in replies)
    counts = read_counts(Path("made"))
    assert counts["requests"]["cost"] == pytest.approx(
        sum(one["prompt"] * 0.3 + one["written"] * 1.2 for one in replies) / 1e6
    )
    assert "k-1" not in "".join(path.read_text(errors="replace") for path in Path("made").iterdir())
    rated = list(store.read_samples(Path("made/problems.parquet")))
    assert [one.meta["pass_rate"] for one in rated] == [0.0]  # random weights are never right
    assert cli.main(commands[1][1:]) == 0
    assert {one.kind for one in store.read_samples(Path("sets/rl.parquet"))} == {"instructions"}


def test_every_reason_ability_and_budgeted_field_is_told() -> None:
    reasons = re.findall(r'return "([^"]+)"|"(thought in another language|repeats itself|marks of a template)"',
                         inspect.getsource(judge))  # fmt: skip
    told = (
        {one or other for one, other in reasons} | {*ABILITIES} | {f"`{name}`" for name in ("spend", "keep", "agree")}
    )
    assert len(told) > 20 and [one for one in told if one not in " ".join(PAGE.split())] == []


def test_both_configs_are_read(tmp_path: Path) -> None:
    answers, sets = blocks("toml")
    for name, text in (("answers", answers), ("sets", sets)):
        (tmp_path / f"{name}.toml").write_text(text)
    first = read(Answers(), tmp_path / "answers.toml", ["endpoint.concurrency=16"])
    assert first.endpoint == Endpoint(
        url="http://127.0.0.1:8000/v1", model="pocket", concurrency=16, requests_minute=600, price_prompt=0.3,
        price_answer=1.2,
    )  # fmt: skip
    second = read(Sets(), tmp_path / "sets.toml", ["balance.weights.zh=2"])
    assert [one.name for one in second.candidates.models] == ["large", "own"] and second.balance.weights == {"zh": 2.0}
    assert second.candidates.scorer.model == "judge" and second.candidates.models[0].thinking == "effort"


def test_the_python_example_is_python(tmp_path: Path) -> None:
    (example,) = blocks("python")
    names: dict[str, object] = {}
    exec(example, names)
    assert callable(names["answers"])
