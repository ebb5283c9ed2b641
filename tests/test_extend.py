"""The examples of docs/extend.md run, in order and in one folder, and do what the page says.

A block fenced as ```sh``` is a list of `lapis` commands, one fenced as ```python``` is a program of its own, or the
module whose file its first line names. Only `lapis run`, which trains, is not run: its recipe is checked
(tests/test_tune.py walks one).
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, Siglip2VisionConfig, Siglip2VisionModel

from lapis import chat, cli, coherent, config, verbs, verify
from lapis.chat import read_tokenizer
from lapis.data import handlers, pipeline, store
from lapis.data.gather import Stage
from lapis.data.loader import Loader
from lapis.model import convert, init
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis
from lapis.types import Sample
from tests.conftest import ROOT
from tests.tiny import tiny_recipe, tiny_tokenizer

PAGE = "docs/extend.md"
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def blocks() -> Iterator[tuple[str, str, int]]:
    """Language, text and line of every fenced block."""
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        yield found[1], found[2], page[: found.start()].count("\n") + 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tower and a decoder as their makers publish them."""
    root = tmp_path_factory.mktemp("extend")
    torch.manual_seed(0)
    tower = Siglip2VisionConfig(**SIZES, patch_size=16, num_patches=36)
    Siglip2VisionModel(tower).save_pretrained(root / "tower")
    llama = LlamaConfig(**SIZES, num_key_value_heads=2, vocab_size=400, max_position_embeddings=256)
    LlamaForCausalLM(llama).save_pretrained(root / "text")
    raw = Tokenizer.from_str(tiny_tokenizer().raw.to_str().replace(chat.AI, "[|other|]:"))
    raw.save(str(root / "text" / "tokenizer.json"))
    return root


@pytest.fixture(scope="module")
def made(folder: Path) -> Iterator[dict[str, Any]]:
    """All names that the page's programs leave behind; commands must end well."""
    names: dict[str, Any] = {}
    before, paths = Path.cwd(), list(sys.path)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        for language, text, line in blocks():
            named = re.match(r"# (\w+)\.py\n", text)
            if named:
                Path(f"{named[1]}.py").write_text(text, encoding="utf-8")
                names |= vars(importlib.import_module(named[1]))
            elif language == "python":
                own: dict[str, Any] = {"__name__": f"line_{line}"}
                exec(compile("\n" * line + text, PAGE, "exec"), own)
                names |= own
            else:
                for words in map(shlex.split, text.splitlines()):
                    assert words[0] == "lapis", f"{PAGE}:{line}: {words}"
                    if words[1] == "run":
                        names[" ".join(words[2:])] = checked(words[1:])
                    else:
                        assert cli.main(words[1:]) == 0, f"{PAGE}:{line}: {words}"
        yield names
    finally:
        os.chdir(before)
        sys.path[:] = paths


def checked(words: list[str]) -> config.Recipe:
    """The recipe of a `lapis run`, which holds together."""
    recipe = verbs.recipe_of(cli.parse(words))
    coherent.check(recipe)
    return recipe


def test_each_way_of_extending_has_its_program() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    assert [name for name in sections if "```python" not in name and "Megatron" not in name] == []
    assert len(sections) == 7 and {language for language, _, _ in blocks()} == {"sh", "python"}


def test_links_lead_somewhere() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    named = re.findall(r"\]\(([^)#\s]+)", page)
    paths = re.findall(r"`(lapis/[\w/]+(?:\.py)?|tests/[\w/.]+)`", page)
    assert [link for link in named if not (ROOT / "docs" / link).exists()] == []
    assert paths and [path for path in paths if not (ROOT / path).exists()] == []


def test_the_tower_is_the_one_that_was_named(made: dict[str, Any], folder: Path) -> None:
    """By command, and by recipe in the stage that joins, each at its own tile."""
    start = convert.read(folder / "start", torch.bfloat16)
    tower = convert.read_vit(folder / "tower", 64, torch.bfloat16)
    assert all(torch.equal(x, y) for x, y in zip(start.vit.parameters(), tower.parameters(), strict=True))
    recipe: config.Recipe = made["recipe"]
    (entry,) = (one for one in recipe.stages if isinstance(one, config.Join))
    assert (entry.vision, recipe.model.vit.patch, recipe.model.vit.grid) == ("tower", 16, 16)
    small = config.Decoder(width=32, layers=1, heads=2, kv_heads=1, head_dim=16, mlp=32, vocab=512)
    text = init.fresh(small, 0)
    assert isinstance(text, Decoder)
    shape = config.Model(recipe.model.vit, config.Adapter(hidden=32), small)
    joined = init.join(text, shape, 0, str(folder / "tower"))
    tower = convert.read_vit(folder / "tower", 256)
    assert all(torch.equal(x, y) for x, y in zip(joined.vit.parameters(), tower.parameters(), strict=True))


def test_the_decoder_is_the_one_that_was_named(made: dict[str, Any], folder: Path) -> None:
    """With its own tokenizer, and a row for the special token that this one lacked."""
    mine, text = convert.read(folder / "mine", torch.bfloat16), convert.read_decoder(folder / "text", torch.bfloat16)
    assert made["request"] and (mine.config.decoder.qk_norm, mine.config.decoder.qkv_bias) == (False, False)
    pairs = zip(mine.decoder.layers.parameters(), text.layers.parameters(), strict=True)
    assert all(torch.equal(x, y) for x, y in pairs)
    before = read_tokenizer(folder / "text" / "tokenizer.json")
    after = chat.Tokenizer.load(folder / "mine", mine.config.tokens_per_tile)
    assert before.token_to_id(chat.AI) is None and after.id(chat.AI) == before.get_vocab_size()


def test_the_run_begins_with_the_weights_that_were_named(made: dict[str, Any], folder: Path) -> None:
    """By command and in a recipe of one's own: shapes and tokenizer are theirs, nobody typed them."""
    start, text = (convert.config_of(folder / name) for name in ("start", "text"))
    assert isinstance(start, config.Model) and isinstance(text, config.Decoder)
    assert made["tune start=start stages.sft.steps=2000"].model == start
    both = made["tune start=text stages.start.vision=tower model.vit.tile=64 seed=1"].model
    assert (both.vit, both.decoder, both.adapter) == (start.vit, start.decoder, start.adapter)
    begun: config.Recipe = made["begun"]
    assert begun.model.decoder == start.decoder and begun.model.vit.tile == 384 and begun.stages[1].steps == 1000


def test_another_adapter_makes_as_many_tokens_and_learns(made: dict[str, Any]) -> None:
    (recipe,) = (one for one in made.values() if isinstance(one, config.Recipe) and one.model.adapter.kind)
    network = init.fresh(recipe.model, 0)
    assert isinstance(network, Lapis) and isinstance(network.adapter, made["Pool"])
    features_VD = network.features(torch.zeros(3, 64, 64, 3, dtype=torch.uint8))
    assert features_VD.shape == (3 * recipe.model.tokens_per_tile, recipe.model.decoder.width)
    features_VD.pow(2).sum().backward()
    assert network.adapter.out.bias.grad.abs().sum() > 0


def test_the_kind_keeps_what_a_kind_must(made: dict[str, Any]) -> None:
    """A pure function of its seed; training and held-out share nothing; every answer is right by another road."""
    clock = made["clock"].clock
    taught, held = list(clock("train", 0)), list(clock("held", 0))
    assert taught == list(clock("train", 0)) != list(clock("train", 1))
    assert not {store.key(one) for one in taught} & {store.key(one) for one in held}
    for sample in (*taught, *held):
        said, more = re.findall(r"\d\d:\d\d|\d+(?= minutes)", sample.turns[0].text)
        later = (datetime.strptime(said, "%H:%M") + timedelta(minutes=int(more))).strftime("%H:%M")
        assert verify.check(sample.meta, later).score == 1.0 and sample.turns[1].text == later
        assert verify.check(sample.meta, said).score == 0.0


class Silent:
    def advance(self, steps: int = 1, note: str = "") -> None: ...


def test_its_file_is_trained_on(made: dict[str, Any], folder: Path) -> None:
    """The data stage makes and tokenises it, and the loader draws it by its own weight."""
    recipe: config.Recipe = next(one for one in made.values() if isinstance(one, config.Recipe) and one.data.handlers)
    stage = Stage(replace(tiny_recipe(), data=recipe.data), folder / "runs" / "mine" / "data", Silent(), folder)
    assert handlers.make_own(stage) == {"samples": {"clock": 200}}
    (stage.out / "tokenizer").mkdir()
    tiny_tokenizer().raw.save(str(stage.out / "tokenizer" / "tokenizer.json"))
    (stage.out / "steps").mkdir()
    (stage.out / "steps" / "decontaminate.json").write_text('{"keys": []}')
    assert pipeline.make_shards(stage)["tokens"]["clock"]["samples"] == 200
    loader = Loader(stage.out / "shards", {"clock": 1.0}, config.Pack(row_tokens=96, rows=2, tiles=0), 2, 0, {}, 4)
    batch = loader.batch(0)
    assert batch.kinds == ("clock",) and int(batch.weights_BT.sum()) > 0


def test_the_task_is_asked_and_summed_up(made: dict[str, Any]) -> None:
    records, samples = made["records"], made["samples"]
    assert len(records) == len(samples) == 20 and isinstance(samples[0], Sample)
    assert {record["ask"] for record in records} == {"clock/direct"}
    assert made["summary"](records)["n"] == 20


def test_megatron_gives_the_model_back(made: dict[str, Any], folder: Path) -> None:
    assert made and sorted(path.name for path in (folder / "mcore").glob("mp_rank_*")) == ["mp_rank_00", "mp_rank_01"]
    start, back = (convert.read(folder / name) for name in ("start", "back"))
    assert all(torch.equal(x, y) for x, y in zip(start.parameters(), back.parameters(), strict=True))
