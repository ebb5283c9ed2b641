"""The process that trains: the policy, its checkpoints, and its end of the weights' way.

Unusual: what is sent is a copy of the weights in the engines' precision, and sending has a thread of its own, so that
the next update may run beside it, and an engine that comes later gets the same version.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch
import torch.distributed as dist

from lapis import chat, config
from lapis.dist import checkpoint, guard, heap
from lapis.dist.mesh import Mesh, alone, build
from lapis.export import hf
from lapis.model import convert
from lapis.model.vlm import text_of
from lapis.rl.fleet.messages import Address, Call, Sent
from lapis.rl.fleet.trace import Span, Spans
from lapis.rl.fleet.weights import Broadcast, Files, Flat, connect, here, listen, whole
from lapis.rl.policy import Policy, Result
from lapis.rl.rows import Episode

NAME = "trainer"


@dataclass(frozen=True, slots=True)
class Updated:
    """An update that was made, or why none was."""

    result: Result | None
    fault: str
    """Of numbers that were none."""
    spans: tuple[Span, ...]


class TrainerProcess:
    """The actor: a model from a folder that it trains, alone or as one of some ranks.

    The first rank sends, saves and exports; all ranks get every other call at once.
    """

    def __init__(self, rank: int, model: Path, stage: config.RL, recipe: config.Recipe, folder: Path):
        self.rank, self.model, self.stage, self.recipe = rank, model, stage, recipe
        self.host, self.folder = here(), folder
        self.spans, self._lock = Spans(NAME if rank == 0 else f"{NAME}, rank {rank}"), Lock()
        self.store: dist.Store | None = None

    def listen(self) -> Address:
        """Of the first rank: where the other ranks and engines find it."""
        self.store, address = listen(self.host)
        return address

    def begin(self, address: Address) -> str:
        """Join the other ranks and read the model; the sign of the weights that engines get."""
        fleet, recipe = self.stage.fleet, self.recipe
        torch.set_num_threads(fleet.threads)
        heap.keep()
        torch.manual_seed(recipe.seed)
        device = guard.device_of(recipe.device)
        place = guard.Place(device, guard.dtype_of(recipe.dtype, device))
        self.mesh = self._joined(address, device)
        self.tokenizer = chat.Tokenizer.load(self.model, recipe.model.tokens_per_tile)
        self.policy = Policy(convert.read(self.model), self.stage, place, self.mesh)
        self.flat = Flat(self.policy.decoder, place.dtype)
        self.flat.read()
        files = fleet.weights == "files"
        self.way = Files(self.folder) if files else Broadcast(self.host, fleet.bucket_mb, self.store)
        return self.flat.sign()

    def _joined(self, address: Address, device: torch.device) -> Mesh:
        if self.stage.fleet.ranks == 1:
            return alone()
        store = dist.PrefixStore("ranks", self.store or connect(address))
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=self.rank, world_size=self.stage.fleet.ranks)
        return build(config.Dist(), device)

    def update(self, episodes: Sequence[Episode], step: int) -> Updated:
        """One step's updates (see Policy)."""
        fault, result = "", None
        with self.spans.span("update"):
            try:
                result = self.policy.update(episodes, step)
            except guard.NonFinite as error:
                fault = str(error)
        return Updated(result, fault, self.spans.take())

    def copy(self) -> None:
        """Take a copy of the weights: what is sent from now on."""
        with self._lock, self.spans.span("copy"):
            self.flat.read()

    def send(self, call: Call) -> Sent:
        """Send the last copy to all engines; has a thread of its own."""
        spans, begin = Spans(f"{NAME}, weights"), time.time()
        with self._lock, spans.span("weights"):
            self.way.send(self.flat, call)
        return Sent(time.time() - begin, self.flat.megabytes, spans.take())

    def save(self, step: int, facts: dict[str, Any]) -> tuple[Span, ...]:
        """A checkpoint: the trainer's state, and the facts of everything else."""
        with self.spans.span("checkpoint"):
            state = {**facts, "updates": self.policy.updates}
            checkpoint.save(self.folder / "checkpoint", step, self.policy.tensors(), state, mesh=self.mesh)
        return self.spans.take()

    def resume(self) -> dict[str, Any] | None:
        """The newest checkpoint into the policy; its facts, None without one."""
        facts = checkpoint.load(self.folder / "checkpoint", self.policy.tensors(), self.mesh)
        if facts is not None:
            self.policy.restored(facts["updates"])
        return facts

    def export(self) -> None:
        """The model as a folder that stock transformers loads."""
        weights = {name: whole(tensor).cpu() for name, tensor in self.policy.decoder.state_dict().items()}
        if self.rank == 0:
            model = convert.read(self.model)
            text_of(model).load_state_dict(weights)
            hf.write(model, self.tokenizer, self.folder / "model")
