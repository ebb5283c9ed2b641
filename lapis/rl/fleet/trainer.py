"""The process that trains: the policy, its checkpoints, and its end of the weights' way.

Unusual: an update ends with a copy of the weights in the engines' precision; sending it has a thread of its own, so
that the next update may run beside it, and an engine that comes later gets the same version.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from lapis import chat, config
from lapis.dist import checkpoint, guard
from lapis.export import hf
from lapis.model import convert
from lapis.rl.fleet.messages import Call, Sent
from lapis.rl.fleet.trace import Span, Spans
from lapis.rl.fleet.weights import Broadcast, Files, Flat
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
    """The actor: a model from a folder that it trains."""

    def __init__(self, model: Path, stage: config.RL, recipe: config.Recipe, host: str, folder: Path):
        fleet = stage.fleet
        torch.set_num_threads(fleet.threads)
        guard.keep_memory()
        torch.manual_seed(recipe.seed)
        device = guard.device_of(recipe.device)
        place = guard.Place(device, guard.dtype_of(recipe.dtype, device))
        self.tokenizer = chat.Tokenizer.load(model, recipe.model.tokens_per_tile)
        self.policy = Policy(convert.read(model), stage, place)
        self.folder, self.spans, self._lock = folder, Spans(NAME), Lock()
        self.flat = Flat(self.policy.decoder, place.dtype)
        self.flat.read()
        self.way = Files(folder) if fleet.weights == "files" else Broadcast(host, fleet.bucket_mb)
        self.address = self.way.listen()

    def about(self) -> tuple[tuple[str, int], str]:
        """Where engines find it, and the sign of the weights that it sends."""
        return self.address, self.flat.sign()

    def update(self, episodes: Sequence[Episode], step: int) -> Updated:
        """One step's updates (see Policy), and the copy that is sent next."""
        fault, result = "", None
        with self.spans.span("update"):
            try:
                result = self.policy.update(episodes, step)
            except guard.NonFinite as error:
                fault = str(error)
        with self._lock, self.spans.span("copy"):
            self.flat.read()
        return Updated(result, fault, self.spans.take())

    def send(self, call: Call) -> Sent:
        """Send the last copy to all engines; has a thread of its own."""
        spans, begin = Spans(f"{NAME}, weights"), time.time()
        with self._lock, spans.span("weights"):
            self.way.send(self.flat, call)
        return Sent(call.version, time.time() - begin, self.flat.megabytes, spans.take())

    def save(self, step: int, facts: dict[str, Any]) -> tuple[Span, ...]:
        """A checkpoint: the trainer's state, and the facts of everything else."""
        with self.spans.span("checkpoint"):
            state = {**facts, "updates": self.policy.updates}
            checkpoint.save(self.folder / "checkpoint", step, self.policy.tensors(), state)
        return self.spans.take()

    def resume(self) -> dict[str, Any] | None:
        """The newest checkpoint into the policy; its facts, None without one."""
        facts = checkpoint.load(self.folder / "checkpoint", self.policy.tensors())
        if facts is not None:
            self.policy.restored(facts["updates"])
            with self._lock:
                self.flat.read()
        return facts

    def export(self) -> None:
        """The model as a folder that stock transformers loads."""
        hf.write(self.policy.model, self.tokenizer, self.folder / "model")
