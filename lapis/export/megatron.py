"""Folders for Megatron-core's GPTModel, and back: the decoder in its names, one file for each tensor-parallel rank.

A folder has `mp_rank_XX/model.safetensors` for each rank (Megatron-LM names such folders in
`megatron/training/checkpointing.py`), `megatron.json` with the arguments of `TransformerConfig` and `GPTModel`, the
source's own config and tokenizer, and a README that shows how it is loaded and saved.
Unusual: Megatron's own files are pickles (`model_optim_rng.pt`), which are neither read nor written here. GPTModel has
no vision tower and no adapter; both lie as they were, in Hugging Face's names, in `vision/model.safetensors`, so that
the way back gives the same model.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import save_torch_state_dict
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from lapis import config, files
from lapis.export import hf
from lapis.model import convert
from lapis.model.megatron import Layout, cut, join, padded_vocab
from lapis.types import InputError

WEIGHTS = "model.safetensors"
DESCRIPTION, GUIDE, VISION = "megatron.json", "README.md", "vision"
BESIDE = (".json", ".jinja", ".model", ".txt")
"""Endings of what a model's folder holds besides weights; such files go along unchanged, both ways."""
TEXT, WHOLE = "model.", "model.language_model."
"""What a decoder's names begin with in a causal LM's folder, and in an Lfm2Vl folder."""
HEAD = "lm_head."

README = """# A decoder for Megatron-core

`mp_rank_XX/model.safetensors` has the parameters of rank XX of a `GPTModel` (megatron-core 0.16), `megatron.json` what
the model is made with. Load it after `parallel_state` is set up:

```python
import json
from pathlib import Path

import torch.nn.functional as F
from megatron.core.models.gpt import GPTModel, gpt_layer_specs
from megatron.core.parallel_state import get_tensor_model_parallel_rank
from megatron.core.transformer import TransformerConfig
from safetensors.torch import load_file, save_file

folder = Path(".")
how = json.loads((folder / "megatron.json").read_text())
config = TransformerConfig(**how["config"], activation_func=F.silu)
for name, value in how["yarn"].items():
    setattr(config, name, value)
spec = getattr(gpt_layer_specs, how["spec"])(**how["layer"])
model = GPTModel(config, spec, **how["model"])
file = folder / f"mp_rank_{get_tensor_model_parallel_rank():02d}" / "model.safetensors"
model.load_state_dict(load_file(file), strict=False)
```

Saved like this after training, the folder is one for `lapis export FOLDER --to hf out=my-model` again:

```python
save_file({name: weight.data for name, weight in model.named_parameters()}, file)
```

Add to `config` what your training needs (dtype, sequence parallelism, dropout): nothing there changes the weights.
"""


def is_megatron(folder: Path) -> bool:
    """Whether a folder holds the ranks of a Megatron model."""
    return any(folder.glob("mp_rank_*"))


def tensors(folder: Path) -> dict[str, Tensor]:
    """All weights of a model's folder, of stock form or of Megatron's, in Hugging Face's names and their own dtype.

    Raises InputError for a folder that is no model, a tensor that does not fit its config, and pickled weights.
    """
    if not is_megatron(folder):
        return _all(folder)
    shape = convert.config_of(folder)
    text = join([_all(folder / name) for name in _ranks(folder)], config.decoder_of(shape))
    if isinstance(shape, config.Decoder):
        return text
    vision = _all(folder / VISION)
    return vision | {_renamed(name, TEXT, WHOLE): tensor for name, tensor in text.items()}


def write(source: Path, out: Path, layout: Layout) -> None:
    """Write the model in `source` (stock form, or Megatron's in another layout) as a Megatron folder.

    Raises InputError where `source` is no model, where the ranks cannot share it, where `out` is something else than
    such a folder, or where the disk refuses.
    """
    shape, state = convert.config_of(source), tensors(source)
    prefix = WHOLE if isinstance(shape, config.Model) else TEXT
    text = {_renamed(name, prefix, TEXT): state.pop(name) for name in list(state) if name.startswith((prefix, HEAD))}
    ranks = cut(text, config.decoder_of(shape), layout)
    with files.placed(out, is_megatron, SafetensorError) as folder:
        _copy(source, folder)
        files.write_json(folder / DESCRIPTION, description(config.decoder_of(shape), layout))
        files.write(folder / GUIDE, README)
        for number, rank in enumerate(ranks):
            _save(rank, folder / f"mp_rank_{number:02d}")
        if isinstance(shape, config.Model):
            _save(state, folder / VISION)


def write_back(source: Path, out: Path) -> None:
    """Write the Megatron folder `source` in stock form: weights, config and tokenizer as `write` found them.

    Raises InputError as `write` does.
    """
    state = tensors(source)
    with files.placed(out, files.is_model, SafetensorError) as folder:
        _copy(source, folder)
        save_torch_state_dict(state, folder, max_shard_size=hf.SHARD)
        shape = convert.config_of(source)
        if isinstance(shape, config.Model):
            files.write(folder / GUIDE, hf.readme(shape))


def description(shape: config.Decoder, layout: Layout) -> dict[str, Any]:
    """What the README makes a `GPTModel` of: arguments of its config, of itself, and of its layers' spec."""
    local = layout.spec == "local"
    return {
        "config": {
            "num_layers": shape.layers,
            "hidden_size": shape.width,
            "num_attention_heads": shape.heads,
            "num_query_groups": shape.kv_heads,
            "kv_channels": shape.head_dim,
            "ffn_hidden_size": shape.mlp,
            "normalization": "RMSNorm",
            "layernorm_epsilon": shape.eps,
            "gated_linear_unit": True,
            "add_bias_linear": False,
            "add_qkv_bias": shape.qkv_bias,
            "qk_layernorm": shape.qk_norm,
            "hidden_dropout": 0.0,
            "attention_dropout": 0.0,
            "tensor_model_parallel_size": layout.tp,
        },
        "yarn": _yarn(shape.yarn),
        "spec": "get_gpt_layer_local_spec" if local else "get_gpt_layer_with_transformer_engine_spec",
        "layer": {"qk_layernorm": shape.qk_norm} | ({"normalization": "RMSNorm"} if local else {}),
        "model": {
            "vocab_size": padded_vocab(shape, layout),
            "max_sequence_length": shape.max_positions,
            "position_embedding_type": "yarn" if shape.yarn else "rope",
            "rotary_base": shape.rope_theta,
            **_llama3(shape.llama3),
            "share_embeddings_and_output_weights": shape.tied,
        },
    }


def _llama3(scaling: config.Llama3 | None) -> dict[str, Any]:
    """Arguments of GPTModel. Raises InputError for bounds other than those that are fixed in Megatron-core."""
    if scaling is None:
        return {}
    if scaling != config.Llama3(scaling.factor):
        raise InputError(f"rope_scaling: {scaling}, expected Megatron-core's {config.Llama3(scaling.factor)}")
    return {"rope_scaling": True, "rope_scaling_factor": scaling.factor}


def _yarn(yarn: config.Yarn | None) -> dict[str, Any]:
    """Attributes of the config that GPTModel looks for; no mscale gives 0.1 ln(factor) + 1, as ours."""
    if yarn is None:
        return {}
    none = dict.fromkeys(("yarn_mscale", "yarn_mscale_all_dim"))
    return none | {
        "yarn_rotary_scaling_factor": yarn.factor,
        "yarn_original_max_position_embeddings": yarn.original,
        "yarn_beta_fast": yarn.beta_fast,
        "yarn_beta_slow": yarn.beta_slow,
        "yarn_correction_range_round_to_int": True,
    }


def _renamed(name: str, old: str, new: str) -> str:
    return new + name.removeprefix(old) if name.startswith(old) else name


def _all(folder: Path) -> dict[str, Tensor]:
    weights = convert.Weights(folder)
    return {name: weights(name) for name in weights.files}


def _ranks(folder: Path) -> list[str]:
    """Names of the ranks' folders in order. Raises InputError for a gap, or the parts of a pipeline."""
    found = sorted(path.name for path in folder.glob("mp_rank_*"))
    strange = [name for name in found if not re.fullmatch(r"mp_rank_\d\d", name)]
    if strange:
        raise InputError(f"{folder / strange[0]}: parts of pipelines and experts are not read, expected mp_rank_00")
    if found != [f"mp_rank_{number:02d}" for number in range(len(found))]:
        raise InputError(f"{folder}: there are {', '.join(found)}; expected all ranks from mp_rank_00 on")
    return found


def _copy(source: Path, folder: Path) -> None:
    for path in sorted(source.iterdir()):
        ours = path.name == DESCRIPTION or path.name.endswith(".safetensors.index.json")
        if path.is_file() and path.suffix in BESIDE and not ours:
            shutil.copyfile(path, folder / path.name)


def _save(state: Mapping[str, Tensor], folder: Path) -> None:
    folder.mkdir()
    save_file(dict(state), folder / WEIGHTS, {"format": "pt"})
