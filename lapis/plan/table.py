"""A plan as numbers and as a page: what one rank holds, computes and sends, how long it takes, and what is assumed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lapis import config
from lapis.dist.plan import plan as parameters
from lapis.plan import clock
from lapis.plan.count import Message, Work
from lapis.plan.hardware import Hardware, load
from lapis.plan.job import Job, Trace, job, run, smaller
from lapis.types import InputError

ORIGINAL = 0.968
"""Scaling efficiency that BlueLM-2.5-3B's authors state for about 1,000 GPUs."""
GB, ROOMY = 1e9, 0.9
"""Bytes, and the share of the memory that leaves room for fragments and libraries."""
ASSUMED = (
    "every node, GPU and link is equal and alone; no congestion, no failures, data and checkpoints cost nothing",
    "a call takes the longer of its FLOPs and its bytes; nothing is fused but attention and norms; no torch.compile",
    "fp32 weights, gradients and moments, bf16 products, no recomputation: as lapis/train does it",
    "of the ranks that share a row, the one whose tokens see most stands for all",
    "what is uneven about rows is drawn: documents' lengths log-normal, pictures of 4 tiles",
    "micro-batches beyond the second do what the second does",
    "attention of up to 512 tokens is counted as a CPU does it, which multiplies all scores out",
    "memory is that of live tensors: no fragments, no buffers of libraries",
)


def stages_of(recipe: config.Recipe, name: str | None) -> list[config.Train]:
    """The training stages that are planned: the named one, `all`, or of those that train the whole network the one
    with most tokens and the one with the longest rows. Raises InputError for a stage that is not there."""
    every = [stage for stage in recipe.stages if isinstance(stage, config.Train)]
    if name == "all":
        return every
    if name is not None:
        found = [stage for stage in every if stage.name == name]
        if not found:
            raise InputError(
                f"--stage {name}: no such training stage; there are {', '.join(one.name for one in every)}"
            )
        return found
    whole = [stage for stage in every if len(stage.trains) == 3 and stage.lm_weight] or every
    most = max(whole, key=lambda stage: stage.steps * stage.pack.rows * stage.pack.row_tokens)
    longest = max(whole, key=lambda stage: stage.pack.row_tokens)
    return list({stage.name: stage for stage in (most, longest)}.values())


def say(recipe: config.Recipe, gpus: int, hardware: str, stage: str | None, copies: bool, as_json: bool) -> None:
    """Print the plan of a recipe's stages on so many GPUs. Raises InputError for words that do not fit together."""
    if gpus < 1:
        raise InputError(f"--gpus {gpus}: expected 1 or more")
    machine = load(hardware)
    jobs = [job(one, recipe, gpus, machine.node, copies) for one in stages_of(recipe, stage)]
    counts, made = parameters(recipe.model), list[dict[str, Any]]()
    if not as_json:
        print(counts["text"])
    for one in jobs:
        made.append(plan(one, machine))
        if not as_json:
            print(page(made[-1], machine), flush=True)
    if as_json:
        print(json.dumps({"parameters": counts, "hardware": asdict(machine), "assumptions": ASSUMED, "stages": made}))
    else:
        print(assumptions(machine))


def plan(one: Job, machine: Hardware) -> dict[str, Any]:
    """All figures of a stage."""
    stage, gpus = one.stage, one.world
    trace, waits = run(one, machine.fused), one.waits
    took = clock.seconds(trace, machine, gpus, waits)
    tokens = stage.pack.rows * stage.pack.row_tokens
    return {
        "stage": stage.name,
        "gpus": gpus,
        "mesh": {"rows": one.rows, "cp": one.mesh.cp, "tp": one.mesh.tp, "copies": one.mesh.replicate},
        "rows": {"of a rank": one.own, "of a micro-batch": one.micro, "tokens": stage.pack.row_tokens},
        "filling": one.filling.text,
        "memory": {"weights": trace.weights, "moments": trace.moments, "peak": trace.peak, "there": machine.memory},
        "flops": {
            "of a rank": sum(count * event.flops for event, count in trace.events.items() if isinstance(event, Work)),
            "of the model": trace.flops,
        },
        "messages": messages(trace),
        "seconds": asdict(took) | {"step": took.step},
        "imbalance": waits,
        "tokens a second": tokens / took.step,
        "mfu": trace.flops / (took.step * gpus * machine.products),
        "days": stage.steps * took.step / 86400,
        "scaling": scaling(one, machine, tokens / took.step / gpus),
    }


def scaling(one: Job, machine: Hardware, speed: float) -> dict[str, Any] | None:
    """Tokens a second of a GPU against the fewest GPUs that do the same work each; None on so few."""
    base = smaller(one, machine.node)
    if base is None:
        return None
    took = clock.seconds(run(base, machine.fused), machine, base.world, base.waits)
    pack = base.stage.pack
    return {"gpus": base.world, "efficiency": speed * base.world * took.step / (pack.rows * pack.row_tokens)}


def messages(trace: Trace) -> list[dict[str, Any]]:
    """Collectives of a step by what they are for, kind and ranks, largest first."""
    found: dict[tuple[str, str, int], dict[str, int]] = {}
    for event, count in trace.events.items():
        if isinstance(event, Message):
            sums = found.setdefault((event.purpose, event.name, len(event.ranks)), {"calls": 0, "bytes": 0})
            sums["calls"] += count
            sums["bytes"] += count * event.size
    rows = [{"purpose": key[0], "name": key[1], "ranks": key[2], **sums} for key, sums in found.items()]
    return sorted(rows, key=lambda row: -int(row["bytes"]))


def page(made: dict[str, Any], machine: Hardware) -> str:
    """A plan for people."""
    return "\n".join([*_sizes(made), *_messages(made), *_times(made, machine)])


def _sizes(made: dict[str, Any]) -> Iterator[str]:
    mesh, rows, memory, flops = made["mesh"], made["rows"], made["memory"], made["flops"]
    yield f"stage {made['stage']} on {made['gpus']:,} GPUs"
    yield _line("mesh", f"{mesh['rows']} rows x {mesh['cp']} context x {mesh['tp']} tensor, {mesh['copies']} copies")
    yield _line(
        "rows of a rank", f"{rows['of a rank']} of {rows['tokens']:,} tokens, {rows['of a micro-batch']} at once"
    )
    yield _line("", made["filling"])
    share = memory["peak"] / memory["there"]
    fits = "fits" if share <= ROOMY else "tight" if share <= 1 else "DOES NOT FIT; raise dist.cp or dist.tp"
    yield _line(
        "memory of a rank", f"{memory['peak'] / GB:.1f} GB at most, {memory['there'] / GB:.0f} GB are there: {fits}"
    )
    yield _line(
        "", f"weights {memory['weights'] / GB:.2f} GB, moments {memory['moments'] / GB:.2f} GB, the rest passes"
    )
    yield _line("FLOPs of a step", f"{flops['of a rank']:.3g} a rank; {flops['of the model']:.3g} by the model's shape")


def _messages(made: dict[str, Any]) -> Iterator[str]:
    for number, row in enumerate(made["messages"]):
        text = f"{row['purpose']:<8} {row['name']:<15} {row['ranks']:>5} ranks {row['calls']:>6} x"
        yield _line("" if number else "sent in a step", f"{text} {row['bytes'] / GB:>10.3f} GB")


def _times(made: dict[str, Any], machine: Hardware) -> Iterator[str]:
    took, grown = made["seconds"], made["scaling"]
    yield _line("seconds of a step", f"{took['step']:.3f} on {machine.name}")
    yield _line("", f"computing {took['computing']:.3f}, waiting for messages {took['waiting']:.3f}")
    yield _line("", f"weights {took['weights']:.3f}, of which {took['exposed']:.3f} do not hide")
    yield _line("", f"uneven rows {took['uneven']:.3f} ({made['imbalance']:.1%}), slow ranks {took['jitter']:.3f}")
    yield _line(
        "speed", f"{made['tokens a second']:,.0f} tokens/s, {made['mfu']:.1%} of the peak, {made['days']:.1f} days"
    )
    if grown:
        text = f"{grown['efficiency']:.1%} of the speed a GPU of {grown['gpus']} GPUs with the same rows each"
        yield _line("scaling", f"{text}; the original states {ORIGINAL:.1%} at about 1,000")


def _line(name: str, text: str) -> str:
    return f"  {name:<18} {text}".rstrip()


def assumptions(machine: Hardware) -> str:
    """What all figures stand on."""
    figures = {name: value for name, value in asdict(machine).items() if name in machine.sources}
    known = [
        f"  {name} = {_figure(figures[name])}: {text}" for name, text in machine.sources.items() if name in figures
    ]
    return "\n".join(["assumptions", *(f"  {line}" for line in ASSUMED), *known])


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_figure(one)}" for name, one in value.items())
    return f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else str(value)
