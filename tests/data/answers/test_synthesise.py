"""Both phases through the real server of `lapis serve`, with a scripted engine behind it; and killed in the middle."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lapis import cli, verify
from lapis.data import store
from lapis.data.answers.ask import InProcess
from lapis.data.answers.problems import gather
from lapis.data.answers.synthesise import most_requests, synthesise
from lapis.data.losses import SCHEMA, read_counts
from lapis.data_config.answers import Answers
from lapis.types import Completion, InputError, Request
from tests.data.answers.counting import counting, kill_once_full
from tests.serve.scripted import THOUGHT, Scripted, data_uri, png, serving

PROBLEMS = (
    {"question": "Six by seven?", "answer": "42"},
    {"question": "Seven by eight?", "answer": "56"},
    {"question": "What does the picture say?", "answer": "Seville", "images": [data_uri(png())]},
    {"question": "How many legs has a spider?"},
)


def problems(folder: Path) -> Path:
    path = folder / "problems.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    return path


def test_answers_of_our_own_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backend = Scripted()
    backend.says |= {"Six by seven?": "42", "Seven by eight?": "54", "What does the picture say?": "Seville"}
    backend.says["How many legs has a spider?"] = "8"
    config = tmp_path / "answers.toml"
    config.write_text('samples = 2\nbudgets = [-1, 32, 0]\n[endpoint]\nmodel = "scripted"\nprice_answer = 2.0\n')
    with serving(backend) as served:
        words = ["data", "answers", str(problems(tmp_path)), "--config", str(config)]
        words += [f"endpoint.url={served.url}/v1", f"out={tmp_path / 'made'}"]
        assert cli.main(words) == 0
        asked = len(backend.requests)
        assert cli.main(words) == 0
    assert len(backend.requests) == asked == 4 * 3 * 2
    told = capsys.readouterr().out.splitlines()
    assert "24 asked, 0 known, 0 failed, 0 left" in told[0] and "0 asked, 24 known" in told[1]
    samples = list(store.read_samples(tmp_path / "made" / "answers.parquet"))
    assert {one.turns[0].text for one in samples} == {row["question"] for row in PROBLEMS} - {"Seven by eight?"}
    for one in samples:
        assert verify.check(one.meta, one.turns[-1].text).score == 1 and one.meta["by"] == "scripted"
        assert one.turns[-1].thought == (THOUGHT if one.think else None)
    thinks = [request for request in backend.requests if request.think]
    assert {request.budget for request in thinks} == {-1, 32} and len(thinks) == 16
    assert sum(len(turn.images) for request in backend.requests for turn in request.turns) == 6
    rates = {one.turns[0].text: one.meta["pass_rate"] for one in store.read_samples(tmp_path / "made/problems.parquet")}
    assert rates == {"Six by seven?": 1.0, "Seven by eight?": 0.0, "What does the picture say?": 1.0,
                     "How many legs has a spider?": 1.0}  # fmt: skip
    counts = read_counts(tmp_path / "made")
    assert counts["refused"] == {"wrong": 6} and counts["requests"]["known"] == 24
    assert counts["requests"]["cost"] == pytest.approx(counts["requests"]["written"] * 2e-6)
    step = {(row["name"], row["source"]): row for row in counts["steps"]}["answers", "problems.jsonl"]
    assert (step["in"], step["out"], step["dropped"]) == (4, 3, {"never right": 1})
    dropped = pq.read_table(tmp_path / "made" / "dropped.parquet")
    assert dropped.schema.equals(SCHEMA) and dropped.column("reason").to_pylist() == ["never right"]


class Rewriter:
    """A generator in this process: rewrites as it is told, answers sums."""

    def generate(self, requests: list[Request]) -> list[Completion]:
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Completion:
        asked = request.turns[-1].text
        text = "Please tell me: 40 plus 2 gives what?" if asked.startswith("Rewrite") else "42"
        thought = "40+2" if request.think else ""
        return Completion(text, thought, (1, 2), (3, 4, 5), (0.0,) * 3, (False,) * 3, 1, "stop", True)


def test_rewritten_problems_are_answered_too_and_a_generator_will_do(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"question": "What do 40 and 2 make together?", "answer": "42"}))
    settings = Answers(ways=("reword",), rewrites=2, samples=2, budgets=(-1,))
    asker = InProcess(Rewriter(), "stage sft", tmp_path / "out" / "log.jsonl")
    made = synthesise(settings, list(gather([path])), tmp_path / "out", asker, "lapis")
    assert (made.problems, made.samples, made.tally.asked) == (2, 2, 6)
    texts = [one.turns[0].text for one in store.read_samples(tmp_path / "out" / "answers.parquet")]
    assert texts == ["What do 40 and 2 make together?", "Please tell me: 40 plus 2 gives what?"]
    steps = {row["name"]: row for row in read_counts(tmp_path / "out")["steps"]}
    assert (steps["rewrite/reword"]["in"], steps["rewrite/reword"]["dropped"]) == (2, {"copy": 1})
    again = synthesise(settings, list(gather([path])), tmp_path / "out", asker, "lapis")
    assert (again.tally.asked, again.tally.known) == (0, 6)


def test_a_question_that_is_too_long_is_told(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    rows = ({"question": f"{many * 'word '}?", "answer": "42"} for many in (4, 4000))
    path.write_text("\n".join(map(json.dumps, rows)))
    settings, found = Answers(samples=2, budgets=(-1,)), list(gather([path]))
    assert most_requests(found, settings) == 2
    made = synthesise(settings, found, tmp_path, InProcess(Rewriter(), "stage sft", tmp_path / "log.jsonl"), "lapis")
    assert (made.problems, made.tally.asked) == (1, 2)
    steps = {row["name"]: row for row in read_counts(tmp_path)["steps"]}
    assert steps["gather"]["dropped"] == {"too long": 1}


@pytest.mark.parametrize(
    "words, told",
    [
        (["none.jsonl"], "none.jsonl: no such file"),
        (["out=x"], "expected a file"),
        (["P", "samples=0"], "samples: Input should be greater than or equal to 1"),
        (["P", "budgets=[]"], "budgets: Tuple should have at least 1 item"),
        (["P", "endpoint.speed=9"], "no such key"),
        (["P"], "expected a url"),
        (["P", "--config", "none.toml"], "none.toml: cannot be read"),
        (["P", "--config", "bad.toml"], "no TOML"),
        (["P", "--config", "odd.toml"], "endpoint.speed: no such key"),
        (["P", "--tokenizer", "none"], "no tokenizer there"),
    ],
)
def test_wrong_words_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_text("= 1")
    Path("odd.toml").write_text("[endpoint]\nspeed = 1")
    problems(tmp_path)
    assert cli.main(["data", "answers", *("problems.jsonl" if word == "P" else word for word in words)]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_files_without_a_problem(tmp_path: Path) -> None:
    store.write_samples(tmp_path / "s.parquet", [])
    with pytest.raises(InputError, match="no problems there"):
        synthesise(
            Answers(),
            list(gather([tmp_path / "s.parquet"])),
            tmp_path,
            InProcess(Rewriter(), "x", tmp_path / "log"),
            "x",
        )


def test_a_killed_process_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps({"question": f"{n} and {42 - n}?", "answer": "42"}) + "\n" for n in range(10)))
    words = ["data", "answers", str(path), "samples=2", "budgets=[-1, 64]", "endpoint.model=m", f"out={tmp_path / 'o'}"]
    log = tmp_path / "o" / "log.jsonl"
    with counting(25) as server:
        port = server.server_port
        words.append(f"endpoint.url=http://127.0.0.1:{port}/v1")
        kill_once_full(server, words)
    kept = log.read_bytes().count(b"\n")
    assert 25 - 4 <= kept <= 25 and not (tmp_path / "o" / "answers.parquet").exists()
    with counting(port=port) as other:
        assert cli.main(words) == 0
    assert other.got.total() == 40 - kept and max(other.got.values()) == 1
    assert len(other.got.keys() & server.got.keys()) <= 4 + 25 - kept
    assert len(list(store.read_samples(tmp_path / "o" / "answers.parquet"))) == 10
    assert log.read_bytes().count(b"\n") == 40
