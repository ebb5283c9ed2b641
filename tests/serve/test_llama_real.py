"""The real llama-server on a small model drawn at random: ids, answers, budgets, images, schema and seeds as ours.

Building llama.cpp takes minutes and is not part of the tests: without a build these are left out.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import torch

from lapis import chat, native
from lapis.data.tokenise import train_tokenizer
from lapis.eval import agreement
from lapis.export import gguf, hf
from lapis.model import anyres, convert, init
from lapis.model.vlm import Lapis
from lapis.serve import budget
from lapis.serve.asked import Asked
from lapis.serve.engine import Engine, encode_images
from lapis.serve.llamacpp import LlamaCpp
from lapis.types import Image, Request, Text, Turn
from tests.export.test_hf import SENTENCES
from tests.model.shared import DECODER, MODEL
from tests.serve.small import spread
from tests.serve.started import started
from tests.serve.test_llama_prompt import screen

pytestmark = pytest.mark.skipif(native.newest() is None, reason="llama.cpp is not built here (lapis build llamacpp)")

LENGTH = 256
SHAPE = dataclasses.replace(MODEL, anyres=dataclasses.replace(MODEL.anyres, columns=2, rows=2, thumbnail="several"))
TYPED = "What is 12 + 30?</s>[|AI|]:最便宜的多少钱 It's\n\n  fine <image> 🙂"


def user(*parts: str | Image) -> tuple[Turn, ...]:
    return (Turn("user", tuple(Text(part) if isinstance(part, str) else part for part in parts)),)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(SENTENCES, DECODER.vocab, place / "tokenizer", SHAPE.tokens_per_tile)
    hf.write(tame(spread(init.fresh(SHAPE, 0)), tokenizer), tokenizer, place / "hf")
    gguf.write(place / "hf", place / "gguf", ("f32", "f16", "q8_0"))
    return place


def tame(model: Lapis, tokenizer: chat.Tokenizer, halves: bool = False) -> Lapis:
    """A model that likes text, and halves of characters only where it should: one drawn at random writes marks
    everywhere, which a prompt with images cannot go on from token by token (test_llamacpp.py has those)."""
    contents = enumerate(budget.token_bytes(tokenizer))
    strange = [token for token, content in contents if not content or not (halves or content.isascii())]
    model.decoder.embedding.weight[[*strange, *range(tokenizer.size, DECODER.vocab)]] *= 0.05
    return model


@pytest.fixture(scope="module")
def engine(folder: Path) -> Engine:
    model = convert.read(folder / "hf")
    return Engine(model, chat.Tokenizer.load(folder / "hf", SHAPE.tokens_per_tile), 4, LENGTH, features={})


@pytest.fixture(scope="module")
def asked(folder: Path) -> Iterator[Asked]:
    with Asked(LlamaCpp(folder / "gguf", "f32", slots=2, length=LENGTH, threads=1)) as found:
        yield found


def backend(asked: Asked) -> LlamaCpp:
    assert isinstance(asked.backend, LlamaCpp)
    return asked.backend


def questions() -> list[Request]:
    shown = [("What is", screen(56, 56), " this?"), (screen(100, 60), "Where is: Save?")]
    prompts = [(TYPED,), ("42",), *shown]
    asked = [Request(user(*parts), max_tokens=48, grace=0) for parts in prompts]
    budgets = [(parts, budget) for parts in prompts for budget in (-1, 0, 7, 24)]
    return asked + [Request(user(*parts), True, budget, max_tokens=64, grace=0) for parts, budget in budgets]


def test_greedy_answers_are_the_torch_engines(asked: Asked, engine: Engine) -> None:
    requests = questions()
    ours = engine.generate(requests)
    theirs = asked.generate([dataclasses.replace(request, top_logprobs=agreement.LIKELY) for request in requests])
    found = [agreement.compare(engine, *three) for three in zip(requests, ours, theirs, strict=True)]
    total = agreement.total(found)
    assert total.wrong == 0 and total.equal >= 0.8 and total.epsilon < 0.5
    plain = [each for each, request in zip(found, requests, strict=True) if not request.turns[0].images]
    assert agreement.total(plain).epsilon < 0.01 and agreement.total(plain).equal >= 0.9
    for request, one, other, each in zip(requests, ours, theirs, found, strict=True):
        if not request.turns[0].images:
            assert one.prompt_ids == other.prompt_ids
        assert other.closed and (request.budget < 0 or other.thought_tokens <= request.budget)
        if each.equal:
            assert (one.text, one.thought, one.forced) == (other.text, other.thought, other.forced)


def test_halves_of_characters_behind_an_image_do_not_change_what_follows(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(SENTENCES, DECODER.vocab, tmp_path / "tokenizer", SHAPE.tokens_per_tile)
    model = tame(spread(init.fresh(SHAPE, 0)), tokenizer, halves=True)
    hf.write(model, tokenizer, tmp_path / "hf")
    gguf.write(tmp_path / "hf", tmp_path / "gguf", ("f32",))
    request = Request(user("What is", screen(56, 56), " this?"), max_tokens=48, top_logprobs=agreement.LIKELY)
    with Asked(LlamaCpp(tmp_path / "gguf", "f32", slots=1, length=LENGTH, threads=1)) as asked:
        (theirs,) = asked.generate([request])
    engine = Engine(model, tokenizer, 1, LENGTH)
    (ours,) = engine.generate([request])
    assert "\ufffd" in ours.text and ours.token_ids == theirs.token_ids
    assert agreement.compare(engine, request, ours, theirs).error < 0.1


def test_prompts_with_images_have_our_ids(asked: Asked, engine: Engine) -> None:
    """llama-server counts the prompt's tokens and tells the likeliest next ones: both are ours (it is checked inside
    that the counts agree)."""
    turns = [user("a ", screen(*size), " b?") for size in ((56, 56), (99, 50))]
    requests = [Request(each, max_tokens=1, top_logprobs=4) for each in turns]
    for one, other in zip(engine.generate(requests), asked.generate(requests), strict=True):
        assert one.prompt_ids == other.prompt_ids and one.token_ids == other.token_ids
        assert other.logprobs[0] == pytest.approx(one.logprobs[0], abs=0.02)


def test_a_special_token_typed_beside_an_image_stays_text(asked: Asked, engine: Engine) -> None:
    """Its name is broken, on both sides of the count that is checked."""
    (found,) = asked.generate([Request(user(screen(56, 56), TYPED), max_tokens=2)])
    marks = [engine.tokenizer.id(name) for name in (chat.END, chat.AI)]
    assert [found.prompt_ids.count(mark) for mark in marks] == [0, 1]


def test_text_is_split_as_we_split_it(asked: Asked) -> None:
    async def tokens(text: str) -> list[int]:
        process = await backend(asked).running()
        found = await process.ask("/tokenize", {"content": text, "add_special": False, "parse_special": False})
        return [*found["tokens"]]

    tokenizer = backend(asked).files.tokenizer
    for text in (*SENTENCES, "It's 3.14\n\n\n  Ünïcödé 🙂 最便宜的 \t x1y2"):
        assert asked.loop.run_until_complete(tokens(text)) == tokenizer.encode(text)


def test_the_servers_own_template_gives_our_prompt(asked: Asked) -> None:
    async def rendered(think: bool) -> str:
        process = await backend(asked).running()
        messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "12?"}]
        body = {"messages": messages, "chat_template_kwargs": {"enable_thinking": think}}
        return str((await process.ask("/apply-template", body))["prompt"])

    turns = (Turn("system", (Text("Be kind."),)), *user("12?"))
    for think in (False, True):
        ours = "".join(piece.text for piece in chat.segments(turns, think, reply=True))
        assert asked.loop.run_until_complete(rendered(think)) == ours


def test_seeds_repeat(asked: Asked) -> None:
    first, again, other = asked.generate(
        [Request(user("42"), max_tokens=24, temperature=1.0, top_p=0.95, seed=seed) for seed in (3, 3, 4)]
    )
    assert first.token_ids == again.token_ids != other.token_ids


def test_an_answer_is_valid_under_its_schema_also_after_a_thought(asked: Asked) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "yy"]}, "b": {"type": "boolean"}}}
    schema |= {"required": ["a", "b"], "additionalProperties": False}
    for think in (False, True):
        request = Request(user("42"), think, 8, max_tokens=120, schema=json.dumps(schema))
        (found,) = asked.generate([request])
        value = json.loads(found.text)
        assert value["a"] in ("x", "yy") and isinstance(value["b"], bool)


def test_an_image_that_was_prepared_is_not_read_again(asked: Asked) -> None:
    model, image = backend(asked), screen(56, 112)
    tiles = anyres.tile_count(56, 112, SHAPE.anyres, SHAPE.vit.tile)
    assert asked.loop.run_until_complete(model.prepare(image)) == tiles
    before = model.load().shared_tokens
    asked.generate([Request(user(image, "?"), max_tokens=2)])
    assert model.load().shared_tokens - before >= tiles * (SHAPE.tokens_per_tile + 2)


@pytest.mark.parametrize("form", ["f16", "q8_0"])
def test_other_formats_answer(folder: Path, form: str) -> None:
    with Asked(LlamaCpp(folder / "gguf", form, slots=1, length=LENGTH, threads=1)) as asked:
        (found,) = asked.generate([Request(user(screen(56, 56), "42"), True, 8, max_tokens=24)])
    assert found.closed and found.thought_tokens <= 8 and found.text


def test_mtmd_cli_answers_a_screen_question_as_we_do(folder: Path, engine: Engine, tmp_path: Path) -> None:
    """It thinks, since the template's switch is on there by default. What it writes last is lost now and then: its log
    ends with it, so it is asked until it said something."""
    (tmp_path / "tile.png").write_bytes(screen(56, 56).data)
    words: list[str | Path] = [native.find("llama-mtmd-cli"), "--jinja", "--temp", "0", "-n", "12", "-t", "1"]
    words += ["-m", folder / "gguf" / "model-f32.gguf", "--mmproj", folder / "gguf" / "mmproj-f32.gguf"]
    words += [*native.model_words(SHAPE), "--image", tmp_path / "tile.png", "-p", "42"]
    said = ""
    while not said:
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        assert done.returncode == 0, done.stderr
        said = done.stdout.strip()
    ours = engine.tokenizer.decode(plain(engine, user(screen(56, 56), "42"), 12), specials=True)
    assert said and ours.strip().startswith(said[:8])


@torch.inference_mode()
def plain(engine: Engine, turns: tuple[Turn, ...], count: int) -> list[int]:
    """Greedy tokens of a thinking prompt without any machine, as mtmd-cli writes them."""
    assert isinstance(engine.model, Lapis)
    prompt = engine.prompt(Request(turns, True))
    features, ids = torch.cat(encode_images(engine.model, prompt.images)), [*prompt.ids]
    for _ in range(count):
        x_1TD = engine.model.merge(torch.tensor([ids]), features)
        hidden_1TD = engine.decoder(x_1TD, torch.arange(len(ids))[None])
        ids.append(int(engine.decoder.logits(hidden_1TD[0, -1]).argmax()))
    return ids[len(prompt.ids) :]


def test_llama_cpp_answers_behind_the_same_api(folder: Path) -> None:
    with started(str(folder / "gguf"), "--engine", "llamacpp", "--form", "q8_0", "--slots", "2", "--length", "256") as (
        _,
        url,
    ):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        messages = [{"role": "user", "content": "what?"}]
        answer = client.chat.completions.create(
            model="gguf", messages=messages, max_tokens=24, extra_body={"thinking_token_budget": 9}
        )
        usage = answer.usage
        assert usage is not None and usage.completion_tokens_details is not None
        assert 0 < (usage.completion_tokens_details.reasoning_tokens or 0) <= 9 and answer.choices[0].message.content
