"""The evaluation of a tiny real model from its folder, and held-out losses against transformers' own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from lapis import chat, config
from lapis.data import store
from lapis.eval import losses
from lapis.eval import run as evaluation
from lapis.eval.sized import Sized
from lapis.export import hf
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.serve.engine import Engine
from lapis.types import InputError, Request, Sample, Text, Turn
from tests.eval.scripted import Silent, ground, picture, question
from tests.serve.small import spread
from tests.tiny import tiny_recipe

SHAPE = config.Model(
    config.ViT(width=16, layers=1, heads=2, mlp=32, tile=56),
    config.Adapter(hidden=32),
    config.Decoder(width=32, layers=2, heads=4, kv_heads=2, head_dim=8, mlp=48, vocab=272),
    config.AnyRes(columns=2, rows=2, thumbnail="several"),
)
PLAN = config.Eval(samples=4, budgets=(0, 4), max_tokens=48, pictures=2)
RECIPE = dataclasses.replace(tiny_recipe(), model=SHAPE, eval=PLAN, device="cpu")


def random_model(build: Callable[[], torch.nn.Module], seed: int) -> torch.nn.Module:
    """Weights wide enough that what is written depends on the question."""
    torch.manual_seed(seed)
    return spread(build())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tokenizer: chat.Tokenizer) -> Path:
    """A run folder with a whole model, a distilled student, two from scratch, and held-out sets."""
    folder = tmp_path_factory.mktemp("run")
    hf.write(random_model(lambda: Lapis(SHAPE), 0), tokenizer, folder / "rl" / "model")
    for seed, name in enumerate(("distil", "scratch-low", "scratch-high")):
        hf.write(random_model(lambda: Decoder(SHAPE.decoder), seed), tokenizer, folder / name / "model")
    heldout = folder / "data" / "heldout"
    store.write_samples(heldout / "math.parquet", [question(f"{number} + 1?", "2") for number in range(4)])
    screens = [ground("Send", (0, 0, 500, 500), picture(colour, 56, 56)) for colour in range(4)]
    store.write_samples(heldout / "ground_seen.parquet", screens)
    store.write_samples(heldout / "prose.parquet", [document(f"Page {number} of a book. " * 3) for number in range(6)])
    return folder


def document(text: str) -> Sample:
    return Sample("prose", "en", "test", "CC0-1.0", (Turn("assistant", (Text(text),)),), document=True)


def recipe_of(*names: str) -> config.Recipe:
    pack = config.Pack(row_tokens=64)
    stages = tuple(config.Train(name, None, {"prose": 1.0}, steps=1, pack=pack) for name in names)
    return dataclasses.replace(RECIPE, stages=stages)


def test_a_real_model_is_measured_and_keeps_every_budget(run: Path, tmp_path: Path) -> None:
    heldout, progress = run / "data" / "heldout", Silent()
    found = evaluation.evaluate(run / "rl" / "model", RECIPE, heldout, tmp_path, progress)
    own = {"ground_seen/direct", "ground_seen/direct/blind", "math/think", "math/direct"}
    assert found["tasks"].keys() - own == {"screenspot", "screenspot_v2", "screenspot_pro"}
    assert not {"needles", "distil"} & found.keys(), "these compare stages of a run"
    points = found["budgets"]["text"]["points"]
    assert [point["budget"] for point in points] == [0, 4]
    assert all(point["kept"] == point["n"] for point in points)
    assert progress.steps == evaluation.count(PLAN, heldout)
    assert json.loads((tmp_path / "results.json").read_text()) == found and not (tmp_path / "parts").exists()


def test_a_finished_evaluation_is_not_done_again(run: Path, tmp_path: Path) -> None:
    heldout = run / "data" / "heldout"
    first = evaluation.evaluate(run / "rl" / "model", RECIPE, heldout, tmp_path, Silent())
    stamp = (tmp_path / "results.json").stat().st_mtime_ns
    assert evaluation.evaluate(run / "rl" / "model", RECIPE, heldout, tmp_path, Silent()) == first
    assert (tmp_path / "results.json").stat().st_mtime_ns == stamp
    fewer = dataclasses.replace(RECIPE, eval=dataclasses.replace(PLAN, samples=2))
    again = evaluation.evaluate(run / "rl" / "model", fewer, heldout, tmp_path, Silent())
    assert again["tasks"]["math/think"]["n"] == 2


def test_a_folder_that_is_no_model(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model there"):
        evaluation.evaluate(tmp_path, RECIPE, run / "data" / "heldout", tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()


def test_document_losses_are_those_of_transformers(run: Path, tokenizer: chat.Tokenizer) -> None:
    documents = [document("A short text."), document("Another one, somewhat longer than the first.")]
    model = AutoModelForCausalLM.from_pretrained(run / "distil" / "model", dtype=torch.float32)
    ours = losses.document_losses(run / "distil" / "model", documents)
    for sample, (loss, count) in zip(documents, ours, strict=True):
        ids = torch.tensor([[*tokenizer.encode(sample.turns[0].text), tokenizer.id(chat.END)]])
        assert count == ids.shape[1] - 1
        assert loss / count == pytest.approx(model(input_ids=ids, labels=ids).loss.item(), rel=1e-5)


def test_distillation_is_compared_with_the_best_from_scratch(run: Path) -> None:
    heldout = run / "data" / "heldout"
    found = losses.distillation(run, recipe_of("scratch-low", "scratch-high", "distil"), heldout)
    assert found is not None and found["student"] == "distil"
    best = min(("scratch-low", "scratch-high"), key=found["losses"].__getitem__)
    assert found["scratch"] == best
    gain = found["gain"]
    assert gain["value"] == pytest.approx(1 - found["losses"]["distil"] / found["losses"][best])
    assert gain["low"] <= gain["value"] <= gain["high"] and gain["n"] == 6
    assert losses.distillation(run, recipe_of("scratch-low"), heldout) is None
    assert losses.distillation(run, recipe_of("distil", "scratch-low"), run) is None


def test_cache_length_does_not_change_answers(run: Path, tokenizer: chat.Tokenizer) -> None:
    model = random_model(lambda: Decoder(SHAPE.decoder), 3)
    sized = Sized(model, tokenizer)
    short, long = (Request((Turn("user", (Text("ab " * count),)),), max_tokens=16) for count in (3, 150))
    alone, both = sized.generate([short])[0], sized.generate([short, long])
    assert alone.token_ids == both[0].token_ids and len(both[1].prompt_ids) > 256
    assert sized.generate([]) == []


def test_a_screen_is_looked_at_once_for_many_calls(tokenizer: chat.Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same answers as engines that forget; what was seen first is forgotten first."""
    model = random_model(lambda: Lapis(SHAPE), 3)
    asked = [Request((Turn("user", (picture(colour), Text("ab?"))),), max_tokens=8) for colour in (1, 2, 3)]
    expected = [Engine(model, tokenizer, 2, 256).generate([one])[0].token_ids for one in asked]
    looked: list[int] = []
    features = model.features
    monkeypatch.setattr(model, "features", lambda tiles: looked.append(len(tiles)) or features(tiles))
    sized = Sized(model, tokenizer)
    for _ in range(2):
        assert [one.token_ids for one in sized.generate(asked)] == expected
    once = len(looked)
    monkeypatch.setattr("lapis.eval.sized.FEATURE_BYTES", 2 * sized.kept_bytes // 3)
    assert once and sized.generate(asked[1:])[0].token_ids == expected[1] and len(looked) == once
    assert sized.generate(asked[:1])[0].token_ids == expected[0] and len(looked) > once
