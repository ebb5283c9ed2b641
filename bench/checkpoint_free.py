"""What checkpoints cost training at the default interval: written beside it, against training that waits.

python -m bench.checkpoint_free
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.parts import steps
from bench.parts.line import say
from lapis.dist import checkpoint, guard, heap
from lapis.dist import mesh as meshes
from lapis.recipes import pocket

ROWS, LENGTH, TILES = 4, 512, 8
STEPS, REPEATS = 12, 5
"""Steps with one save among them, timed whole in pairs with as many that have none."""


def main() -> None:
    heap.keep()
    place, model, entry = steps.place(guard.cores()), pocket.model(), steps.stage()
    made, batch = steps.trainer(model, entry, place, meshes.alone()), steps.batch(model, ROWS, LENGTH, TILES)

    def timed(save: bool, saver: checkpoint.Saver, waits: bool) -> float:
        began = time.perf_counter()
        for number in range(STEPS):
            made.step(batch, number, 0.0)
            if save and number == 0:
                saver.save(number, made.tensors(), {})
                if waits:
                    saver.wait()
        taken = time.perf_counter() - began
        saver.wait()
        return taken

    beside, waited, plain = [], [], []
    with TemporaryDirectory() as folder, checkpoint.Saver(Path(folder)) as saver:
        timed(True, saver, False)
        for _ in range(REPEATS):
            plain.append(timed(False, saver, False))
            beside.append(timed(True, saver, False))
            waited.append(timed(True, saver, True))
    every = statistics.median(plain) / STEPS * entry.checkpoint_every
    stall, blocking = (
        max(0.0, statistics.median(a - b for a, b in zip(one, plain, strict=True))) / every for one in (beside, waited)
    )
    print(
        f"{entry.checkpoint_every} steps take {every:.1f} s; a save beside costs {stall:.2%} of that, "
        f"one that is waited for {blocking:.2%}"
    )
    say("checkpoint_free", 1 - stall, 0.95, "1 - stall by checkpoints as a share of step time", 1 - blocking)


if __name__ == "__main__":
    main()
