"""What training did: stages, losses, distillation, cost, data."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from lapis.report_parts import charts
from lapis.report_parts.charts import Series
from lapis.report_parts.figures import distilled, scratches, text_loss
from lapis.report_parts.inputs import Json, Run, Stage
from lapis.report_parts.page import number, section, table
from lapis.report_parts.summary import machine_line


def stages(run: Run) -> str:
    """Where the time went, then the stage table."""
    heads = ["stage", "steps", "tokens", "minutes", "last loss", "held-out loss by kind, in nats a token"]
    lines = [_stage_line(stage) for stage in run.stages]
    strip = charts.strip([(stage.name, stage.seconds) for stage in run.stages if stage.seconds > 0])
    lead = "Every stage of the recipe in order. Losses are means over held-out tokens of each kind."
    return section("Stages", lead, strip if run.stages else "", "<h3></h3>", table(heads, lines, text=(0, 5)))


def _stage_line(stage: Stage) -> list[str]:
    done = stage.done
    losses = "".join(f"<span><i>{escape(kind)}</i> {loss:.3f}</span>" for kind, loss in sorted(stage.heldout.items()))
    return [
        f"<b>{escape(stage.name)}</b>",
        number(done["steps"]) if done.get("steps") else "",
        number(done["tokens"]) if done.get("tokens") else "",
        f"{stage.seconds / 60:.1f}" if stage.seconds else "",
        f"{done['loss']:.3f}" if isinstance(done.get("loss"), int | float) else "",
        f'<div class="losses">{losses}</div>',
    ]


def losses(run: Run) -> str:
    """One chart a training stage: the loss of each kind over its steps."""
    drawn = [stage for stage in run.stages if len(stage.metrics) > 1 and "reward" not in stage.metrics[-1]]
    pictures = [charts.lines(_by_kind(stage), stage.name, "step") for stage in drawn]
    lead = "Training loss by kind of data, smoothed; nats a token. The first line is the whole step's."
    return section("Loss curves", lead, f'<div class="grid">{"".join(pictures)}</div>' if pictures else "")


def _by_kind(stage: Stage) -> list[Series]:
    whole = [(line["step"], line["loss"]) for line in stage.metrics if "loss" in line]
    kinds: dict[str, list[tuple[float, float]]] = {}
    for line in stage.metrics:
        for kind, loss in kind_losses(line).items():
            kinds.setdefault(kind, []).append((line["step"], loss))
    most = sorted(kinds, key=lambda kind: -len(kinds[kind]))[:5]
    named = [Series(kind, charts.smooth(kinds[kind])) for kind in sorted(most)]
    return [Series("all", charts.smooth(whole)), *(named if len(named) > 1 else [])]


def kind_losses(line: Json) -> dict[str, float]:
    """`kinds` of a metrics line: kind to loss; entries without a number are left out."""
    kinds: dict[str, Any] = line.get("kinds", {})
    return {kind: float(loss) for kind, loss in kinds.items() if isinstance(loss, int | float)}


def distillation(run: Run) -> str:
    """The distilled student against the same student from scratch at equal tokens."""
    students, rivals = distilled(run), scratches(run)
    if not students or not rivals:
        return ""
    best = min(rivals, key=text_loss)
    heads = ["trained by", "tokens", "held-out loss", "against the best from scratch"]
    lines = [_distil_line([stage], best) for stage in sorted(rivals, key=text_loss)]
    lines.append(_distil_line(students, best))
    series = [Series(_chain(stages), charts.smooth(_over_steps(stages))) for stages in ([best], students)]
    lead = (
        "The student pruned from the teacher and trained on its logits, beside the same student from nothing, each "
        "of several learning rates. Compared on held-out prose, in nats a token."
    )
    picture = charts.lines(series, "training loss, best from scratch and distilled", "step")
    drawn = f'<h3></h3><div class="grid two">{picture}</div>'
    return section("Distillation against scratch", lead, table(heads, lines), drawn)


def _chain(stages: Sequence[Stage]) -> str:
    return " + ".join(stage.name for stage in stages)


def _over_steps(stages: Sequence[Stage]) -> list[tuple[float, float]]:
    """Cross-entropy where it is logged beside the KL: the one scale on which both can stand. Steps of a chain go on."""
    logged = [line for stage in stages for line in stage.metrics if "loss" in line]
    return [(number, float(line["lm"] if "lm" in line else line["loss"])) for number, line in enumerate(logged, 1)]


def _distil_line(stages: Sequence[Stage], best: Stage) -> list[str]:
    loss, rival = text_loss(stages[-1]), text_loss(best)
    tokens = sum(stage.done.get("tokens", 0) for stage in stages)
    name = escape(_chain(stages))
    strong = f"<b>{name}</b>" if stages[0] is best or len(stages) > 1 else name
    return [strong, number(tokens), f"{loss:.4f}", f"{100 * (loss / rival - 1):+.2f}%"]


def cost(run: Run) -> str:
    """Seconds, tokens, parameters and an estimate of the arithmetic, stage by stage."""
    heads = ["stage", "seconds", "share", "parameters", "tokens", "tokens/s", "FLOPs, about"]
    total = sum(stage.seconds for stage in run.stages) or 1.0
    patches = _patches(run.settings)
    lines = [_cost_line(stage, total, training_flops(stage, patches)) for stage in run.stages]
    flops = sum(training_flops(stage, patches) for stage in run.stages)
    lines.append(["<b>all</b>", f"{total:,.0f}", "100%", "", "", "", _flops(flops)])
    lead = (
        f"{escape(machine_line(run.machine))}. FLOPs are 6 &times; parameters &times; tokens of the decoder and "
        "6 &times; parameters &times; patches of the ViT, an estimate: attention's square, a teacher's forward and the "
        "answers that RL samples are left out."
    )
    return section("Cost", lead, table(heads, lines)) if run.stages else ""


def _patches(settings: Json) -> int:
    """Patches of a tile."""
    vit = settings.get("model", {}).get("vit", {})
    return (vit["tile"] // vit["patch"]) ** 2 if vit else 0


def _cost_line(stage: Stage, total: float, flops: float) -> list[str]:
    tokens, parameters = stage.done.get("tokens", 0), sum(stage.parameters.values())
    speed = tokens / stage.seconds if stage.seconds else 0
    return [
        escape(stage.name),
        f"{stage.seconds:,.0f}",
        f"{100 * stage.seconds / total:.1f}%",
        number(parameters) if parameters else "",
        number(tokens) if tokens else "",
        number(speed) if speed else "",
        _flops(flops),
    ]


def training_flops(stage: Stage, patches: int) -> float:
    """6 N D of decoder and ViT; `patches` are those of a tile, and an image token stands for four."""
    decoder = stage.parameters.get("decoder", 0) * float(stage.done.get("tokens", 0))
    seen = patches * stage.done.get("tiles", 0) or 4 * stage.done.get("image_tokens", 0)
    return 6 * (decoder + stage.parameters.get("vit", 0) * float(seen))


def _flops(value: float) -> str:
    return f"{value:.1e}" if value else ""


def data(run: Run) -> str:
    """What the data stage counted: by kind, what was dropped, what is held out."""
    others = {name: value for name, value in run.counts.items() if isinstance(value, dict) and name != "kinds"}
    blocks = "".join(_counts(name, value) for name, value in others.items())
    notes = "".join(f"<p>{escape(str(note))}</p>" for note in run.counts.get("notes", ()))
    lead = "What was gathered and made, what was dropped and why, and what is held out."
    grid = f'<h3></h3><div class="grid">{blocks}</div>' if blocks else ""
    return section("Data", lead, _kinds(run.counts.get("kinds", {})), grid, notes)


def _kinds(kinds: Json) -> str:
    columns = ("samples", "tokens", "tiles", "lang", "licence")
    lines = [[escape(kind), *(_cell(counts.get(name, "")) for name in columns)] for kind, counts in kinds.items()]
    return table(["kind", *columns], lines, text=(0, 4, 5))


def _counts(name: str, counts: Json) -> str:
    lines = [[escape(key), _cell(value)] for key, value in counts.items()]
    return f"<div><h3>{escape(name)}</h3>{table(['', ''], lines)}</div>" if lines else ""


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{escape(str(key))} {_cell(entry)}" for key, entry in value.items())
    return number(value) if isinstance(value, int | float) else escape(str(value))
