"""Parity with transformers' decoders: logits, gradients, greedy generation; packing; YaRN."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from lapis import config
from lapis.model import convert, init
from lapis.model.cache import KVCache, Span, whole
from lapis.model.decoder import Decoder, frequencies, rotation
from tests.model.shared import DECODER, random_tokens

SIZES = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "vocab_size": 120,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "bos_token_id": None,
    "eos_token_id": None,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 64,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
FAMILIES = {
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=32, tie_word_embeddings=True)),
    "qwen3 untied": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=False)),
    "qwen3 yarn": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=32, rope_parameters=YARN)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES)),
    "llama3": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=LLAMA3)),
}


def pair(family: str, folder: Path) -> tuple[PreTrainedModel, Decoder]:
    """Transformers' model, and ours read from its folder; norms and biases moved off their start."""
    torch.manual_seed(0)
    stock = FAMILIES[family]().eval()
    with torch.no_grad():
        for parameter in stock.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    stock.save_pretrained(folder)
    ours = convert.read(folder)
    assert isinstance(ours, Decoder)
    return stock, ours


def logits_of(decoder: Decoder, tokens_BT: Tensor) -> Tensor:
    positions = torch.arange(tokens_BT.shape[1]).expand_as(tokens_BT)
    return decoder.logits(decoder(decoder.embed(tokens_BT), positions))


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_gradients_equal_transformers(family: str, tmp_path: Path) -> None:
    stock, ours = pair(family, tmp_path)
    tokens = random_tokens(2, 100, 120)
    expected, mine = stock(tokens, use_cache=False).logits, logits_of(ours, tokens)
    torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-4)
    expected.log_softmax(-1)[..., 7].sum().backward()
    mine.log_softmax(-1)[..., 7].sum().backward()
    stock_gradients = {name: parameter.grad for name, parameter in stock.named_parameters()}
    for name, parameter in ours.named_parameters():
        names = convert.theirs(name, convert.DECODER) if name != "head.weight" else ()
        found = [stock_gradients["model." + key] for key in names] or [stock_gradients["lm_head.weight"]]
        mine = parameter.grad[torch.cat(convert.pieces_of(name, len(parameter), ours))]
        torch.testing.assert_close(mine, torch.cat(found), rtol=1e-3, atol=1e-3, msg=name)


def generate(decoder: Decoder, prompt_BT: Tensor, count: int, cached: bool) -> Tensor:
    """Greedy continuation, with a KV cache or by reading everything again."""
    rows, length = prompt_BT.shape
    run = whole(length + count)
    cache = KVCache(decoder.config, rows * run, torch.float32)
    tokens = prompt_BT
    for _ in range(count):
        new = tokens if not cached or tokens is prompt_BT else tokens[:, -1:]
        first = tokens.shape[1] - new.shape[1]
        positions = torch.arange(first, tokens.shape[1]).expand(rows, -1)
        x = decoder.embed(new)
        if cached:
            view = cache.view([Span(row * run, first, new.shape[1], first > 0) for row in range(rows)])
            packed = (part.flatten(0, 1)[None] for part in (x, positions))
            hidden = decoder.extend(next(packed), rotation(decoder.config, next(packed)), view).view_as(x)
        else:
            hidden = decoder(x, positions)
        tokens = torch.cat((tokens, decoder.logits(hidden[:, -1:]).argmax(-1)), 1)
    return tokens


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_generation_equals_transformers_with_and_without_cache(family: str, tmp_path: Path) -> None:
    stock, ours = pair(family, tmp_path)
    prompt = random_tokens(2, 9, 120)
    expected = stock.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=20, do_sample=False, pad_token_id=0
    )
    assert torch.equal(generate(ours, prompt, 20, cached=True), expected)
    assert torch.equal(generate(ours, prompt, 20, cached=False), expected)


def test_packed_documents_are_as_if_alone() -> None:
    decoder = init.fresh(DECODER, 0)
    assert isinstance(decoder, Decoder)
    first, second = random_tokens(1, 7, seed=1), random_tokens(1, 5, seed=2)
    packed = torch.cat((first, second, torch.zeros(1, 2, dtype=torch.long)), 1)
    documents = torch.tensor([[0] * 7 + [1] * 5 + [-1] * 2])
    positions = torch.cat((torch.arange(7), torch.arange(5), torch.zeros(2, dtype=torch.long)))[None]
    hidden = decoder(decoder.embed(packed), positions, documents)
    for tokens, where in ((first, slice(0, 7)), (second, slice(7, 12))):
        alone = decoder(decoder.embed(tokens), torch.arange(tokens.shape[1])[None])
        torch.testing.assert_close(hidden[:, where], alone, rtol=1e-5, atol=1e-5)
    assert bool(hidden.isfinite().all())


def test_llama3s_pairs_are_left_stretched_and_between() -> None:
    """The family's test would say little if all pairs were alike."""
    plain = config.Decoder(width=64, layers=1, heads=4, kv_heads=2, head_dim=16, mlp=8, vocab=9, rope_theta=500.0)
    before, _ = frequencies(plain, torch.device("cpu"))
    after, factor = frequencies(dataclasses.replace(plain, llama3=config.Llama3(8.0, 64)), torch.device("cpu"))
    ratio = before / after
    assert factor == 1.0 and ratio[0] == 1.0 and ratio[-1] == pytest.approx(8.0)
    assert bool(((ratio > 1.1) & (ratio < 7.9)).any())


def test_yarn_switches_positions_and_grows_the_context() -> None:
    decoder = init.fresh(dataclasses.replace(DECODER, max_positions=64), 0)
    assert isinstance(decoder, Decoder)
    tokens = random_tokens(1, 30)
    before = logits_of(decoder, tokens)
    decoder.set_yarn(config.Yarn(factor=8, original=64))
    assert decoder.config.max_positions == 512
    assert not torch.allclose(logits_of(decoder, tokens), before)
    decoder.set_yarn(None)
    assert torch.equal(logits_of(decoder, tokens), before)


def test_autocast_and_bf16_weights_follow_fp32() -> None:
    decoder = init.fresh(DECODER, 0)
    assert isinstance(decoder, Decoder)
    tokens = random_tokens(2, 40)
    exact = logits_of(decoder, tokens).detach()
    with torch.autocast("cpu", torch.bfloat16):
        cast = logits_of(decoder, tokens)
    cast.float().square().mean().backward()
    assert all(parameter.grad is not None for parameter in decoder.parameters())
    for rough in (cast, logits_of(decoder.bfloat16(), tokens)):
        assert float((rough.detach().float() - exact).abs().max()) < 0.05 * float(exact.abs().max())
