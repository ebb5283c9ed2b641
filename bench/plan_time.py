"""The plan's clock against real steps of one and two processes, a thread each (two cores: four would share them).

The machine is described by measurements of its own: products, attention and sums at the model's sizes, the least that
a call takes, gloo's speed for each collective, and what a message costs that carries next to nothing, hooks and
wrappers included, by a network of pocket's layers whose widths are tiny. What is left is one factor: how long a step of
another batch takes that no process shares, timed in turns with the steps that are predicted, on as many busy cores.

python -m bench.plan_time
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
import torch.nn.functional as F

from bench.parts import steps
from bench.parts.line import say
from lapis import config
from lapis.dist import mesh as meshes
from lapis.plan import clock, fake, job
from lapis.plan.count import Count, Message, seen
from lapis.plan.hardware import Hardware, Link
from lapis.recipes import pocket
from lapis.train import micro
from lapis.types import Batch

ROUNDS = 12
LARGE = 2**20
"""Values of a collective whose speed is measured: about a layer's weights."""
TINY = config.Model(
    config.ViT(width=16, layers=4, heads=1, mlp=32, tile=56),
    config.Adapter(hidden=32),
    config.Decoder(width=16, layers=4, heads=4, kv_heads=2, head_dim=8, mlp=32, vocab=128, max_positions=512),
)
"""Pocket's layers without their work."""


@dataclass(frozen=True, slots=True)
class Way:
    """A step that is timed or predicted."""

    shape: config.Dist | None
    """None for processes that do not know of each other."""
    rows: int
    tiles: int
    model: config.Model
    length: int = 512

    def batch(self, mesh: meshes.Mesh) -> Batch:
        """This process's rows."""
        whole = steps.batch(self.model, self.rows, self.length, self.tiles)
        tiles_B = (whole.tokens_BT == self.model.image_token).sum(1) // self.model.tokens_per_tile
        return list(micro.parts(whole, tiles_B, range(0, self.rows + 1, self.rows // mesh.rows)))[mesh.row_rank]


WAYS = {
    "known": Way(None, 6, 9, pocket.model()),
    "one": Way(None, 8, 16, pocket.model()),
    "two data": Way(config.Dist(), 8, 16, pocket.model()),
    "two context": Way(config.Dist(cp=2), 8, 16, pocket.model()),
    "tiny": Way(None, 2, 2, TINY, 48),
    "tiny spread": Way(config.Dist(), 2, 2, TINY, 48),
}
CHECKED = {"one": 1, "two data": 2, "two context": 2}
"""What is predicted, and its processes."""


def timed(out: Path, names: Sequence[str]) -> float:
    """Seconds of steps of each way in turns, so that what disturbs one disturbs all; into a file a rank."""
    place = steps.place(1)
    work = {}
    for name in names:
        way = WAYS[name]
        mesh = meshes.build(way.shape, place.device) if way.shape else meshes.alone()
        work[name] = steps.trainer(way.model, steps.stage(), place, mesh), way.batch(mesh)
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(1 + ROUNDS):
        for name, (trainer, batch) in work.items():
            dist.barrier()
            began = time.perf_counter()
            trainer.step(batch, job.STEP, 1.0)
            found[name].append(time.perf_counter() - began)
    (out / f"{dist.get_rank()}.json").write_text(json.dumps(found))
    return 0.0


def taken(folder: Path, processes: int, names: Sequence[str]) -> dict[str, float]:
    """Median seconds of each way, the slowest process's, in units of the first way's, whose own are seconds."""
    out = folder / f"{processes} {names[0]}"
    out.mkdir()
    steps.processes(timed, processes, out / "group", out, names)
    ranks = [json.loads((out / f"{rank}.json").read_text()) for rank in range(processes)]
    rounds = {name: [max(each) for each in zip(*(rank[name] for rank in ranks), strict=True)][1:] for name in names}
    first = rounds[names[0]]
    ratios = {name: statistics.median(a / b for a, b in zip(rounds[name], first, strict=True)) for name in names}
    return ratios | {names[0]: statistics.median(first)}


def sent(name: str, values: int) -> float:
    """Seconds of a collective, as FSDP calls it."""
    torch.set_num_threads(1)
    world = dist.get_world_size()
    whole, part = torch.ones(values), torch.ones(values // world)
    calls: dict[str, Callable[[], object]] = {
        "all-gather": lambda: dist.all_gather_single(whole, part),
        "reduce-scatter": lambda: dist.reduce_scatter_single(part, whole),
        "all-reduce": lambda: dist.all_reduce(whole),
    }
    return steps.seconds(lambda number: calls[name](), 40)


def counted(way: Way, processes: int) -> job.Trace:
    """What rank 0 does in a step."""
    with fake.processes(processes):
        mesh = meshes.build(way.shape, job.PLACE.device) if way.shape else meshes.alone()
        batch = way.batch(mesh)
        with fake.nowhere(fused=False):
            made = job.built(way.model, None, steps.stage(), mesh)
            with Count() as count:
                made.step(batch, job.STEP, 1.0)
    return job.Trace(dict(Counter(count.events)), 0, 0, 0, 0, 1)


def products() -> float:
    """FLOPs a second over the decoder's and the ViT's products, in this machine's precision."""
    place, known = steps.place(1), WAYS["known"]
    tokens, decoder, vit = known.rows * known.length, known.model.decoder, known.model.vit
    flops = seconds = 0.0
    for width, out in ((decoder.width, 2 * decoder.mlp), (vit.width, vit.mlp)):
        one, other = torch.ones(tokens, width, dtype=place.dtype), torch.ones(width, out, dtype=place.dtype)
        flops += 2 * tokens * width * out
        seconds += steps.seconds(lambda number, one=one, other=other: one @ other, 40)
    return flops / seconds


def bandwidth() -> float:
    """Bytes a second of a sum of two hidden states."""
    known = WAYS["known"]
    one = torch.ones(known.rows * known.length, known.model.decoder.width)
    return 3 * 4 * one.numel() / steps.seconds(lambda number: one + one, 40)


def attention() -> float:
    """FLOPs a second of attention as it is called where rows are spread: a run of a document under a mask."""
    place, known = steps.place(1), WAYS["known"]
    decoder, length = known.model.decoder, known.length // steps.DOCUMENTS
    sizes = [(1, heads, length, decoder.head_dim) for heads in (decoder.heads, decoder.kv_heads, decoder.kv_heads)]
    q, k, v = (torch.ones(size, dtype=place.dtype, requires_grad=True) for size in sizes)
    mask = torch.ones(length, length, dtype=torch.bool).tril()

    def both(number: int) -> None:
        F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True).sum().backward()

    return 14 * seen(q.shape, length, causal=False) / steps.seconds(both, 40)


def launch() -> float:
    """Seconds of a call on next to nothing, backward included."""
    one = torch.ones(8, requires_grad=True)

    def chain(number: int) -> None:
        x = one
        for _ in range(100):
            x = x * 1.0
        x.sum().backward()

    return steps.seconds(chain, 40) / 200


def latency(folder: Path) -> float:
    """Seconds that a message costs besides its bytes."""
    events = counted(WAYS["tiny spread"], 2).events.items()
    messages = sum(many for event, many in events if isinstance(event, Message) and len(event.ranks) > 1)
    took = taken(folder, 2, ("tiny", "tiny spread"))
    return took["tiny"] * max(took["tiny spread"] - 1, 0.0) / messages


def machine(folder: Path) -> Hardware:
    """This machine by what it measures, before the factor."""
    names = ("all-gather", "reduce-scatter", "all-reduce")
    took = {name: max(steps.processes(sent, 2, folder / name, name, LARGE)) for name in names}
    link = Link(bandwidth=4 * LARGE / 2 / took["all-gather"], latency=latency(folder))
    peak = products()
    return Hardware(
        name="this machine",
        products=peak,
        attention_share=min(attention() / peak, 1.0),
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


def main() -> None:
    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        here = machine(Path(folder))
        took = {
            processes: taken(
                Path(folder), processes, ["known", *(name for name in CHECKED if CHECKED[name] == processes)]
            )
            for processes in (1, 2)
        }
    print(here)
    plain = clock.seconds(counted(WAYS["known"], 1), here, 1, 0.0).step
    print(
        f"known batch: {plain:.3f} s by parts, {took[1]['known']:.3f} s alone, {took[2]['known']:.3f} s beside another"
    )
    errors = []
    for name, processes in CHECKED.items():
        known = took[processes]["known"]
        told = clock.seconds(counted(WAYS[name], processes), slowed(here, known / plain), processes, 0.0)
        real = took[processes][name] * known
        errors.append(abs(told.step / real - 1))
        parts = f"{told.computing:.3f} computing, {told.step - told.computing:.3f} messages"
        print(f"{name}: {told.step:.3f} s predicted ({parts}), {real:.3f} s measured, error {errors[-1]:.1%}")
    print(f"{time.perf_counter() - began:.0f} s in all")
    say("plan_time", 1 - max(errors), 0.85, "1 - largest relative error of a step's predicted seconds", 0.0)


if __name__ == "__main__":
    main()
