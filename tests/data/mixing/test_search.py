"""A search over a known law finds its best mixture, keeps finished runs, and refuses those of another search."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from lapis import config
from lapis.data.mixing import choose as choosing
from lapis.data.mixing import draw, fit
from lapis.data.mixing.choose import Runs, choose
from lapis.data.mixing.free import Free
from lapis.data.mixing.search import NONE, Losses, Search, Try, compared
from lapis.data_config.mixing import Mixing
from lapis.types import InputError, Progress
from tests.data.world import Seen

KINDS = ("a", "b", "c")
FORMS = {name: form for name, form in fit.FORMS.items() if name != "trees"}
"""Those that are quick; trees have their own test."""
MEAN = {"a": 10.0, "b": 40.0, "c": 20.0}
FREE = Free(KINDS, {"a": 9000, "b": 500, "c": 500}, MEAN, {"screen": 0.4}, 0.6)
PLAN = Mixing(runs=24, wide=16, whole=0, resamples=20, seeds=2, steps=5, check_steps=7)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "FORMS", FORMS)
    monkeypatch.setattr(choosing, "CANDIDATES", 4000)


def losses_of(shares: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Each kind's loss falls with its own share, and `c` with that of `b` too."""
    helped = shares + np.array([0.0, 0.0, 0.5]) * shares[..., 1:2]
    return (
        np.array([1.0, 2.0, 0.5])
        + np.array([0.2, 0.5, 0.3]) * (helped + 0.02) ** -0.5
        + np.random.default_rng(seed).normal(0, noise, shares.shape)
    )


class Law:
    """Proxies that need no training."""

    def __init__(self, tilt: float = 0.0) -> None:
        self.asked: list[str] = []
        self.dies_at = -1
        self.tilt = tilt
        """How much more of `c` the recipe's own decoder wants than proxies do."""

    def train(self, tries: Sequence[Try], progress: Progress) -> Iterator[Losses]:
        for one in tries:
            if len(self.asked) == self.dies_at:
                raise KeyboardInterrupt
            self.asked.append(one.name)
            progress.advance(one.steps)
            tokens = np.array([one.weights[kind] * MEAN[kind] for kind in KINDS])
            shares = tokens / tokens.sum()
            found = losses_of(shares, 0.002, len(self.asked))
            found[2] -= one.whole * self.tilt * np.log(shares[2] + 0.01)
            yield {half: dict(zip(KINDS, map(float, found), strict=True)) for half in ("fit", "check")}


def best_of_all() -> np.ndarray:
    """The law's own best mixture, from a grid."""
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 101)] * 2), -1).reshape(-1, 2)
    grid = grid[grid.sum(1) <= 1]
    shares = np.concatenate([grid, 1 - grid.sum(1, keepdims=True)], 1)
    return shares[losses_of(shares).mean(1).argmin()]


def search(folder: Path, proxies: Law, plan: Mixing = PLAN) -> Search:
    return Search(folder, plan, FREE, {"recipe": "t", "stage": "s", "data": "d"}, proxies)


def test_the_laws_best_mixture_is_found_and_beats_the_plain_ones(tmp_path: Path) -> None:
    tries, checks = Seen(), Seen()
    one = search(tmp_path, Law())
    choice = one.found(tries)
    content = one.write(choice, one.checked(choice, checks))
    assert tries.steps == 24 * 5 and checks.steps == 3 * 2 * 7
    truth = best_of_all()
    assert losses_of(choice.shares_J).mean() < losses_of(truth).mean() + 0.01
    assert (choice.low_J - 0.1 <= truth).all() and (truth <= choice.high_J + 0.1).all()
    assert choice.form in ("power", "log", "law") and choice.errors["linear"].rmse > choice.errors[choice.form].rmse
    gains = content["check"]["gains"]
    assert all(gain["value"] > 0 and gain["low"] <= gain["value"] <= gain["high"] for gain in gains.values())
    weights = json.loads((tmp_path / "weights.json").read_text())
    assert weights == content["mixture"] and weights["screen"] == 0.4
    assert sum(weights[kind] for kind in KINDS) == pytest.approx(0.6, abs=1e-5)
    assert json.loads((tmp_path / "mixture.json").read_text()) == content


def test_runs_of_the_recipes_own_decoder_correct_what_proxies_say(tmp_path: Path) -> None:
    def true_loss(shares: np.ndarray) -> float:
        return float(losses_of(shares).mean() - 0.3 * np.log(shares[2] + 0.01) / 3)

    found = []
    for whole in (0, 8):
        proxies, progress = Law(tilt=0.3), Seen()
        one = search(tmp_path / str(whole), proxies, dataclasses.replace(PLAN, whole=whole))
        found.append(one.found(progress).shares_J)
        assert proxies.asked[24:] == [f"whole-{number:03d}" for number in range(whole)]
        assert progress.steps == one.steps == 24 * 5 + 7 * whole
    before, after = map(true_loss, found)
    grid = np.random.default_rng(0).dirichlet([1, 1, 1], 5000)
    least = min(map(true_loss, grid))
    assert after - least < 0.5 * (before - least)


def test_the_file_of_weights_is_what_a_stage_takes(tmp_path: Path) -> None:
    from lapis.recipes import pocket

    path = tmp_path / "weights.json"
    path.write_text('{"prose": 0.25, "math/word": 0.75}')
    made = config.resolve(pocket.recipe(), [f"stages.teacher.mixture=@{path}"])
    assert made.stages[0].mixture == {"prose": 0.25, "math/word": 0.75}
    for wrong, why in ((tmp_path / "no.json", "no such file"), (tmp_path, "no JSON")):
        with pytest.raises(InputError, match=rf"stages\.teacher\.mixture: .*{why}"):
            config.resolve(pocket.recipe(), [f"stages.teacher.mixture=@{wrong}"])


def test_a_cut_search_goes_on_with_the_next_run(tmp_path: Path) -> None:
    whole = Law()
    expected = search(tmp_path / "whole", whole).found(Seen())
    cut = Law()
    cut.dies_at = 9
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "cut", cut).found(Seen())
    cut.dies_at, progress = -1, Seen()
    found = search(tmp_path / "cut", cut).found(progress)
    assert cut.asked == whole.asked and progress.steps == 24 * 5
    assert np.array_equal(found.shares_J, expected.shares_J)
    more = Law()
    search(tmp_path / "cut", more, dataclasses.replace(PLAN, runs=26)).found(Seen())
    assert more.asked == ["proxy-024", "proxy-025"]


def test_checks_of_another_choice_are_made_anew(tmp_path: Path) -> None:
    one = search(tmp_path, first := Law())
    choice = one.found(Seen())
    one.checked(choice, Seen())
    assert first.asked[24:] == [f"{name}-{seed}" for name in ("found", "uniform", "proportional") for seed in (1, 2)]
    other = dataclasses.replace(choice, shares_J=draw.uniform(3))
    again = Law()
    search(tmp_path, again).checked(other, Seen())
    assert again.asked == ["found-1", "found-2"]


def test_another_search_in_the_folder_is_refused(tmp_path: Path) -> None:
    search(tmp_path, Law()).begin()
    with pytest.raises(InputError, match=r"holds another search: steps was 5 and is 6 now"):
        search(tmp_path, Law(), dataclasses.replace(PLAN, steps=6)).begin()
    with pytest.raises(InputError, match=r'data was "d" and is "e" now'):
        dataclasses.replace(search(tmp_path, Law()), facts={"recipe": "t", "stage": "s", "data": "e"}).begin()
    search(tmp_path, Law(), dataclasses.replace(PLAN, runs=99, seeds=0, check_steps=1, resamples=10)).begin()


def test_gains_are_paired_by_seed() -> None:
    found = compared({"found": [{"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 2.0}], "uniform": [{"a": 2.0, "b": 2.0}] * 2})
    assert found["losses"]["found"] == {"mean": 1.75, "seeds": [1.5, 2.0], "kinds": {"a": 1.5, "b": 2.0}}
    assert found["gains"]["uniform"] == pytest.approx({"value": 0.125, "low": 0.0, "high": 0.25})


def test_error_bars_shrink_with_more_runs() -> None:
    sizes = np.array(FREE.sizes)
    widths = []
    for runs in (12, 80):
        x = draw.mixtures(FREE.sizes, runs, 0)
        choice = choose(sizes, Runs(x, losses_of(x, 0.02, runs)), NONE, 20, 0)
        widths.append(float((choice.high_J - choice.low_J).sum()))
    assert widths[1] < widths[0]
