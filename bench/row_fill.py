"""How much of a step's rows is useful tokens: packed under two budgets, against first come and against padding.

python -m bench.row_fill [run=FOLDER]
"""

from __future__ import annotations

import sys

import numpy as np

from bench.parts import rows
from bench.parts.line import run_of, say
from lapis import config
from lapis.data.pack import Plan
from lapis.recipes import blue3b

PACK = config.Pack(row_tokens=4096, rows=64, tiles=781)
"""The 3B recipe's rows and tiles a row, for 64 rows instead of 16,384."""
STEPS, SEED = 48, 0


def useful(mixed: rows.Mixed, plan: Plan) -> float:
    """Share of the tokens of all rows that are some sample's."""
    return float(mixed.pieces.length[plan.pieces].sum()) / (plan.steps * plan.rows * mixed.pack.row_tokens)


def useful_padded(mixed: rows.Mixed, plan: Plan) -> float:
    """The same where a row is one sample, padded to the longest of its step."""
    lengths = mixed.pieces.length[plan.pieces].reshape(plan.steps, -1)
    return float(lengths.sum() / (lengths.max(axis=1).sum() * lengths.shape[1]))


def main() -> None:
    run = run_of(sys.argv[1:])
    mixed = rows.of_run(run)[0] if run else rows.heavy_tailed(blue3b.model(), PACK)
    tiles = mixed.pieces.tiles[mixed.pieces.tiles > 0]
    print(f"{len(mixed.pieces.sample)} pieces; tiles, where any: median {np.median(tiles):.0f}, most {tiles.max()}")
    packed, first = (useful(mixed, plan) for plan in (mixed.plan(STEPS, SEED), rows.first_come(mixed, STEPS, SEED)))
    alone = useful_padded(mixed, rows.padded(mixed, STEPS, SEED))
    print(
        f"useful tokens: packed {packed:.1%}, first come {first:.1%}, a sample a row padded to the longest {alone:.1%}"
    )
    say("row_fill", packed, 0.97, "useful share of row tokens", first)


if __name__ == "__main__":
    main()
