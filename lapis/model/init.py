"""How weights begin: fresh, joined from a trained decoder, or composed from public towers and decoders.

Unusual: a fresh ViT starts from 2-D sine-cosine positions and written-down filters (start.py), a fresh decoder with
heads that look back (lookup.py), neither from noise alone.
`compose` gives a module and a tokenizer, of which `export.hf.write` makes a folder.

Shape legend: P patches of a tile, W ViT width, V vocabulary, D decoder width.
"""

from __future__ import annotations

import dataclasses
import math

import torch
from tokenizers import Tokenizer as RawTokenizer
from torch import Tensor, nn

from lapis import chat, config
from lapis.hub import folder_of
from lapis.model.adapter import Adapter, build
from lapis.model.convert import read_decoder, read_vit
from lapis.model.decoder import Decoder
from lapis.model.lookup import CONSTANT, lookup
from lapis.model.start import structure
from lapis.model.vit import ViT
from lapis.model.vlm import Lapis, text_of
from lapis.types import InputError

EMBEDDING_STD = 0.1
SLOWEST = 100.0
"""Wavelength ratio of the sine-cosine positions (ours: lower frequencies are constant over some tens of patches)."""


def fresh(shape: config.Model | config.Decoder, seed: int) -> Lapis | Decoder:
    """A module with weights drawn from `seed`, fp32 on the CPU.

    Matrices are normal with deviation 1/sqrt(inputs), those that write into the residual stream smaller by
    sqrt(2 layers) (GPT-2's rule), embeddings 0.1, biases 0, norms 1; then what is written down takes its places.
    """
    with torch.device("meta"):
        module: Lapis | Decoder = Lapis(shape) if isinstance(shape, config.Model) else Decoder(shape)
    module = module.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    own = own_adapter(shape, seed) if isinstance(shape, config.Model) else None
    for name, parameter in module.named_parameters():
        if own is None or not name.startswith("adapter."):
            _fill(name, parameter.data, _layers(name, shape), generator)
    lookup(text_of(module))
    if isinstance(module, Lapis):
        module.vit.positions.weight.data.copy_(sine_cosine(module.config.vit.grid, module.config.vit.width))
        structure(module.vit)
        if isinstance(module.adapter, Adapter):
            module.adapter.fc2.bias.data[0] = CONSTANT
        module.adapter = module.adapter if own is None else own
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


def own_adapter(shape: config.Model, seed: int) -> nn.Module | None:
    """An adapter of the user's own as it begins by itself, drawn from `seed`; None where the shape names none."""
    if not shape.adapter.kind:
        return None
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return build(shape.adapter, shape.vit.width, shape.decoder.width)


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


def compose(vision: str, decoder: str, tile: int = 392) -> tuple[Lapis, RawTokenizer]:
    """A whole model from a SigLIP(2) tower and a Qwen2/2.5/3 or Llama decoder, with a fresh adapter.

    `vision` and `decoder` name hub repositories or local folders. The tower's positions are resized to `tile` px. The
    decoder's tokenizer gets those of chat.SPECIALS that it lacks, and the embedding a row for each, the mean of the
    others. The adapter is as wide as the decoder. Weights are bf16, as public weights are.
    Raises InputError with one line for a source that is no such model.
    """
    dtype = torch.bfloat16
    tower = read_vit(folder_of(vision), tile, dtype)
    source = folder_of(decoder)
    text = read_decoder(source, dtype)
    raw, first = chat.special_tokenizer(source)
    grow(text, first, chat.size_of(raw))
    place = raw.token_to_id(chat.IMAGE)
    assert place is not None
    shape = config.Model(tower.config, config.Adapter(text.config.width), text.config, config.AnyRes(), place)
    return around(tower, text, shape, 0), raw


def around(tower: ViT, text: Decoder, shape: config.Model, seed: int) -> Lapis:
    """A whole model of given parts in their dtype; only the adapter is drawn."""
    adapter = own_adapter(shape, seed)
    if adapter is None:
        adapter = build(shape.adapter, shape.vit.width, shape.decoder.width)
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in adapter.named_parameters():
            _fill(name, parameter.data, 1, generator)
    return assembled(tower, adapter.to(text.embedding.weight.dtype), text, shape)


def assembled(vit: ViT, adapter: nn.Module, decoder: Decoder, shape: config.Model) -> Lapis:
    """A whole model of three parts."""
    with torch.device("meta"):
        whole = Lapis(shape)
    whole.vit, whole.adapter, whole.decoder = vit, adapter, decoder
    return whole


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
