"""What watching costs training: norms by module at the default interval, in pairs with steps that are not watched.

python -m bench.monitor_free
"""

from __future__ import annotations

import statistics
import time

from bench.parts import steps
from bench.parts.line import say
from lapis.config import Train
from lapis.dist import guard, heap
from lapis.dist import mesh as meshes
from lapis.recipes import pocket
from lapis.train.monitor import Monitor

ROWS, LENGTH, TILES = 4, 512, 8
REPEATS = 40


def main() -> None:
    heap.keep()
    place, model = steps.place(guard.cores()), pocket.model()
    made, batch = steps.trainer(model, steps.stage(), place, meshes.alone()), steps.batch(model, ROWS, LENGTH, TILES)

    def timed(every: int) -> float:
        made.monitor = Monitor(made.optimizer, made.mesh, every)
        began = time.perf_counter()
        made.step(batch, 0, 0.0)
        return time.perf_counter() - began

    timed(1)
    pairs = [(timed(0), timed(1)) for _ in range(REPEATS)]
    plain = statistics.median(one for one, _ in pairs)
    extra = max(0.0, statistics.median(other - one for one, other in pairs))
    every = Train.__dataclass_fields__["watch_every"].default
    print(f"a step {plain * 1e3:.0f} ms, a watched one {extra * 1e3:.1f} ms more, every {every} steps")
    say(
        "monitor_free",
        1 - extra / every / plain,
        0.98,
        "1 - time of the monitor as a share of step time",
        1 - extra / plain,
    )


if __name__ == "__main__":
    main()
