"""A program for phones against the model that it was made of; the runtime is ExecuTorch's own."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lapis import chat, cli, config, device_verbs, files, outside, terminal
from lapis.data import store
from lapis.export import executorch
from lapis.export.executorch import Embedding, Size, Text, Vision
from lapis.export.quantise import Forms, on_grid, quantised
from lapis.model.vlm import Lapis
from lapis.recipes import pocket
from lapis.serve.errors import ConfigFault, DecodeTooLong, MemoryFault, PromptTooLong, Released
from lapis.serve.executorch import Device
from lapis.types import Image, InputError, Request, Turn
from lapis.types import Text as Words
from tests.eval.scripted import picture, question
from tests.serve.small import byte_tokenizer, small_shape, spread

built = pytest.mark.skipif(
    not outside.is_built(outside.EXECUTORCH), reason="ExecuTorch is not there: `lapis build executorch` fetches it"
)
PLAIN = Forms(vit="fp32", decoder="fp32", kv="fp32")
SIZE = Size(length=160, chunk=8, tiles=4)
"""A small chunk, so that the decoder takes less memory than the pictures do, and would show what they overwrite."""


def shape() -> config.Model:
    """One layer each, of whole groups but for the MLP's 48 inputs: lowering takes a second an operator."""
    small = small_shape()
    vit = dataclasses.replace(small.vit, width=32, mlp=64)
    decoder = dataclasses.replace(small.decoder, layers=1, max_positions=256)
    return dataclasses.replace(small, vit=vit, adapter=config.Adapter(hidden=64), decoder=decoder)


@pytest.fixture(scope="module")
def model() -> Lapis:
    torch.manual_seed(5)
    return spread(Lapis(shape()))


@pytest.fixture(scope="module")
def tokenizer() -> chat.Tokenizer:
    return byte_tokenizer()


@pytest.fixture(scope="module")
def folder(model: Lapis, tokenizer: chat.Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("program") / "executorch"
    executorch.write(model, tokenizer, place, Forms(), SIZE)
    return place


@pytest.fixture
def device(folder: Path) -> Device:
    return Device(folder)


def ask(text: str = "Where is: Save?", *images: Image, most: int = 12, **how: object) -> Request:
    return Request((Turn("user", (*images, Words(text))),), max_tokens=most, **how)  # type: ignore[arg-type]


def encoded(device: Device, request: Request) -> chat.Encoded:
    return chat.encode_prompt(request.turns, request.think, None, device.tokenizer, device._tiles)


# Before lowering: the modules against the model


def test_unrounded_modules_compute_what_the_model_does(model: Lapis) -> None:
    tiles = torch.randint(0, 256, (3, 56, 56, 3), dtype=torch.uint8)
    torch.testing.assert_close(Vision(model)(tiles).flatten(0, 1), model.features(tiles), rtol=1e-4, atol=1e-4)
    tokens = torch.randint(12, 272, (1, 40))
    torch.testing.assert_close(Embedding(model.decoder.embedding.weight, "fp32")(tokens), model.decoder.embed(tokens))
    text, out = Text(model.decoder, 64, "fp32"), torch.zeros(0)
    for start, end in ((0, 20), (20, 21), (21, 40)):
        out = text(model.decoder.embed(tokens[:, start:end]), torch.arange(start, end))
    whole = model.decoder.logits(model.decoder(model.decoder.embed(tokens), torch.arange(40)[None]))
    torch.testing.assert_close(out, whole[:, -1], rtol=1e-4, atol=1e-4)


def test_the_int8_cache_is_the_one_that_quality_is_measured_with(model: Lapis) -> None:
    tokens = torch.randint(12, 272, (1, 24))
    rounded = quantised(model, dataclasses.replace(PLAIN, kv="int8"))
    assert isinstance(rounded, Lapis)
    text = Text(model.decoder, 64, "int8")
    for start, end in ((0, 16), (16, 24)):
        out = text(model.decoder.embed(tokens[:, start:end]), torch.arange(start, end))
    whole = rounded.decoder.logits(rounded.decoder(rounded.decoder.embed(tokens), torch.arange(24)[None]))
    torch.testing.assert_close(out, whole[:, -1], rtol=1e-3, atol=1e-3)


@built
def test_grids_are_torchaos() -> None:
    outside.use(outside.EXECUTORCH)
    for bits, inputs in (("int4", 64), ("int8", 64), ("int4", 48)):
        torch.manual_seed(1)
        linear = torch.nn.Linear(inputs, 16, bias=False).requires_grad_(False)
        mine = on_grid(linear.weight, *executorch.grouping(linear, bits, 32))  # type: ignore[arg-type]
        made = executorch.in_form(torch.nn.Sequential(linear), bits, 32)  # type: ignore[arg-type]
        weight = made[0].weight
        theirs = getattr(weight, "original_weight_tensor", weight)
        torch.testing.assert_close(theirs.dequantize(), mine, rtol=1e-5, atol=1e-6)


# The program


@built
def test_it_says_what_torch_says_with_the_same_numbers(model: Lapis, device: Device) -> None:
    """The program's logits are those of the rounded model, in prompts of several chunks, with and without a picture."""
    rounded = quantised(model, Forms())
    assert isinstance(rounded, Lapis)
    for request in (
        ask(),
        ask("long " * 15),
        ask("Where?", picture(0x3060A0)),
        ask("Both?", picture(0xA03060, 300, 100)),
    ):
        ids = encoded(device, request)
        tokens = torch.tensor([ids.ids])
        features = [rounded.features(torch.from_numpy(_tiles(image))) for image in ids.images]
        x = rounded.merge(tokens, torch.cat(features)) if features else rounded.decoder.embed(tokens)
        truth = rounded.decoder.logits(rounded.decoder(x, torch.arange(tokens.shape[1])[None]))[0, -1]
        found = device.logits(ids)
        assert torch.nn.functional.cosine_similarity(found, truth, dim=0) > 0.995
        assert int(found.argmax()) in truth.topk(2).indices


def _tiles(image: Image) -> np.ndarray:
    from lapis.model import anyres

    return anyres.cut(anyres.decode(image), shape().anyres, shape().vit.tile)


@built
def test_a_picture_is_looked_at_in_batches(device: Device, model: Lapis) -> None:
    wide = picture(0x123456, 400, 400)
    assert device.encode(wide) == len(_tiles(wide)) == 5
    assert (device.trace.tiles, device.trace.vit_seconds > 0) == (5, True)
    rounded = quantised(model, Forms())
    assert isinstance(rounded, Lapis)
    truth = rounded.features(torch.from_numpy(_tiles(wide)))
    cosine = torch.nn.functional.cosine_similarity(device._features[wide.data].flatten(), truth.flatten(), dim=0)
    assert cosine > 0.999


@built
def test_the_order_of_calls(device: Device) -> None:
    heard: list[str] = []
    image = picture(0x204060)
    device.encode(image)
    seen = device.trace.vit_seconds
    request = ask("Where is: Save?", image)
    done = device.forward(request, heard.append)
    assert "".join(heard) == done.text and len(done.token_ids) > 0
    assert device.trace.vit_seconds == seen, "an image that was encoded is not encoded again"
    trace = device.trace
    assert (trace.input_tokens, trace.output_tokens) == (len(done.prompt_ids), len(done.token_ids))
    assert trace.computed_tokens == trace.input_tokens
    assert min(trace.init_seconds, trace.first_seconds, trace.prefill_speed, trace.decode_speed) > 0
    device.reset()
    assert device.forward(request).token_ids == done.token_ids
    assert device.trace.computed_tokens == trace.input_tokens


@built
def test_what_the_cache_holds_is_not_computed_again(device: Device) -> None:
    first = ask("One question about many things of this world?")
    said = device.forward(first)
    turns = (*first.turns, Turn("assistant", (Words(said.text),)), Turn("user", (Words("And then?"),)))
    second = dataclasses.replace(first, turns=turns)
    found = device.forward(second)
    assert 0 < device.trace.computed_tokens < device.trace.input_tokens - 30
    device.reset()
    assert device.forward(second).token_ids == found.token_ids


@built
def test_another_picture_in_the_same_place_is_another_prompt(device: Device) -> None:
    one, other = picture(0x000000), picture(0xFFFFFF)
    device.forward(ask("Where?", one))
    again = device.forward(ask("Where?", other))
    device.reset()
    assert device.forward(ask("Where?", other)).logprobs == pytest.approx(again.logprobs, abs=1e-4)


@built
def test_looking_at_a_picture_leaves_the_cache_alone(device: Device) -> None:
    """Methods of one load share memory; a picture between two questions must not change the second's answer."""
    request = ask("One question about many things of this world?")
    alone = device.forward(request)
    device.encode(picture(0x9080F0, 400, 400))
    again = device.forward(request)
    assert device.trace.computed_tokens == 1
    assert again.token_ids == alone.token_ids
    assert again.logprobs == pytest.approx(alone.logprobs, abs=1e-4)


@built
def test_an_interrupt_ends_it_and_the_next_request_is_whole(device: Device) -> None:
    request = ask(most=40, think=True, budget=30)
    whole = device.forward(request)
    heard: list[str] = []

    def stop(piece: str) -> None:
        heard.append(piece)
        if len(heard) == 3:
            device.interrupt()

    device.reset()
    cut = device.forward(request, stop)
    assert cut.finish == "cancelled" and 0 < len(cut.token_ids) < len(whole.token_ids)
    assert cut.token_ids == whole.token_ids[: len(cut.token_ids)]
    assert device.forward(request).token_ids == whole.token_ids


@built
def test_budgets_and_schemas_are_kept(device: Device) -> None:
    for budget in (0, 3, 9):
        done = device.forward(ask(most=48, think=True, budget=budget, reserve=8))
        assert done.closed and done.thought_tokens <= budget and done.text
    schema = json.dumps({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]})
    answer = json.loads(device.forward(ask(most=40, schema=schema)).text)
    assert isinstance(answer["x"], int)


@built
def test_errors_are_typed(device: Device, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PromptTooLong, match="prompt: "):
        device.forward(ask("x" * 200))
    said: list[str] = []
    with pytest.raises(DecodeTooLong, match="cache of 160"):
        device.forward(ask("y" * 100, most=400, think=True, budget=300), said.append)
    assert said, "what was written until then was heard"
    with pytest.raises(InputError, match="image"):
        device.encode(Image(b"no picture", 5, 5))
    with pytest.raises(ConfigFault, match="no whole program there"):
        Device(tmp_path)
    with pytest.raises(MemoryFault, match="at most 1,000"):
        Device(folder, memory=1000)
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.pte").write_bytes(b"nothing")
    with pytest.raises(ConfigFault, match=r"model\.pte: cannot be loaded"):
        Device(broken)
    (broken / "program.json").write_text("{}")
    with pytest.raises(ConfigFault, match=r"program\.json: broken"):
        Device(broken)
    device.release()
    with pytest.raises(Released):
        device.forward(ask())
    with pytest.raises(Released):
        device.encode(picture(0x111111))


@built
def test_losses_are_those_of_the_rounded_model(model: Lapis, device: Device) -> None:
    from lapis.eval.quality import Torch

    turns = (Turn("user", (Words("1 + 1?"),)), Turn("assistant", (Words("2, of course"),)))
    ids = chat.encode_segments(chat.segments(turns, False, None), device.tokenizer, lambda image: 0)
    mine, theirs = device.nll(ids), Torch(quantised(model, Forms()), device.tokenizer).nll(ids)
    assert mine == pytest.approx(theirs, rel=0.1, abs=0.1)


@built
def test_the_terminal_asks_a_program(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.chat(folder, picture(0x405060), terminal.How(False, -1, 10), "Where is: Save?")
    out = capsys.readouterr().out.rstrip("\n")
    assert out == Device(folder).forward(ask("Where is: Save?", picture(0x405060), most=10)).text


@built
def test_it_is_measured_like_a_model_on_its_runs_questions(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`lapis eval RUN/export/executorch`: its own answers are judged, and what its cache has no room for is wrong."""
    recipe = pocket.smoke()
    plan = dataclasses.replace(recipe.eval, max_tokens=12, budgets=(0,))
    run = tmp_path / "run"
    program = run / "export" / "executorch"
    shutil.copytree(folder, program)
    (run / "config.json").write_text(config.dump(dataclasses.replace(recipe, eval=plan)))
    said = Device(folder).forward(ask("1 + 1?", most=12)).text
    asked = [question("1 + 1?", said), question("what? " * 40, "no")]
    store.write_samples(run / recipe.data.name / "heldout" / "math.parquet", asked)
    for _ in range(2):  # the second start finds what the first one measured
        assert cli.main(["eval", str(program), "--samples", "2", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert {*found["tasks"]} == {"math/think", "math/direct"} and found["tasks"]["math/direct"]["n"] == 2
        assert "needles" not in found
    lines = [json.loads(line) for line in (run / "eval-export-executorch" / "answers.jsonl").open(encoding="utf-8")]
    answers = {line["prompt"]: line["answer"] for line in lines if line["ask"] == "math/direct"}
    assert answers == {"1 + 1?": said, "what? " * 40: ""}


@built
def test_the_folder_says_what_it_holds(folder: Path, model: Lapis, tokenizer: chat.Tokenizer, tmp_path: Path) -> None:
    about = json.loads((folder / "program.json").read_text())
    assert about["forms"] == dataclasses.asdict(Forms()) and about["size"] == dataclasses.asdict(SIZE)
    heads, width = model.config.decoder.kv_heads, model.config.decoder.head_dim
    assert about["cache_bytes"] == 2 * 1 * heads * 160 * (width + 4)
    assert files.is_program(folder) and not files.is_model(folder)
    (tmp_path / "file").write_text("something else")
    with pytest.raises(InputError, match="holds something else"):
        executorch.write(model, tokenizer, tmp_path, Forms(), SIZE)
    with pytest.raises(InputError, match="length: 512, expected at most the model's 256"):
        executorch.write(model, tokenizer, tmp_path / "new", Forms(), Size(512))


# Without it


def test_what_is_not_built_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Lapis) -> None:
    monkeypatch.setattr(outside, "CACHE", tmp_path)
    with pytest.raises(InputError, match="`lapis build executorch` fetches it"):
        executorch.write(model, byte_tokenizer(), tmp_path / "out", Forms(), SIZE)
    (tmp_path / "model.pte").write_bytes(b"")
    (tmp_path / "program.json").write_text(json.dumps({"cache_bytes": 1, "size": dataclasses.asdict(SIZE)}))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError):
        Device(tmp_path)


def test_packages_come_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a folder of packages on this disk, in a process of its own."""
    monkeypatch.setattr(outside, "CACHE", tmp_path / "cache")
    package = tmp_path / "source"
    (package / "besides").mkdir(parents=True)
    (package / "besides" / "__init__.py").write_text("HERE = 1\n")
    setup = "from setuptools import setup\nsetup(name='besides', version='1', packages=['besides'])\n"
    (package / "setup.py").write_text(setup)
    good = outside.Kit("good", (str(package), "--no-build-isolation"))
    bad = outside.Kit("bad", (str(tmp_path / "missing"),))
    with pytest.raises(InputError, match="bad: pip could not fetch it"):
        outside.build(bad)
    assert not outside.is_built(bad)
    paths = list(sys.path)
    try:
        assert outside.build(good) == outside.place(good) == outside.build(good)
        outside.use(good)
        assert sys.path[-1] == str(outside.place(good)) and sys.path[:-1] == paths
        import besides  # type: ignore[import-not-found]

        assert besides.HERE == 1
    finally:
        sys.path[:] = paths


def test_options_belong_to_their_form() -> None:
    for words in (["--vit", "int8"], ["--length", "99"], ["--samples", "0"]):
        assert cli.main(["export", "tests", "--to", "hf", *words]) == 2
    with pytest.raises(InputError, match="chunk: 128, expected at most the length, 64"):
        Size(length=64)
    named = device_verbs.options(Forms())
    assert list(named) == ["vit int8", "decoder int8", "decoder int4", "kv int8", "as exported"]
    assert all(form.group == 32 for form in named.values()) and named["kv int8"] == dataclasses.replace(
        PLAIN, kv="int8"
    )
