"""What a recipe's network will be, before any of it is built: parameters by part.

Unusual: the modules themselves are built on the meta device and counted, so that no formula can drift from them.
"""

from __future__ import annotations

import torch
from torch import nn

from lapis import config
from lapis.model.vlm import Lapis


def parameters(module: nn.Module) -> int:
    """Parameters of a module; a tied matrix counts once."""
    return sum(parameter.numel() for parameter in module.parameters())


def plan(model: config.Model) -> dict[str, int | str]:
    """Parameters by part (`total`, `vit`, `adapter`, `decoder`), image tokens of a tile, and a line of `text`."""
    with torch.device("meta"):
        module = Lapis(model)
    counts: dict[str, int | str] = {
        "total": parameters(module),
        "vit": parameters(module.vit),
        "adapter": parameters(module.adapter),
        "decoder": parameters(module.decoder),
    }
    line = ", ".join(f"{name} {short(int(count))}" for name, count in counts.items())
    return counts | {"tokens_per_tile": model.tokens_per_tile, "text": line}


def short(count: int) -> str:
    """A count for people: 5.4M, 2.91B."""
    return f"{count / 1e9:.2f}B" if count >= 1e9 else f"{count / 1e6:.1f}M"
