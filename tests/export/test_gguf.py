"""GGUF files: what is read back is the model, in llama.cpp's names and words; what llama.cpp cannot run is refused."""

from __future__ import annotations

import dataclasses
import json
import stat
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGUFReader
from gguf.quants import dequantize
from tokenizers import Regex, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as RawTokenizer

from lapis import chat, config, native
from lapis.data.tokenise import train_tokenizer
from lapis.export import gguf as export
from lapis.export import gguf_words, hf
from lapis.model.convert import to_hf
from lapis.types import InputError
from tests.export.test_hf import SENTENCES, text, whole
from tests.model.shared import DECODER, MODEL

YARN = dataclasses.replace(DECODER, yarn=config.Yarn(4.0, 64, 2.0, 1.0), max_positions=256)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model's stock folder."""
    place = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(SENTENCES, DECODER.vocab, place / "tokenizer", MODEL.tokens_per_tile)
    hf.write(whole(dataclasses.replace(MODEL, decoder=YARN)), tokenizer, place / "hf")
    return place / "hf"


@pytest.fixture(scope="module")
def written(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "gguf"
    export.write(source, out, ("f32", "f16", "q8_0"))
    return out


def values(path: Path) -> dict[str, np.ndarray]:
    """Tensors as float32 in their own shapes."""
    found = GGUFReader(path).tensors
    return {one.name: dequantize(one.data, one.tensor_type).reshape(one.shape[::-1]) for one in found}


def field(path: Path, name: str) -> object:
    return GGUFReader(path).fields[name].contents()


def test_every_weight_is_there_under_llamacpps_name(written: Path) -> None:
    state = to_hf(whole(dataclasses.replace(MODEL, decoder=YARN)))
    text, vision = values(written / "model-f32.gguf"), values(written / "mmproj-f32.gguf")
    assert len(text) + len(vision) == len(state)
    for theirs, ours in (
        ("token_embd.weight", "model.language_model.embed_tokens.weight"),
        ("output_norm.weight", "model.language_model.norm.weight"),
        ("blk.1.attn_q.weight", "model.language_model.layers.1.self_attn.q_proj.weight"),
        ("blk.0.attn_k_norm.weight", "model.language_model.layers.0.self_attn.k_norm.weight"),
        ("blk.1.ffn_down.weight", "model.language_model.layers.1.mlp.down_proj.weight"),
        ("v.blk.0.ffn_up.bias", "model.vision_tower.encoder.layers.0.mlp.fc1.bias"),
        ("v.position_embd.weight", "model.vision_tower.embeddings.position_embedding.weight"),
        ("mm.2.weight", "model.multi_modal_projector.linear_2.weight"),
    ):
        np.testing.assert_array_equal((text | vision)[theirs], state[ours].numpy())


def test_the_patch_matrix_is_a_convolution(written: Path) -> None:
    """Over a patch it gives what the matrix gives: rows and columns first, channels last."""
    patch = MODEL.vit.patch
    kernel_W3PP = values(written / "mmproj-f32.gguf")["v.patch_embd.weight"]
    matrix_WC = to_hf(whole())["model.vision_tower.embeddings.patch_embedding.weight"].numpy()
    pixels_PP3 = np.random.default_rng(0).standard_normal((patch, patch, 3)).astype(np.float32)
    summed_W = np.einsum("wcyx,yxc->w", kernel_W3PP, pixels_PP3)
    np.testing.assert_allclose(summed_W, matrix_WC @ pixels_PP3.ravel(), rtol=1e-3, atol=1e-5)


def test_f16_and_q8_are_near_and_vectors_stay(written: Path) -> None:
    full = values(written / "model-f32.gguf")
    for form, step in (("f16", 2**-10), ("q8_0", 1 / 127)):
        for name, value in values(written / f"model-{form}.gguf").items():
            np.testing.assert_allclose(value, full[name], atol=step * np.abs(full[name]).max())
            assert value.ndim > 1 or np.array_equal(value, full[name])


def test_rows_that_are_no_whole_blocks_are_told(tmp_path: Path, source: Path) -> None:
    odd = dataclasses.replace(DECODER, mlp=40)
    tokenizer = chat.Tokenizer.load(source, 1)
    hf.write(text(odd), tokenizer, tmp_path / "hf")
    export.write(tmp_path / "hf", tmp_path / "out", ("q8_0",))
    others = export.unquantised(tmp_path / "out" / "model-q8_0.gguf", "q8_0")
    assert others == [f"blk.{layer}.ffn_down.weight (f16)" for layer in range(DECODER.layers)]
    assert others[0] in (tmp_path / "out" / "README.md").read_text()
    assert not [*(tmp_path / "out").glob("mmproj*")]


def test_shapes_are_told_in_llamacpps_words(written: Path) -> None:
    path = written / "model-f16.gguf"
    assert field(path, "general.architecture") == "qwen3"
    for name, value in (
        ("block_count", DECODER.layers),
        ("embedding_length", DECODER.width),
        ("feed_forward_length", DECODER.mlp),
        ("attention.head_count", DECODER.heads),
        ("attention.head_count_kv", DECODER.kv_heads),
        ("attention.key_length", DECODER.head_dim),
        ("context_length", 256),
        ("rope.freq_base", DECODER.rope_theta),
        ("rope.scaling.type", "yarn"),
        ("rope.scaling.factor", 4.0),
        ("rope.scaling.original_context_length", 64),
    ):
        assert field(path, f"qwen3.{name}") == pytest.approx(value), name
    assert field(path, "qwen3.attention.layer_norm_rms_epsilon") == pytest.approx(DECODER.eps)
    vision = written / "mmproj-f16.gguf"
    assert field(vision, "clip.projector_type") == "lfm2" and field(vision, "clip.use_gelu")
    assert field(vision, "clip.vision.image_size") == MODEL.vit.tile
    assert field(vision, "clip.vision.projector.scale_factor") == 2


def test_what_llamacpp_does_not_read_stands_in_the_readme(written: Path) -> None:
    words = "--yarn-beta-fast 2 --yarn-beta-slow 1"
    tokens = MODEL.tokens_per_tile
    assert f"{words} --image-min-tokens {tokens} --image-max-tokens {tokens}" in (written / "README.md").read_text()
    assert native.model_words(dataclasses.replace(DECODER, yarn=config.Yarn(4.0, 64))) == []


def test_the_tokenizer_can_be_made_again_of_its_fields(written: Path, source: Path) -> None:
    """The same ids for text in two languages, from tokens, merges and the split that `pre` names."""
    path = written / "model-f16.gguf"
    tokens, merges = field(path, "tokenizer.ggml.tokens"), field(path, "tokenizer.ggml.merges")
    assert isinstance(tokens, list) and isinstance(merges, list)
    vocab = {token: number for number, token in enumerate(tokens)}
    raw = RawTokenizer(models.BPE(vocab=vocab, merges=[tuple(merge.split(" ")) for merge in merges]))
    regex = {name: split for split, name in gguf_words.SPLITS.items()}[str(field(path, "tokenizer.ggml.pre"))]
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"), as_bytes])
    raw.decoder = decoders.ByteLevel()
    ours = chat.Tokenizer.load(source, 1)
    for sentence in (*SENTENCES, "It's 3.14\n\n\n  Ünïcödé 🙂 最便宜的"):
        assert raw.encode(sentence).ids == ours.encode(sentence)


def test_special_tokens_and_template_are_ours(written: Path, source: Path) -> None:
    path, ours = written / "model-f16.gguf", chat.Tokenizer.load(source, 1)
    tokens, types = field(path, "tokenizer.ggml.tokens"), field(path, "tokenizer.ggml.token_type")
    assert isinstance(tokens, list) and isinstance(types, list) and len(tokens) == len(types) == DECODER.vocab
    for name in chat.SPECIALS:
        shown = name in (chat.THINK, chat.UNTHINK)
        assert tokens[ours.id(name)] == name
        assert types[ours.id(name)] == (gguf.TokenType.USER_DEFINED if shown else gguf.TokenType.CONTROL)
    assert set(types[ours.size :]) <= {gguf.TokenType.UNUSED}
    assert field(path, "tokenizer.ggml.eos_token_id") == ours.id(chat.END)
    assert field(path, "tokenizer.ggml.padding_token_id") == ours.id(chat.PAD)
    assert field(path, "tokenizer.chat_template") == chat.JINJA
    assert field(path, "tokenizer.ggml.add_bos_token") is False


def changed(source: Path, out: Path, name: str, **values: object) -> Path:
    """A copy of a folder whose JSON file says something else."""
    out.mkdir()
    for path in source.iterdir():
        (out / path.name).symlink_to(path)
    (out / name).unlink()
    (out / name).write_text(json.dumps(json.loads((source / name).read_text()) | values))
    return out


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"normalizer": {"type": "Lowercase"}}, "Lowercase"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "pre-tokenizer"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}}, "pre-tokenizer"),
    ],
)
def test_a_tokenizer_that_llamacpp_would_read_otherwise_is_refused(
    tmp_path: Path, source: Path, values: dict[str, object], word: str
) -> None:
    with pytest.raises(InputError, match=word):
        export.write(changed(source, tmp_path / "model", "tokenizer.json", **values), tmp_path / "out", ("f16",))
    assert not (tmp_path / "out").exists() and [path.name for path in tmp_path.iterdir()] == ["model"]


def test_models_that_llamacpp_has_no_form_for_are_refused(tmp_path: Path) -> None:
    own = dataclasses.replace(MODEL, adapter=dataclasses.replace(MODEL.adapter, kind="a.b:C"))
    odd = dataclasses.replace(MODEL, vit=dataclasses.replace(MODEL.vit, tile=42))
    llama = dataclasses.replace(DECODER, qk_norm=False)
    for shape, word in ((own, "a.b:C"), (odd, "3 patches"), (llama, "Llama")):
        with pytest.raises(InputError, match=word):
            export.check(shape, tmp_path)
    export.check(dataclasses.replace(DECODER, qk_norm=False, qkv_bias=True), tmp_path)


def test_what_stands_there_is_kept_or_replaced_whole(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    export.write(source, out, ("f16",))
    export.write(source, out, ("f32",))
    names = {path.name for path in out.iterdir()}
    assert {"model-f32.gguf", "mmproj-f32.gguf", "README.md", "config.json", "tokenizer.json"} <= names
    assert "model-f16.gguf" not in names
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one").touch()
    with pytest.raises(InputError, match="holds something else"):
        export.write(source, tmp_path / "letters", ("f16",))


def test_formats_that_cannot_be_are_told(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="q3: expected some of f32,f16,q8_0,q4_k_m"):
        export.write(source, tmp_path / "out", ("q3",))
    monkeypatch.setattr(native, "newest", lambda cache: None)
    with pytest.raises(InputError, match="lapis build llamacpp"):
        export.write(source, tmp_path / "out", ("q4_k_m",))
    program = tmp_path / "llama-quantize"
    program.write_text("#!/bin/sh\necho 'no such type' >&2\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(native, "find", lambda name: program)
    with pytest.raises(InputError, match=r"llama-quantize failed \(no such type\)"):
        export.write(source, tmp_path / "out", ("q4_k_m",))
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(native.newest() is None, reason="llama.cpp is not built here (lapis build llamacpp)")
def test_q4_k_m_is_llama_quantizes_and_tells_what_it_could_not(tmp_path: Path, source: Path) -> None:
    export.write(source, tmp_path / "out", ("q4_k_m",))
    path = tmp_path / "out" / "model-q4_k_m.gguf"
    assert [*(tmp_path / "out").glob("model-*")] == [path]
    assert len(export.unquantised(path, "q4_k_m")) == 1 + 7 * DECODER.layers
