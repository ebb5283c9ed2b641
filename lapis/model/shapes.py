"""Shapes of networks to and from Hugging Face's `config.json`: Qwen3, Qwen2, Llama, SigLIP(2) and Lfm2Vl.

Unusual: an Lfm2Vl config carries what it has no field for (the tiling) under a key of ours, `lapis`, which stock
transformers keeps and ignores. What our modules cannot compute is refused here, by name, before weights are read.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lapis import config
from lapis.types import InputError

Json = Mapping[str, Any]

DECODERS = {"qwen3": (True, False), "qwen2": (False, True), "llama": (False, False)}
"""model_type -> (QK-norm, bias on q, k, v)."""
MODELS = ("lfm2_vl", "lapis")
"""Whole models: of stock form, and with an adapter of the user's own, which stock transformers must not take for it."""
TOWERS = ("siglip", "siglip2", "siglip_vision_model", "siglip2_vision_model", *MODELS)


def _refuse(name: str, raw: Json, allowed: Json) -> None:
    """Raise for a field whose value changes the computation in a way that we do not have."""
    for key, values in allowed.items():
        if raw.get(key, values[0]) not in values:
            raise InputError(f"{name}: {key} is {raw[key]!r}, expected {' or '.join(map(repr, values))}")


def _checked(kind: type, values: dict[str, Any], name: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def decoder_of(raw: Json, name: str) -> config.Decoder:
    """A decoder's shape from its config (or the `text_config` of a larger one); `name` is for errors.

    Raises InputError for another family, or a feature that our decoder lacks (sliding windows, other RoPE scalings).
    """
    raw = raw.get("text_config", raw)
    kind = raw.get("model_type")
    if kind not in DECODERS:
        raise InputError(f"{name}: model_type is {kind!r}, expected one of {', '.join(DECODERS)}")
    plain: dict[str, tuple[Any, ...]] = {"attention_bias": (False,), "mlp_bias": (False,), "hidden_act": ("silu",)}
    _refuse(name, raw, plain | {"use_sliding_window": (False, None)})
    heads, width = raw.get("num_attention_heads"), raw.get("hidden_size")
    qk_norm, qkv_bias = DECODERS[kind]
    positions = raw.get("max_position_embeddings", 4096)
    values = {
        "width": width,
        "layers": raw.get("num_hidden_layers"),
        "heads": heads,
        "kv_heads": raw.get("num_key_value_heads") or heads,
        "head_dim": raw.get("head_dim") or (width // heads if width and heads else None),
        "mlp": raw.get("intermediate_size"),
        "vocab": raw.get("vocab_size"),
        "eps": raw.get("rms_norm_eps", 1e-6),
        "tied": raw.get("tie_word_embeddings", False),
    }
    positional = {"max_positions": positions, **_rope(raw, positions, name)}
    return _checked(config.Decoder, values | positional | {"qk_norm": qk_norm, "qkv_bias": qkv_bias}, name)


def _rope(raw: Json, positions: int, name: str) -> dict[str, Any]:
    """Base, and YaRN or Llama 3's scaling, of both forms: `rope_parameters` (transformers 5) and `rope_theta` +
    `rope_scaling` (before)."""
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    plain = {"rope_theta": float(rope.get("rope_theta") or raw.get("rope_theta") or 10000.0)}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return plain
    none = dict.fromkeys(("attention_factor", "mscale", "mscale_all_dim"), (None,))
    _refuse(name, rope | {"rope_type": kind}, none | {"rope_type": ("yarn", "llama3", "default"), "truncate": (True,)})
    context = {"factor": rope.get("factor"), "original": rope.get("original_max_position_embeddings") or positions}
    if kind == "llama3":
        turns = {"slow": rope.get("low_freq_factor"), "fast": rope.get("high_freq_factor")}
        llama3 = _checked(config.Llama3, context | turns, f"{name}: rope_scaling")
        if llama3.fast <= llama3.slow:
            raise InputError(f"{name}: high_freq_factor is {llama3.fast}, expected more than {llama3.slow}")
        return plain | {"llama3": llama3}
    bounds = {"beta_fast": rope.get("beta_fast") or 32.0, "beta_slow": rope.get("beta_slow") or 1.0}
    return plain | {"yarn": _checked(config.Yarn, context | bounds, f"{name}: rope_scaling")}


def vit_of(raw: Json, name: str, tile: int | None = None) -> config.ViT:
    """A tower's shape from its config (or the `vision_config` of a larger one), for `tile` px or its own size.

    Fields that a config leaves out have SigLIP's own defaults. Raises InputError for another family.
    """
    kind = raw.get("model_type")
    if kind not in TOWERS:
        raise InputError(f"{name}: model_type is {kind!r}, expected a SigLIP or SigLIP2 model")
    raw = raw.get("vision_config", raw)
    _refuse(name, raw, {"hidden_act": ("gelu_pytorch_tanh",), "num_channels": (3,)})
    patch = raw.get("patch_size", 16)
    if tile is not None and tile % patch:
        raise InputError(f"tile: {tile} px is no multiple of the tower's {patch} px patches ({name})")
    values = {
        "width": raw.get("hidden_size", 768),
        "layers": raw.get("num_hidden_layers", 12),
        "heads": raw.get("num_attention_heads", 12),
        "mlp": raw.get("intermediate_size", 3072),
        "patch": patch,
        "tile": tile or grid_of(raw) * patch,
        "eps": raw.get("layer_norm_eps", 1e-6),
    }
    return _checked(config.ViT, values, name)


def grid_of(raw: Json) -> int:
    """Side of the position grid that a vision config's weights hold, in patches."""
    if "num_patches" in raw or "siglip2" in raw.get("model_type", ""):
        return math.isqrt(raw.get("num_patches", 256))
    return raw.get("image_size", 224) // raw.get("patch_size", 16)


def model_of(raw: Json, name: str) -> config.Model:
    """The whole network's shape from an Lfm2Vl config, with our `lapis` key where there is one."""
    plain = {"projector_use_layernorm": (False,), "projector_bias": (True,)}
    if "projector_use_layernorm" not in raw:
        raise InputError(f"{name}: projector_use_layernorm is missing, expected false")
    _refuse(name, raw, plain | {"projector_hidden_act": ("gelu_pytorch_tanh",)})
    kind = raw.get("lapis", {}).get("adapter")
    adapter = config.Adapter(raw.get("projector_hidden_size", 2560), raw.get("downsample_factor", 2), kind)
    anyres = _checked(config.AnyRes, dict(raw.get("lapis", {}).get("anyres", {})), f"{name}: lapis.anyres")
    vit, decoder = vit_of(raw, name), decoder_of(raw, name)
    return config.Model(vit, adapter, decoder, anyres, raw.get("image_token_id", 396))


def decoder_json(shape: config.Decoder, dtype: str, ids: Json) -> dict[str, Any]:
    """Config of a stock causal LM; `ids` are eos_token_id and pad_token_id."""
    kind = next(name for name, flags in DECODERS.items() if flags == (shape.qk_norm, shape.qkv_bias))
    architecture = {"qwen3": "Qwen3ForCausalLM", "qwen2": "Qwen2ForCausalLM", "llama": "LlamaForCausalLM"}[kind]
    raw = {
        "architectures": [architecture],
        "model_type": kind,
        "dtype": dtype,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.mlp,
        "vocab_size": shape.vocab,
        "rms_norm_eps": shape.eps,
        "tie_word_embeddings": shape.tied,
        "max_position_embeddings": shape.max_positions,
        "rope_parameters": _rope_json(shape),
        "hidden_act": "silu",
    }
    return raw | dict(ids)


def _rope_json(shape: config.Decoder) -> dict[str, Any]:
    yarn, llama3 = shape.yarn, shape.llama3
    if llama3 is not None:
        turns = {"low_freq_factor": llama3.slow, "high_freq_factor": llama3.fast}
        context = {"factor": llama3.factor, "original_max_position_embeddings": llama3.original}
        return {"rope_type": "llama3", "rope_theta": shape.rope_theta, **context, **turns}
    if yarn is None:
        return {"rope_type": "default", "rope_theta": shape.rope_theta}
    bounds = {"beta_fast": yarn.beta_fast, "beta_slow": yarn.beta_slow}
    context = {"factor": yarn.factor, "original_max_position_embeddings": yarn.original}
    return {"rope_type": "yarn", "rope_theta": shape.rope_theta, **context, **bounds}


def model_json(shape: config.Model, dtype: str, ids: Json) -> dict[str, Any]:
    """Config of a stock `Lfm2VlForConditionalGeneration` with a SigLIP2 tower, where the adapter is ours."""
    vit, kind = shape.vit, shape.adapter.kind
    vision = {
        "model_type": "siglip2_vision_model",
        "hidden_size": vit.width,
        "num_hidden_layers": vit.layers,
        "num_attention_heads": vit.heads,
        "intermediate_size": vit.mlp,
        "patch_size": vit.patch,
        "num_patches": vit.grid**2,
        "layer_norm_eps": vit.eps,
        "hidden_act": "gelu_pytorch_tanh",
        "vision_use_head": False,
    }
    return {
        "architectures": ["Lapis" if kind else "Lfm2VlForConditionalGeneration"],
        "model_type": "lapis" if kind else "lfm2_vl",
        "dtype": dtype,
        "image_token_id": shape.image_token,
        "downsample_factor": shape.adapter.shuffle,
        "projector_hidden_size": shape.adapter.hidden,
        "projector_hidden_act": "gelu_pytorch_tanh",
        "projector_use_layernorm": False,
        "projector_bias": True,
        "tie_word_embeddings": shape.decoder.tied,
        "vision_config": vision,
        "text_config": decoder_json(shape.decoder, dtype, ids),
        "lapis": {"tile": vit.tile, "anyres": dataclasses.asdict(shape.anyres)} | ({"adapter": kind} if kind else {}),
        **ids,
    }
