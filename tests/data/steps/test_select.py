"""Key data resampling: hand-counted weights, bytes that stay what they were, copies that depend on the id alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from lapis.data.steps import select
from lapis.data_config.judge import Select

EVEN = Select(rare=0, hard=0, quality=0, saturated=0)


def rows(**columns: list) -> pa.Table:
    count = len(columns["kind"])
    return pa.table({"id": [f"row {number}" for number in range(count)], "text": ["x" * 10] * count, **columns})


def planned(table: pa.Table, rules: Select = select.RULES) -> select.Plan:
    tally = select.Tally(rules)
    tally.add(table)
    return tally.plan()


def test_with_nothing_to_choose_by_every_row_is_taken_once() -> None:
    table = rows(kind=["a"] * 5 + ["b"])
    plan = planned(table, EVEN)
    assert (plan.kinds, plan.scale) == ({"a": 1.0, "b": 1.0}, 1.0)
    assert select.change(table, plan)["copies"].to_pylist() == [1] * 6


def test_weights_of_kinds_by_hand() -> None:
    """Eight rows of a, two of b: N / (K n) is 10 / 16 and 10 / 4. a is easy: 0.25 + 0.75 * 0.15 / 0.3."""
    table = rows(kind=["a"] * 8 + ["b"] * 2, difficulty=[0.1, 0.2] * 4 + [0.5, 0.3])
    plan = planned(table, Select(rare=0.5, hard=0, quality=0, saturated=0.3, floor=0.25))
    assert plan.kinds["a"] == pytest.approx((10 / 16) ** 0.5 * 0.625)
    assert plan.kinds["b"] == pytest.approx((10 / 4) ** 0.5)


def test_hard_and_good_rows_weigh_more_and_the_hardest_less() -> None:
    """Five known difficulties stand at 0.1, 0.3, 0.5, 0.7 and 0.9; the ramp rises to 1 at 0.7 and is 1/3 at 0.9."""
    rules = Select(rare=0, hard=1, peak=0.7, saturated=0, quality=0.5)
    table = rows(kind=["a"] * 7, difficulty=[0, 0.1, 0.3, 0.8, 1, None, None], quality=[None] * 6 + [1.0])
    weights = [0.5 + 1 / 7, 0.5 + 3 / 7, 0.5 + 5 / 7, 1.5, 0.5 + 1 / 3, 0.5 + 5 / 7, (0.5 + 5 / 7) * 1.5]
    plan = planned(table, rules)
    assert (plan.kinds, plan.ranks) == ({"a": 1.0}, {"a": [0, 0.1, 0.3, 0.8, 1]})
    assert plan.scale == pytest.approx(7 / sum(weights))
    ids = [f"{weight}" for weight in range(7 * 600)]
    many = pa.concat_tables([table] * 600).set_column(0, "id", pa.array(ids))
    copies = select.change(many, plan)["copies"].to_numpy().reshape(600, 7).mean(0)
    np.testing.assert_allclose(copies, np.array(weights) * 7 / sum(weights), atol=0.06)


def test_rows_as_hard_as_each_other_stand_in_the_middle() -> None:
    table = rows(kind=["a"] * 6, difficulty=[0.9] * 6)
    plan = planned(table, Select(hard=1, peak=0.5, quality=0))
    assert plan.scale == pytest.approx(1 / 1.5)


def test_the_scale_keeps_the_bytes_and_the_limit() -> None:
    rng = np.random.default_rng(0)
    for most in (1, 2, 4):
        weights, sizes = rng.pareto(1, 300), rng.integers(1, 900, 300).astype(float)
        scale = select.scale_of(weights, sizes, most)
        assert (sizes * np.minimum(most, scale * weights)).sum() == pytest.approx(sizes.sum(), rel=1e-9)
    assert select.scale_of(np.array([8.0, 1.0, 1.0]), np.ones(3), 2) == pytest.approx(0.5)
    assert select.scale_of(np.zeros(3), np.ones(3), 4) == 0.0


def test_copies_are_the_whole_part_and_by_chance_one_more() -> None:
    table = rows(kind=["a"] * 4000)
    copies = select.change(table, select.Plan({"a": 1.0}, {}, 1.3, EVEN))["copies"].to_numpy()
    assert set(copies.tolist()) == {1, 2}
    assert copies.mean() == pytest.approx(1.3, abs=0.03)
    assert select.change(table, select.Plan({"a": 1.0}, {}, 9.0, EVEN))["copies"].to_pylist() == [4] * 4000


def test_copies_depend_neither_on_order_nor_on_slices() -> None:
    rng = np.random.default_rng(1)
    table = rows(kind=[("a", "b", "c")[at] for at in rng.integers(0, 3, 200)], difficulty=rng.random(200).tolist())
    tally = select.Tally()
    for part in (table.slice(0, 60), table.slice(60, 0), table.slice(60)):
        tally.add(part)
    plan = tally.plan()
    whole = select.change(table, plan)
    order = rng.permutation(200)
    turned = select.change(table.take(order), plan)
    assert turned["copies"].to_pylist() == whole["copies"].take(pa.array(order)).to_pylist()
    assert sum(whole["copies"].to_pylist()) == pytest.approx(200, abs=15)
    assert select.taken(whole).num_rows == sum(whole["copies"].to_pylist())
    gone = select.judge(whole).to_pylist()
    assert gone == ["resampled away" if count == 0 else None for count in whole["copies"].to_pylist()]


def test_no_rows_make_a_plan_all_the_same() -> None:
    plan = select.Tally().plan()
    assert (plan.kinds, plan.scale) == ({}, 0.0)
