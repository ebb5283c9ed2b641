"""README's lapis commands, run as they stand where a smoke run stands for `pocket`.

Only what would take a model's whole training is not run: those lines are resolved to the recipe that they name.
The hub's names are looked up in a hub cache that holds tiny checkpoints in the published file formats.
"""

from __future__ import annotations

import itertools
import shutil
import signal
from pathlib import Path

import httpx
import pytest
from huggingface_hub import constants

from lapis import cli, coherent, native, verbs
from lapis.data import store
from lapis.eval import screenspot
from tests.conftest import here
from tests.model.test_init import siglip, text_folder
from tests.serve.started import started
from tests.test_readme import of

HUB = {"google/siglip2-so400m-patch14-384": siglip, "Qwen/Qwen3-1.7B": lambda folder: text_folder("qwen3", folder)}
LONG = [words for words in of("lapis") if words[0] == "run" and "--smoke" not in words]
SERVED = [words for words in of("lapis") if words[0] == "serve"]
ELSEWHERE = [
    words
    for words in of("lapis")
    if words[0] in ("build", "rl")
    or words[:2] == ["data", "mixture"]
    or "--browse" in words
    or "1024" in words
    or ("gguf" in words and native.newest() is None)
]
"""Minutes of compiling, of small runs, of driving pages or of a large rank run dry, or an extra that may not be there:
their own tests take less (tests/test_native.py, tests/test_proxies.py, tests/act, tests/plan, tests/rl/fleet)."""
SHORT = [words for words in of("lapis") if words not in LONG + SERVED + ELSEWHERE]


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache with tiny checkpoints."""
    folder = tmp_path_factory.mktemp("hub")
    for name, make in HUB.items():
        place = folder / f"models--{name.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text("0" * 40, encoding="utf-8")
        make(place / "snapshots" / ("0" * 40))
    return folder


@pytest.fixture
def offline(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub is what lies in its cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def home(smoke: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which README's words mean something: runs, a picture and published benchmarks."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(smoke, folder / "runs" / "pocket")
    (folder / "runs" / "pocket-smoke").symlink_to("pocket")
    samples = list(itertools.islice(store.read_samples(smoke / "data" / "heldout" / "ground_seen.parquet"), 3))
    (folder / "shot.png").write_bytes(samples[0].images[0].data)
    screenspot.write(samples, folder / "benchmarks" / "screenspot")
    return folder


@pytest.mark.parametrize("words", SHORT, ids=" ".join)
def test_a_short_command_works(words: list[str], home: Path, offline: None) -> None:
    done = here(*words, cwd=home, typed="What is 12 + 30 * 2?\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout
    written = "job.*" if words[0] == "launch" else "*.safetensors"
    for out in (word.removeprefix("out=") for word in words if word.startswith("out=")):
        assert any((home / out).rglob(written))


@pytest.mark.parametrize("words", [words for words in SERVED if "llamacpp" not in words], ids=" ".join)
def test_a_served_model_answers(words: list[str], home: Path) -> None:
    with started(*words[1:], cwd=home) as (process, url):
        assert httpx.get(f"{url}/health").json()["status"] == "ok"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


@pytest.mark.parametrize("words", LONG, ids=" ".join)
def test_a_long_command_names_a_recipe_that_holds_together(
    words: list[str], offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for found in (word.partition("=@")[2] for word in words if "=@" in word):
        Path(found).parent.mkdir(parents=True)
        Path(found).write_text('{"prose": 1.0}', encoding="utf-8")
    coherent.check(verbs.recipe_of(cli.parse(words)))
