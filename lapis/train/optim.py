"""AdamW in groups by part of the model, Muon for hidden matrices where asked, and one schedule factor for all of them.

Unusual: Muon's matrices are dealt to as many optimizers as there are lanes, so that two CPU threads share its work as
they share a step's (micro.py); each matrix is one thread's, so updates are the same to the bit. State is allocated at
once, so that a checkpoint can be read into it in place, and it is named by parameter rather than by number, so that it
survives another order of groups, another world size and another engine. Over several processes each optimizer works on
this process's pieces; Muon, which needs whole matrices, has each orthogonalised by one process (muon.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lapis import config
from lapis.dist.engine import Engine, Piece
from lapis.dist.mesh import alone
from lapis.dist.shard import Sharded
from lapis.train import micro
from lapis.train.muon import MOMENTUM, SpreadMuon, deal

NO_DECAY = ("embedding", "positions")
"""Names of matrices that no weight decay pulls to zero: tables of tokens and places."""
Named = Mapping[str, Piece]


def freeze(network: nn.Module, trains: Iterable[str]) -> None:
    """Leave gradients on for the named parts (`vit`, `adapter`, `decoder`) only.

    Autograd records nothing where neither inputs nor weights want a gradient, so a frozen ViT runs forward only.
    """
    parts = tuple(trains)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.split(".")[0] in parts)


class Optimizer:
    """AdamW, and Muon beside it where a stage asks for it, behind the few calls that a step makes."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer], engine: Engine, lanes: int = 1):
        self.parts, self.engine, self.lanes = parts, engine, lanes
        self.pieces = engine.pieces

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups of both; each knows its `peak` rate and its `part` of the model."""
        return [group for part in self.parts for group in part.param_groups]

    def moments(self) -> Iterator[tuple[str, str, Tensor]]:
        """(parameter, name, value) of all that is remembered: two averages by AdamW, one by Muon; of this process's
        piece, and in its form."""
        for name, piece in self.pieces.items():
            values = next(part.state[piece.own] for part in self.parts if piece.own in part.state)
            for moment in sorted(values.keys() - {"step"}):
                yield name, moment, values[moment]

    def set_updates(self, updates: int) -> None:
        """Tell AdamW how many updates its moments hold (its bias correction; Muon has none)."""
        for values in (values for part in self.parts for values in part.state.values() if "step" in values):
            values["step"].fill_(updates)

    def step(self) -> None:
        for piece in self.pieces.values():
            piece.own.grad = piece.gradient()
        self.engine.update(self._step)

    def _step(self) -> None:
        muons = [part for part in self.parts if isinstance(part, torch.optim.Muon)]
        for part in self.parts:
            if part not in muons:
                part.step()
        micro.run(lambda part: part.step(), muons, self.lanes)

    def zero_grad(self) -> None:
        self.engine.clear()


def build(network: nn.Module, optim: config.Optim, lanes: int = 1, engine: Engine | None = None) -> Optimizer:
    """The optimizer of the parameters that have gradients on, over one or two threads.

    Muon (K. Jordan, 2024; `torch.optim.Muon`) takes the matrices of layers and adapter where `optim.muon` is above
    zero, its updates scaled to the size of AdamW's (Moonlight, arXiv 2502.16982); tables, patches, norms and biases
    stay with AdamW. The original names AdamW alone; Muon is ours, for models that start from nothing.
    """
    engine = engine or Sharded(network, alone())
    hidden = {name: piece for name, piece in engine.pieces.items() if optim.muon and _is_hidden(name, piece)}
    rest = {name: piece for name, piece in engine.pieces.items() if name not in hidden}
    parts = [_adamw(network, rest, optim)] if rest else []
    if engine.mesh.world > 1 and hidden:
        groups = _groups(network, hidden, optim, optim.muon)
        parts.append(SpreadMuon(groups, hidden.values(), engine.mesh))
    else:
        parts += [_muon(network, share, optim) for share in _dealt(hidden, lanes) if share]
    return Optimizer(parts, engine, lanes)


def _dealt(named: Named, lanes: int) -> list[dict[str, Piece]]:
    """A share of the matrices for each lane."""
    pairs = list(named.items())
    return [dict(pairs[number] for number in share) for share in deal([one.shape for _, one in pairs], lanes)]


def _is_hidden(name: str, piece: Piece) -> bool:
    """Whether Muon may take it: a matrix from one hidden state to another."""
    return len(piece.shape) == 2 and ("layers." in name or name.startswith("adapter."))


def _adamw(network: nn.Module, named: Named, optim: config.Optim) -> torch.optim.Optimizer:
    betas, groups = (optim.beta1, optim.beta2), _groups(network, named, optim, 1.0)
    adamw = torch.optim.AdamW(groups, lr=optim.lr, betas=betas, eps=optim.eps, fused=True)
    for own in (piece.own for piece in named.values()):
        zeros = {name: _zeros(own) for name in ("exp_avg", "exp_avg_sq")}
        adamw.state[own] = {"step": torch.zeros((), device=own.device), **zeros}
    return adamw


def _muon(network: nn.Module, named: Named, optim: config.Optim) -> torch.optim.Optimizer:
    groups = _groups(network, named, optim, optim.muon)
    muon = torch.optim.Muon(groups, lr=optim.lr, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw")
    for own in (piece.own for piece in named.values()):
        muon.state[own] = {"momentum_buffer": _zeros(own)}
    return muon


def _zeros(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter, memory_format=torch.preserve_format)


def _groups(network: nn.Module, named: Named, optim: config.Optim, scale: float) -> list[dict[str, Any]]:
    """Parameters of one part, peak rate and weight decay together."""
    groups: dict[tuple[str, float, float], list[nn.Parameter]] = {}
    layers = _vit_layers(network)
    for name, piece in named.items():
        key = (name.split(".")[0], scale * _peak(name, layers, optim), _decay(name, piece, optim))
        groups.setdefault(key, []).append(piece.own)
    return [
        {"params": members, "lr": peak, "peak": peak, "weight_decay": decay, "part": part}
        for (part, peak, decay), members in groups.items()
    ]


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


def _decay(name: str, piece: Piece, optim: config.Optim) -> float:
    plain = len(piece.shape) < 2 or any(word in name for word in NO_DECAY)
    return 0.0 if plain else optim.weight_decay


def factor(step: int, steps: int, optim: config.Optim) -> float:
    """Schedule factor of step 0 .. steps - 1: linear warm-up to `start`, then cosine to `end` at the last step."""
    rising = round(optim.warmup * steps)
    if step < rising:
        return optim.start * (step + 1) / rising
    share = (step - rising) / max(steps - 1 - rising, 1)
    return optim.end + (optim.start - optim.end) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def set_rates(optimizer: Optimizer, scale: float) -> float:
    """Every group's peak times the factor; returns the largest rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * scale
    return max((group["lr"] for group in optimizer.param_groups), default=0.0)


def state(optimizer: Optimizer) -> dict[str, Tensor]:
    """What is remembered of every trained parameter, by name, fp32, as a checkpoint takes it."""
    pieces = optimizer.pieces
    return {f"optim.{name}.{moment}": pieces[name].saved(values) for name, moment, values in optimizer.moments()}


def restore(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Take over what a checkpoint filled `state()` with."""
    for name, moment, values in optimizer.moments():
        optimizer.pieces[name].restore(values, tensors[f"optim.{name}.{moment}"])
