"""The plan's clock against real steps of one and two processes, a thread each (two cores: four would share them).

The machine is described by measurements of its own: matrix products and sums at the model's sizes, the least that a
call takes, gloo's latency and speed for each collective. What is left is one factor, from one process on another batch
than those predicted: alone, and beside a process that has nothing to do with it, since cores share caches and memory.

python -m bench.plan_time
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist

from bench.parts import steps
from bench.parts.line import say
from lapis import config
from lapis.dist import mesh as meshes
from lapis.plan import clock, fake, job
from lapis.plan.count import Count
from lapis.plan.hardware import Hardware, Link
from lapis.recipes import pocket
from lapis.train import micro
from lapis.types import Batch

LENGTH, TIMES, ROUNDS = 512, 6, 3
"""Tokens of a row, steps that are timed at once, and how often; the fastest counts, which nothing disturbed."""
KNOWN, CHECKED = (6, 9), (8, 16)
"""Rows and tiles of the batch that the factor is from, and of those that are predicted."""
CASES = {"one": (1, config.Dist()), "two data": (2, config.Dist()), "two context": (2, config.Dist(cp=2))}
LARGE, SMALL = 2**20, 2**8
"""Values of a collective whose speed, and whose latency is measured: about a layer's weights, and a few sums."""


def mine(mesh: meshes.Mesh, network: steps.step.Network, size: tuple[int, int]) -> Batch:
    """This process's rows of a batch."""
    rows, tiles = size
    batch = steps.batch(pocket.model(), rows, LENGTH, tiles)
    bounds = range(0, rows + 1, rows // mesh.rows)
    return list(micro.parts(batch, steps.step.tiles_per_row(network, batch), bounds))[mesh.row_rank]


def measured(shape: config.Dist | None, size: tuple[int, int]) -> float:
    """Seconds of the fastest step; without a mesh this process is one of several that do not know of each other."""
    place = steps.place(1)
    mesh = meshes.build(shape, place.device) if shape else meshes.alone()
    made = steps.trainer(pocket.model(), steps.stage(), place, mesh)
    batch = mine(mesh, made.network, size)
    return fastest(lambda number: made.step(batch, number, 1.0), TIMES)


def fastest(work: Callable[[int], object], times: int) -> float:
    """Seconds of the fastest call, after one that does not count."""
    work(0)
    found = []
    for number in range(1, times + 1):
        began = time.perf_counter()
        work(number)
        found.append(time.perf_counter() - began)
    return min(found)


def sent(name: str, values: int) -> float:
    """Seconds of the fastest collective, as FSDP calls it."""
    torch.set_num_threads(1)
    world = dist.get_world_size()
    whole, part = torch.ones(values), torch.ones(values // world)
    calls: dict[str, Callable[[], object]] = {
        "all-gather": lambda: dist.all_gather_single(whole, part),
        "reduce-scatter": lambda: dist.reduce_scatter_single(part, whole),
        "all-reduce": lambda: dist.all_reduce(whole),
    }
    return fastest(lambda number: calls[name](), 40)


def counted(processes: int, shape: config.Dist, size: tuple[int, int]) -> job.Trace:
    """What rank 0 does in a step."""
    with fake.processes(processes):
        mesh = meshes.build(shape, job.PLACE.device) if processes > 1 else meshes.alone()
        with fake.nowhere(fused=False):
            made = job.built(pocket.model(), None, steps.stage(), mesh)
        batch = mine(mesh, made.network, size)
        with fake.nowhere(fused=False), Count() as count:
            made.step(batch, job.STEP, 1.0)
    return job.Trace(dict(Counter(count.events)), 0, 0, 0, 0, 1)


def products() -> float:
    """FLOPs a second over the decoder's and the ViT's products, in this machine's precision."""
    place, model, tokens = steps.place(1), pocket.model(), LENGTH * KNOWN[0]
    flops = seconds = 0.0
    for width, out in ((model.decoder.width, 2 * model.decoder.mlp), (model.vit.width, model.vit.mlp)):
        one, other = torch.ones(tokens, width, dtype=place.dtype), torch.ones(width, out, dtype=place.dtype)
        flops += 2 * tokens * width * out
        seconds += fastest(lambda number, one=one, other=other: one @ other, 20)
    return flops / seconds


def bandwidth() -> float:
    """Bytes a second of a sum of two hidden states."""
    one = torch.ones(LENGTH * KNOWN[0], pocket.model().decoder.width)
    return 3 * 4 * one.numel() / fastest(lambda number: one + one, 20)


def launch() -> float:
    """Seconds of a call on next to nothing, backward included."""
    one = torch.ones(8, requires_grad=True)

    def chain(number: int) -> None:
        x = one
        for _ in range(100):
            x = x * 1.0
        x.sum().backward()

    return fastest(chain, 20) / 200


def machine(folder: Path) -> Hardware:
    """This machine by what it measures, before the factor."""
    small = {name: max(steps.processes(sent, 2, folder / f"{name}-small", name, SMALL)) for name in ("all-gather",)}
    large = {
        name: max(steps.processes(sent, 2, folder / name, name, LARGE))
        for name in ("all-gather", "reduce-scatter", "all-reduce")
    }
    latency = small["all-gather"]
    took = {name: max(seconds - latency, 1e-9) for name, seconds in large.items()}
    link = Link(bandwidth=4 * LARGE / 2 / took["all-gather"], latency=latency)
    return Hardware(
        name="this machine",
        products=products(),
        bandwidth=bandwidth(),
        memory=math.inf,
        node=2,
        inner=link,
        outer=link,
        sources={},
        fused=False,
        launch=launch(),
        collectives={
            "reduce-scatter": took["reduce-scatter"] / took["all-gather"],
            "all-reduce": took["all-reduce"] / took["all-gather"] / 2,
        },
    )


def slowed(here: Hardware, factor: float) -> Hardware:
    """The same machine when every call takes so many times as long."""
    return replace(
        here, products=here.products / factor, bandwidth=here.bandwidth / factor, launch=here.launch * factor
    )


def timed(folder: Path) -> dict[str, float]:
    """Fastest step of each case, and of the known batch alone and beside another process."""
    ways = {"alone": (1, None, KNOWN), "beside": (2, None, KNOWN)}
    ways |= {name: (many, shape if many > 1 else None, CHECKED) for name, (many, shape) in CASES.items()}
    found = dict.fromkeys(ways, math.inf)
    for number in range(ROUNDS):
        for name, (many, shape, size) in ways.items():
            took = max(steps.processes(measured, many, folder / f"{name}{number}", shape, size))
            found[name] = min(found[name], took)
    return found


def main() -> None:
    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        here, real = machine(Path(folder)), timed(Path(folder))
    print(here)
    plain = clock.seconds(counted(1, config.Dist(), KNOWN), here, 1, 0.0).step
    print(f"known batch: {plain:.3f} s by parts, {real['alone']:.3f} s alone, {real['beside']:.3f} s beside another")
    errors = []
    for case, (processes, shape) in CASES.items():
        slow = slowed(here, real["alone" if processes == 1 else "beside"] / plain)
        told = clock.seconds(counted(processes, shape, CHECKED), slow, processes, 0.0)
        errors.append(abs(told.step / real[case] - 1))
        parts = f"{told.computing:.3f} computing, {told.step - told.computing:.3f} messages"
        print(f"{case}: {told.step:.3f} s predicted ({parts}), {real[case]:.3f} s measured, error {errors[-1]:.1%}")
    print(f"{time.perf_counter() - began:.0f} s in all")
    say("plan_time", 1 - max(errors), 0.85, "1 - largest relative error of a step's predicted seconds", 0.0)


if __name__ == "__main__":
    main()
