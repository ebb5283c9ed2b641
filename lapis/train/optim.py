"""AdamW in groups by part of the model, and one schedule factor for all of them.

Unusual: the optimizer's state is allocated at once, so that a checkpoint can be read into it in place, and it is named
by parameter rather than by number, so that it survives another order of groups and another world size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lapis import config

NO_DECAY = ("embedding", "positions")
"""Names of matrices that no weight decay pulls to zero: tables of tokens and places."""
MOMENTS = ("exp_avg", "exp_avg_sq")


def freeze(network: nn.Module, trains: Iterable[str]) -> None:
    """Leave gradients on for the named parts (`vit`, `adapter`, `decoder`) only.

    Autograd records nothing where neither inputs nor weights want a gradient, so a frozen ViT runs forward only.
    """
    parts = tuple(trains)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.split(".")[0] in parts)


def build(network: nn.Module, optim: config.Optim) -> torch.optim.AdamW:
    """AdamW over the parameters that have gradients on. A group knows its `peak` rate and its `part`."""
    groups: dict[tuple[str, float, float], list[nn.Parameter]] = {}
    layers = _vit_layers(network)
    for name, parameter in _trained(network):
        key = (name.split(".")[0], _peak(name, layers, optim), _decay(name, parameter, optim))
        groups.setdefault(key, []).append(parameter)
    fields = [
        {"params": members, "lr": peak, "peak": peak, "weight_decay": decay, "part": part}
        for (part, peak, decay), members in groups.items()
    ]
    betas = (optim.beta1, optim.beta2)
    adamw = torch.optim.AdamW(fields, lr=optim.lr, betas=betas, eps=optim.eps, fused=True)
    for _, parameter in _trained(network):
        zeros = {name: torch.zeros_like(parameter, memory_format=torch.preserve_format) for name in MOMENTS}
        adamw.state[parameter] = {"step": torch.zeros((), device=parameter.device), **zeros}
    return adamw


def _trained(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad)


def _vit_layers(network: nn.Module) -> int:
    """How many layers the ViT has; 0 without one."""
    numbers = [int(name.split(".")[2]) for name, _ in network.named_parameters() if name.startswith("vit.layers.")]
    return max(numbers) + 1 if numbers else 0


def _peak(name: str, layers: int, optim: config.Optim) -> float:
    """Peak rate of a parameter: by part, and in the ViT falling from the last layer down to the embedding."""
    part, *rest = name.split(".")
    if part != "vit":
        return optim.lr_adapter if part == "adapter" else optim.lr
    if rest[0] == "layers":
        return optim.lr_vit * optim.vit_layer_decay ** (layers - 1 - int(rest[1]))
    return optim.lr_vit * (1.0 if rest[0] == "norm" else optim.vit_layer_decay**layers)


def _decay(name: str, parameter: Tensor, optim: config.Optim) -> float:
    plain = parameter.ndim < 2 or any(word in name for word in NO_DECAY)
    return 0.0 if plain else optim.weight_decay


def factor(step: int, steps: int, optim: config.Optim) -> float:
    """Schedule factor of step 0 .. steps - 1: linear warm-up to `start`, then cosine to `end` at the last step."""
    rising = round(optim.warmup * steps)
    if step < rising:
        return optim.start * (step + 1) / rising
    share = (step - rising) / max(steps - 1 - rising, 1)
    return optim.end + (optim.start - optim.end) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def set_rates(adamw: torch.optim.AdamW, scale: float) -> float:
    """Every group's peak times the factor; returns the largest rate."""
    for group in adamw.param_groups:
        group["lr"] = group["peak"] * scale
    return max((group["lr"] for group in adamw.param_groups), default=0.0)


def state(network: nn.Module, adamw: torch.optim.AdamW) -> dict[str, Tensor]:
    """Both moments of every trained parameter by name, fp32; the tensors are the optimizer's own."""
    return {
        f"optim.{name}.{moment}": adamw.state[parameter][moment]
        for name, parameter in _trained(network)
        for moment in MOMENTS
    }


def set_updates(adamw: torch.optim.AdamW, updates: int) -> None:
    """Tell AdamW how many updates its moments hold (its bias correction)."""
    states: Iterable[dict[str, Any]] = adamw.state.values()
    for values in states:
        values["step"].fill_(updates)
