"""How evenly a step's estimated cost lies on the ranks: dealt by cost, against first-come rows taken in order.

The spread is (dearest - mean) / mean over the ranks, averaged over steps: what the others wait.

python -m bench.rank_balance [run=FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from bench.parts import rows
from bench.parts.line import run_of, say
from bench.row_fill import PACK, SEED, STEPS
from lapis.data.deal import Cost, Ints, cost_of, deal, spread
from lapis.data.pack import Plan
from lapis.recipes import blue3b

EACH = 8
"""Rows of a rank in the figure; the 3B recipe has 16 on 1,024 ranks."""


def in_order(costs_R: Ints, ranks: int) -> Ints:
    """Rows [K, M] of each rank where the first ranks take the first rows."""
    return np.arange(len(costs_R)).reshape(ranks, -1)


def mean_spread(costs: list[Ints], ranks: int, rows_of: Callable[[Ints, int], Ints]) -> float:
    """Over steps."""
    return float(np.mean([spread(costs_R, rows_of(costs_R, ranks)) for costs_R in costs]))


def padded_costs(mixed: rows.Mixed, cost: Cost, plan: Plan) -> list[Ints]:
    """Costs where a row is one sample, padded to the longest of its step: only tiles differ."""
    lengths = mixed.pieces.length[plan.pieces].reshape(plan.steps, -1).max(axis=1, keepdims=True)
    tiles = mixed.pieces.tiles[plan.pieces].reshape(plan.steps, -1)
    return list(lengths * (cost.token + cost.pair * lengths) + tiles * cost.tile)


def main() -> None:
    run = run_of(sys.argv[1:])
    mixed, model = rows.of_run(run) if run else (rows.heavy_tailed(blue3b.model(), PACK), blue3b.model())
    cost = cost_of(model)
    packed = rows.costs_of(mixed, cost, mixed.plan(STEPS, SEED))
    first = rows.costs_of(mixed, cost, rows.first_come(mixed, STEPS, SEED))
    alone = padded_costs(mixed, cost, rows.padded(mixed, STEPS, SEED))
    found = {}
    for each in (each for each in (1, 2, 4, EACH) if mixed.pack.rows % each == 0 and mixed.pack.rows > each):
        ranks = mixed.pack.rows // each
        dealt, plain = mean_spread(packed, ranks, deal), mean_spread(packed, ranks, in_order)
        simple, pads = mean_spread(first, ranks, in_order), mean_spread(alone, ranks, in_order)
        found[each] = (dealt, simple)
        print(
            f"{ranks} ranks, rows of each {each}: spread {dealt:.2%} dealt, {plain:.1%} the same rows in order,",
            end=" ",
        )
        print(f"{simple:.1%} first come, {pads:.1%} padded")
    dealt, simple = found[max(found)]
    say("rank_balance", 1 - dealt, 0.97, "1 - spread of estimated cost between ranks", 1 - simple)


if __name__ == "__main__":
    main()
