"""`lapis serve` as a process with the real engine: from the first line that it prints to its exit code."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import openai
import pytest

from lapis import cli, serving
from lapis.export import hf
from lapis.model.vlm import Lapis
from lapis.types import InputError
from tests.serve.scripted import data_uri, png
from tests.serve.small import byte_tokenizer
from tests.serve.started import started


@pytest.fixture(scope="module")
def folder(lapis: Lapis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("served") / "small"
    hf.write(lapis, byte_tokenizer(), out)
    return out


def test_a_model_is_served_until_a_stop_that_finishes_what_runs(folder: Path) -> None:
    with started(str(folder), "--slots", "2", "--length", "256", LAPIS_API_KEY="k") as (process, url):
        assert httpx.get(f"{url}/v1/models").status_code == 401
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)
        assert [one.id for one in client.models.list()] == ["small"]
        picture = {"type": "image_url", "image_url": {"url": data_uri(png())}}
        messages = [{"role": "user", "content": [picture, {"type": "text", "text": "what?"}]}]
        budget = {"thinking_token_budget": 9}
        answer = client.chat.completions.create(
            model="small", messages=messages, max_tokens=24, extra_body=budget, seed=1
        )
        usage = answer.usage
        assert usage is not None and usage.completion_tokens_details is not None
        assert 0 < (usage.completion_tokens_details.reasoning_tokens or 0) <= 9
        assert answer.choices[0].message.content
        stream = client.chat.completions.create(
            model="small", messages=messages, max_tokens=24, extra_body=budget, seed=1, stream=True
        )
        process.send_signal(signal.SIGTERM)
        pieces = [chunk.choices[0] for chunk in stream]
        assert "".join(one.delta.content or "" for one in pieces) == answer.choices[0].message.content
        assert pieces[-1].finish_reason == answer.choices[0].finish_reason
        assert process.wait(60) == 143


def test_words_of_another_engine_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", str(folder), "--form", "q8_0", "--port", "0"]) == 2
    assert capsys.readouterr().err == "lapis: --form: expected --engine llamacpp with it\n"


def test_ctrl_c_stops_it_and_other_addresses_are_warned_of(folder: Path) -> None:
    with started(str(folder), "--host", "0.0.0.0") as (process, url):
        assert httpx.get(url.replace("0.0.0.0", "127.0.0.1") + "/health").json()["status"] == "ok"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr is not None
        said = process.stderr.read().splitlines()
        assert len(said) == 2 and "anybody may ask" in said[0] and "stopped" in said[1]


def test_a_place_that_is_taken_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lapis import cli
    from lapis.serve import server

    taken = server.bound("127.0.0.1", 0)
    assert cli.main(["serve", str(folder), "--port", str(taken.getsockname()[1])]) == 2
    assert "cannot listen there" in capsys.readouterr().err
    assert cli.main(["serve", str(folder), "--queue", "-1"]) == 2
    assert cli.main(["serve", str(folder), "--port", "70000"]) == 2
    taken.close()


def test_keys_come_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text(" abc\n", encoding="utf-8")
    assert serving.key_of(file) == "abc"
    monkeypatch.setenv("LAPIS_API_KEY", "xyz")
    assert (serving.key_of(None), serving.key_of(file)) == ("xyz", "abc")
    for wrong in ("", "two words", "é"):
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(InputError):
            serving.key_of(file)
    with pytest.raises(InputError):
        serving.key_of(tmp_path / "nothing")
