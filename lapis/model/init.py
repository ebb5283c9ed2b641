"""How weights begin: fresh, joined from a trained decoder, or composed from public towers and decoders.

Unusual: a fresh ViT starts from 2-D sine-cosine positions and written-down filters (start.py), a fresh decoder with
heads that look back (lookup.py), neither from noise alone.
`compose` gives a module and a tokenizer, of which `export.hf.write` makes a folder.

Shape legend: P patches of a tile, W ViT width, V vocabulary, D decoder width.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from tokenizers import AddedToken
from tokenizers import Tokenizer as RawTokenizer
from torch import Tensor, nn

from lapis import config
from lapis.chat import read_tokenizer
from lapis.model.convert import read_decoder, read_vit
from lapis.model.decoder import Decoder
from lapis.model.lookup import CONSTANT, lookup
from lapis.model.start import structure
from lapis.model.vit import ViT
from lapis.model.vlm import Lapis
from lapis.types import InputError

EMBEDDING_STD = 0.1
SLOWEST = 100.0
"""Wavelength ratio of the sine-cosine positions (ours: lower frequencies are constant over some tens of patches)."""
FILES = ["*.json", "*.safetensors"]
"""What is fetched of a hub repository: never pickles, never code."""


def fresh(shape: config.Model | config.Decoder, seed: int) -> Lapis | Decoder:
    """A module with weights drawn from `seed`, fp32 on the CPU.

    Matrices are normal with deviation 1/sqrt(inputs), those that write into the residual stream smaller by
    sqrt(2 layers) (GPT-2's rule), embeddings 0.1, biases 0, norms 1; then what is written down takes its places.
    """
    with torch.device("meta"):
        module: Lapis | Decoder = Lapis(shape) if isinstance(shape, config.Model) else Decoder(shape)
    module = module.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        _fill(name, parameter.data, _layers(name, shape), generator)
    lookup(module.decoder if isinstance(module, Lapis) else module)
    if isinstance(module, Lapis):
        module.vit.positions.weight.data.copy_(sine_cosine(module.config.vit.grid, module.config.vit.width))
        structure(module.vit)
        module.adapter.fc2.bias.data[0] = CONSTANT
    return module


def _layers(name: str, shape: config.Model | config.Decoder) -> int:
    if isinstance(shape, config.Decoder):
        return shape.layers
    return shape.vit.layers if name.startswith("vit.") else shape.decoder.layers


def _fill(name: str, weight: Tensor, layers: int, generator: torch.Generator) -> None:
    if weight.ndim == 1:
        weight.fill_(0.0 if name.endswith("bias") else 1.0)
    elif "embedding" in name or "positions" in name:
        weight.normal_(0.0, EMBEDDING_STD, generator=generator)
    else:
        residual = "layers." in name and name.endswith(("out.weight", "down.weight", "fc2.weight"))
        weight.normal_(0.0, (weight.shape[1] * (2 * layers if residual else 1)) ** -0.5, generator=generator)


def sine_cosine(grid: int, width: int) -> Tensor:
    """2-D sine-cosine positions of a square grid in reading order, fp32 [P, W]: a half for x, a half for y."""
    quarter = math.ceil(width / 4)
    speeds = SLOWEST ** -(torch.arange(quarter) / quarter)
    angles = torch.arange(grid)[:, None] * speeds
    line = torch.cat((angles.sin(), angles.cos()), 1)
    across, down = line.repeat(grid, 1), line.repeat_interleave(grid, 0)
    return torch.cat((across, down), 1)[:, :width]


def join(decoder: Decoder, shape: config.Model, seed: int, vision: str = "") -> Lapis:
    """A whole model around a trained decoder, with a fresh adapter, and the ViT that `vision` names or a fresh one.

    Raises InputError where a part's shape is not the one that `shape` names (a decoder's positions may differ).
    """
    wanted = dataclasses.replace(shape.decoder, yarn=decoder.config.yarn, max_positions=decoder.config.max_positions)
    if decoder.config != wanted:
        raise InputError(f"decoder: its shape is {decoder.config}, the model expects {shape.decoder}")
    whole = fresh(dataclasses.replace(shape, decoder=decoder.config), seed)
    assert isinstance(whole, Lapis)
    whole.decoder.load_state_dict(decoder.state_dict())
    if vision:
        tower = read_vit(folder_of(vision), shape.vit.tile)
        if tower.config != shape.vit:
            raise InputError(f"{vision}: its shape is {tower.config}, the model expects {shape.vit}")
        whole.vit.load_state_dict(tower.state_dict())
    return whole


def compose(
    vision: str,
    decoder: str,
    specials: Sequence[str],
    image: str,
    tile: int = 392,
) -> tuple[Lapis, RawTokenizer]:
    """A whole model from a SigLIP(2) tower and a Qwen2/2.5/3 or Llama decoder, with a fresh adapter.

    `vision` and `decoder` name hub repositories or local folders. The tower's positions are resized to `tile` px. The
    decoder's tokenizer gets those of `specials` that it lacks (`image` among them stands for image tokens), and the
    embedding a row for each, the mean of the others. The adapter is as wide as the decoder. Weights are bf16, as public
    weights are.
    Raises InputError with one line for a source that is no such model.
    """
    dtype = torch.bfloat16
    tower = read_vit(folder_of(vision), tile, dtype)
    source = folder_of(decoder)
    text = read_decoder(source, dtype)
    raw, first = special_tokenizer(source, specials)
    grow(text, first, raw.get_vocab_size(with_added_tokens=True))
    place = raw.token_to_id(image)
    if place is None:
        raise ValueError(f"{image}: not among the special tokens")
    shape = config.Model(
        tower.config,
        config.Adapter(text.config.width),
        text.config,
        config.AnyRes(),
        place,
    )
    return _around(tower, text, shape), raw


def _around(tower: ViT, text: Decoder, shape: config.Model) -> Lapis:
    """A whole model of given parts; only the adapter is drawn."""
    with torch.device("meta"):
        whole = Lapis(shape)
    whole.vit, whole.decoder = tower, text
    whole.adapter = whole.adapter.to_empty(device="cpu").to(torch.bfloat16)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in whole.adapter.named_parameters():
        _fill(name, parameter.data, 1, generator)
    return whole


def folder_of(name: str) -> Path:
    """A local folder, or a hub repository's files in the hub's own cache. Raises InputError where there is neither."""
    if Path(name).is_dir():
        return Path(name)
    try:
        return Path(snapshot_download(name, allow_patterns=FILES))
    except HFValidationError:
        raise InputError(f"{name}: no such folder, and no name of a hub repository") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"{name}: no such folder, and the hub did not give it ({reason})") from None


def special_tokenizer(folder: Path, specials: Sequence[str]) -> tuple[RawTokenizer, int]:
    """A folder's tokenizer with special tokens appended where it lacks them, and the first id so appended.

    Raises InputError where there is no tokenizer.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{path}: no tokenizer there")
    raw = read_tokenizer(path)
    first = 1 + max(raw.get_vocab(with_added_tokens=True).values())
    raw.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in specials])
    return raw, first


def grow(decoder: Decoder, first: int, tokens: int) -> None:
    """Give tokens `first` to `tokens` - 1 rows that start as the mean of those before, in the decoder itself.

    Public checkpoints carry unused rows behind their vocabulary: those are taken first, and none is dropped.
    """
    rows = max(tokens, decoder.config.vocab)
    decoder.embedding.weight = nn.Parameter(_grown(decoder.embedding.weight.data, rows, first, tokens))
    decoder.embedding.num_embeddings = rows
    if decoder.head is not None:
        decoder.head.weight = nn.Parameter(_grown(decoder.head.weight.data, rows, first, tokens))
    decoder.config = dataclasses.replace(decoder.config, vocab=rows)


def _grown(old_VD: Tensor, rows: int, first: int, tokens: int) -> Tensor:
    new_VD = old_VD.new_zeros(rows, old_VD.shape[1])
    new_VD[: len(old_VD)] = old_VD
    new_VD[first:tokens] = old_VD[:first].float().mean(0).to(old_VD.dtype)
    return new_VD
