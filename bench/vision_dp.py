"""Context parallelism over two processes: tiles dealt and gathered, against every rank encoding all of them.

The speed-up is compared with the bound that the measured shares allow: with a share v of the step in the vision parts
when every rank encodes all tiles, dealing them over n ranks can save v (1 - 1 / n) of it.

python -m bench.vision_dp
"""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bench.parts import steps
from bench.parts.line import say
from lapis import config
from lapis.data.deal import cost_of
from lapis.dist import context
from lapis.dist import mesh as meshes
from lapis.recipes import blue3b, pocket
from lapis.types import Batch

ROWS, LENGTH, TILES, RANKS = 1, 4096, 24, 2
TIMES, REPEATS = 6, 3
WAYS = {"dealt": (True, TILES), "all": (False, TILES), "blind": (True, 0)}
LARGE = 8
"""Context ranks of the 3B recipe."""


class Everyone(context.Spread):
    """Every rank encodes all tiles, as is common; each keeps the features of its own tokens."""

    def _own_tiles(self, batch: Batch) -> Batch:
        return batch

    def _deliver(self, tokens_Bt: torch.Tensor, features_VW: torch.Tensor) -> torch.Tensor:
        assert self.batch is not None
        here_BT = self.batch.tokens_BT == self.image_token
        number_BT = (here_BT.flatten().cumsum(0) - 1).view_as(here_BT)
        return features_VW[number_BT[:, self.own_T][here_BT[:, self.own_T]]]


def measured(dealt: bool, tiles: int) -> float:
    """Median seconds of a step."""
    place, model = steps.place(1), pocket.model()
    entry = steps.stage(cell_weight=0.0, patch_weight=0.0, place_weight=0.0)
    made = steps.trainer(model, entry, place, meshes.build(config.Dist(cp=RANKS), place.device))
    if not dealt:
        made.context = Everyone(made.mesh, model.image_token)
        made.context.attach(steps.step.unwrap(made.network))
    batch = steps.batch(model, ROWS, LENGTH, tiles)
    return steps.seconds(lambda number: made.step(batch, number, 1.0), TIMES)


def bound(share: float, ranks: int) -> float:
    """The most that dealing tiles over ranks can speed a step up."""
    return 1 / (1 - share * (1 - 1 / ranks))


def predicted() -> tuple[float, float]:
    """(share of vision, speed-up) of the 3B recipe at full rows of tiles, by FLOPs."""
    cost, model = cost_of(blue3b.model()), blue3b.model()
    length, half = 32768, 16384
    tiles = half // (model.tokens_per_tile + 2)
    text = (length * cost.token + length * length * cost.pair) / LARGE
    share = tiles * cost.tile / (tiles * cost.tile + text)
    return share, bound(share, LARGE)


def main() -> None:
    found = []
    with TemporaryDirectory() as folder:
        for repeat in range(REPEATS):
            here = Path(folder) / str(repeat)
            dealt, everyone, blind = (
                max(steps.processes(measured, RANKS, here / name, *how)) for name, how in WAYS.items()
            )
            share = max(0.0, 1 - blind / everyone)
            found.append((everyone / dealt, bound(share, RANKS), share))
            print(f"dealt {dealt:.3f} s, every rank all tiles {everyone:.3f} s, no tiles {blind:.3f} s a step")
    gain, most, share = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"speed-up {gain:.2f} of at most {most:.2f}, with {share:.0%} of the step in vision")
    large, speed = predicted()
    print(f"3B recipe, 32K tokens half of them of tiles, cp {LARGE}: {large:.0%} vision, speed-up {speed:.2f} by FLOPs")
    say("vision_dp", gain / most, 0.9, "measured speed-up by the bound of the measured shares", 1 / most)


if __name__ == "__main__":
    main()
