"""How the time to look at an image grows with its tiles, fitted by a line, beside a ViT that sees it whole.

Tiles go through ViT and adapter in batches of 4, on one thread. The native-resolution ViT is the same one with one
attention over the patches of all tiles. Repeats of all sizes take turns, so that a busy machine slows them alike.

python -m bench.tile_latency [run=FOLDER]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.parts.line import run_of, say
from lapis.model import convert
from lapis.model.vit import normalise, patchify
from lapis.model.vlm import Lapis
from lapis.named import recipe_in
from lapis.recipes import pocket
from lapis.report_parts import charts
from lapis.report_parts.page import page

OUT = Path(".cache") / "bench" / "tile_latency.html"
BATCH = 4
TILES = tuple(range(1, 17))
"""Up to the 4 x 4 tiles of the original's largest image, without the thumbnail."""
NATIVE = (1, 2, 4, 6, 9, 12, 16)
REPEATS = 9

Case = tuple[str, int]


def model_of(run: Path | None) -> Lapis:
    """The run's model, else one of pocket's shape: time does not hang on the weights."""
    if run is None:
        return Lapis(pocket.recipe().model)
    settings = recipe_in(run)
    model = convert.read(run / settings.export.name / "hf")
    assert isinstance(model, Lapis)
    return model


def batched(model: Lapis, tiles_NSS3: Tensor, size: int) -> None:
    """Image tokens of all tiles, so many at once."""
    for part in tiles_NSS3.split(size):
        model.features(part)


def native(model: Lapis, tiles_NSS3: Tensor) -> None:
    """The ViT over all patches as one sequence, as for an image of that many pixels."""
    vit = model.vit
    patches_NPC = normalise(patchify(tiles_NSS3, vit.config.patch), torch.float32)
    x_1KW = (vit.patch(patches_NPC) + vit.positions.weight).flatten(0, 1)[None]
    for layer in vit.layers:
        x_1KW = layer(x_1KW)
    model.adapter(vit.norm(x_1KW)[0].view(len(tiles_NSS3), -1, vit.config.width))


@torch.inference_mode()
def measure(model: Lapis) -> dict[Case, float]:
    """Median seconds of each case; a round asks every case once."""
    tiles_NSS3 = torch.randint(0, 256, (max(TILES), model.config.vit.tile, model.config.vit.tile, 3), dtype=torch.uint8)
    cases: dict[Case, Callable[[], None]] = {}
    for count in TILES:
        part = tiles_NSS3[:count]
        cases["batches of 4", count] = lambda part=part: batched(model, part, BATCH)
        cases["one by one", count] = lambda part=part: batched(model, part, 1)
        if count in NATIVE:
            cases["native", count] = lambda part=part: native(model, part)
    taken: dict[Case, list[float]] = {case: [] for case in cases}
    for _ in range(REPEATS):
        for case, act in cases.items():
            began = time.perf_counter()
            act()
            taken[case].append(time.perf_counter() - began)
    return {case: statistics.median(times) for case, times in taken.items()}


def fit(counts: Sequence[int], seconds: Sequence[float]) -> tuple[float, float, float]:
    """Slope and intercept of the least-squares line, and R^2."""
    slope, intercept = np.polyfit(counts, seconds, 1)
    rest = np.asarray(seconds) - (slope * np.asarray(counts) + intercept)
    return float(slope), float(intercept), float(1 - rest.var() / np.var(seconds))


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = model_of(run_of(sys.argv[1:])).requires_grad_(False)
    found = measure(model)
    curves = {name: [(count, found[name, count]) for count in TILES if (name, count) in found] for name, _ in found}
    slope, intercept, r2 = fit(*zip(*curves["batches of 4"], strict=True))
    single = fit(*zip(*curves["one by one"], strict=True))[2]
    seen = [charts.Series(name, [(count, 1000 * taken) for count, taken in points]) for name, points in curves.items()]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    chart = charts.lines(seen, "milliseconds of an image", "tiles")
    OUT.write_text(page("Looking at an image", "", [("plot", "", chart)], ""), encoding="utf-8")
    print(f"batches of 4: {1000 * slope:.1f} ms a tile and {1000 * intercept:.1f} ms once; R^2 {r2:.4f}")
    print(f"one by one: R^2 {single:.4f}")
    beaten = [found["one by one", count] / found["batches of 4", count] for count in (4, 8, 12, 16)]
    print("one by one over batches of 4, at 4, 8, 12 and 16 tiles:", ", ".join(f"{ratio:.2f}" for ratio in beaten))
    growth = {name: found[name, 16] / found[name, 1] for name in ("batches of 4", "native")}
    line = (
        f"16 tiles over one: {growth['batches of 4']:.1f} times in tiles, {growth['native']:.1f} in native resolution"
    )
    print(f"{line}; native over tiles at 16: {found['native', 16] / found['batches of 4', 16]:.2f}")
    print(f"plot: {OUT}")
    say("tile_latency_r2", r2, 0.99, "R^2 of seconds against tiles, in batches of 4", fit_native(curves["native"]))


def fit_native(points: Sequence[tuple[int, float]]) -> float:
    """R^2 of a line through the native-resolution ViT's times."""
    return fit(*zip(*points, strict=True))[2]


if __name__ == "__main__":
    main()
