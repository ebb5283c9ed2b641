"""Strong scaling: one process of one thread against two of one thread each, on the same global batch.

python -m bench.scaling_two
"""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.parts import steps
from bench.parts.line import say
from lapis import config
from lapis.dist import mesh as meshes
from lapis.recipes import pocket
from lapis.train import micro

ROWS, LENGTH, TILES = 8, 512, 16
TIMES, REPEATS = 12, 3


def measured(shape: config.Dist | None) -> float:
    """Median seconds of a step on this process's rows."""
    place, model = steps.place(1), pocket.model()
    mesh = meshes.build(shape, place.device) if shape else meshes.alone()
    made = steps.trainer(model, steps.stage(), place, mesh)
    rows = ROWS // mesh.rows
    batch = steps.batch(model, ROWS, LENGTH, TILES)
    tiles_B = steps.step.tiles_per_row(made.network, batch)
    mine = list(micro.parts(batch, tiles_B, range(0, ROWS + 1, rows)))[mesh.row_rank]
    return steps.seconds(lambda number: made.step(mine, number, 1.0), TIMES)


def main() -> None:
    ratios = []
    with TemporaryDirectory() as folder:
        for repeat in range(REPEATS):
            (one,) = steps.processes(measured, 1, Path(folder) / f"one{repeat}", None)
            two = max(steps.processes(measured, 2, Path(folder) / f"two{repeat}", config.Dist()))
            ratios.append(one / two / 2)
            print(f"one process {one:.3f} s a step, two {two:.3f} s: efficiency {ratios[-1]:.1%}")
    say("scaling_two", statistics.median(ratios), 0.95, "speed of two processes by twice the speed of one", 0.5)


if __name__ == "__main__":
    main()
