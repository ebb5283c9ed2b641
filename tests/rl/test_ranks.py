"""The policy over two processes updates like one: weights, figures, and what a checkpoint holds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lapis import config
from lapis.dist.guard import Place
from lapis.dist.mesh import Mesh, alone, build
from lapis.model.decoder import Decoder
from lapis.rl.fleet.weights import Flat
from lapis.rl.policy import Policy
from lapis.rl.rows import Episode
from lapis.types import Completion
from tests.dist import jobs
from tests.serve.small import small_shape, spread

STAGE = config.RL(
    "rl", "sft", {"math": 1.0}, steps=4, prompts=2, group=3, max_tokens=12, row_tokens=24, updates=2, kl=0.1,
    optim=config.Optim(lr=1e-2, weight_decay=0.0, warmup=0.0, clip=0.05),
)  # fmt: skip


def episodes(step: int) -> list[Episode]:
    """Five answers: an odd number of rows, so that one process has a row less."""
    draw = torch.Generator().manual_seed(step)
    found = []
    for number in range(5):
        size = 6 + 2 * number
        ids = torch.randint(20, 250, (size,), generator=draw).tolist()
        logs = (-4 - torch.rand(size - 3, generator=draw)).tolist()
        forced = tuple(place == 0 for place in range(size - 3))
        answer = Completion("", "", tuple(ids[:3]), tuple(ids[3:]), tuple(logs), forced, 0, "stop", True)
        found.append(Episode(answer, float(number) - 2))
    return found


def trained(mesh: Mesh, folder: Path, name: str) -> None:
    torch.manual_seed(0)
    policy = Policy(spread(Decoder(small_shape().decoder)), STAGE, Place(torch.device("cpu"), torch.float32), mesh)
    results = [asdict(policy.update(episodes(step), step)) for step in range(2)]
    flat = Flat(policy.decoder, torch.float32)
    flat.read()
    if mesh.rank == 0:
        save_file({"values": flat.values}, folder / f"{name}.safetensors")
        shapes = {key: list(tensor.shape) for key, tensor in policy.tensors().items()}
        (folder / f"{name}.json").write_text(json.dumps([results, shapes]))


def rank(folder: Path) -> None:
    trained(build(config.Dist(), torch.device("cpu")), folder, "two")


def test_two_ranks_update_like_one(tmp_path: Path) -> None:
    trained(alone(), tmp_path, "one")
    jobs.run(rank, 2, tmp_path, tmp_path)
    (one, shapes), (two, other) = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    for mine, theirs in zip(one, two, strict=True):
        assert theirs == pytest.approx(mine, rel=1e-4, abs=1e-6)
    assert one[1]["clip"] > 0 and one[0]["grad_norm"] > 0.05 and other == shapes
    values = [load_file(tmp_path / f"{name}.safetensors")["values"] for name in ("one", "two")]
    assert torch.allclose(*values, atol=2e-4)
