"""The rewards of a run, made from its config: rules, the user's own checks, models that are asked, models that score.

One function names them all (`rewards_of`), wherever they are needed: in the loop of one process, or in a judge's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from lapis import plug, reward_config, verify
from lapis.data.mixture import belongs
from lapis.endpoint import refuse_address
from lapis.rl.rewards.apart import Apart
from lapis.rl.rewards.asking import Server
from lapis.rl.rewards.book import Book, Reward
from lapis.rl.rewards.checker import Checker
from lapis.rl.rewards.judge import Judge
from lapis.types import InputError


def book_of(how: reward_config.Rewards, device: str = "auto") -> Book:
    """The book of a run; `close` it. Raises InputError for a check that cannot be imported, and for a folder that
    holds no reward model."""
    return Book(rewards_of(how, device), how.seconds, how.beside)


def rewards_of(how: reward_config.Rewards, device: str = "auto") -> dict[str, Reward]:
    """Every reward by its identifier; `device` is where reward models compute. Raises InputError as `book_of` does."""
    rules = Apart(verify.decide, how.workers, how.seconds)
    return {
        **dict.fromkeys(verify.VERIFIERS, rules),
        **{name: _own(name, place, how) for name, place in how.own.items()},
        **{name: Judge(Server(one), one.model, how.asking) for name, one in how.graders.items()},
        **{name: Checker(Server(one), one.model, how.asking) for name, one in how.checkers.items()},
        **{name: trained(folder, device) for name, folder in how.trained.items()},
        **{name: _service(name, how) for name in how.services},
    }


def _own(name: str, place: str, how: reward_config.Rewards) -> Reward:
    return Apart(plug.named(place, f"rewards.own.{name}"), how.workers, how.seconds)


def trained(folder: str, device: str = "auto") -> Reward:
    """The reward model in a folder. Raises InputError where there is none."""
    from lapis.dist import guard
    from lapis.rl.reward_model import Preference

    # A judge's process on Ray has no GPU, also where the run asks for one.
    return Preference(Path(folder), guard.device_of("cpu" if device == "cpu" else "auto"))


def _service(name: str, how: reward_config.Rewards) -> Reward:
    from lapis.rl.services.client import Remote

    return Remote(name, how.calling)


def names(how: reward_config.Rewards) -> list[str]:
    """Identifiers that somebody answers to, each as often as it is given."""
    return [*verify.VERIFIERS, *how.own, *how.graders, *how.checkers, *how.trained, *how.services]


def refuse(how: reward_config.Rewards, where: str, kinds: Iterable[str]) -> None:
    """Raises InputError, which begins with `where`, for what cannot work: an identifier that two have, a check that
    cannot be imported, an address that is none, a folder without a reward model, a model beside the rules that is no
    checker, tries of a service that take too long, and the weight of a kind that is none of `kinds`."""
    twice = [name for name, many in Counter(names(how)).items() if many > 1]
    if twice:
        raise InputError(f"{where}: {twice[0]!r} names two rewards; expected an identifier of its own")
    for name, place in how.own.items():
        if not callable(plug.named(place, f"{where}.own.{name}")):
            raise InputError(f"{where}.own.{name}: {place} is no function")
    for field in ("graders", "checkers"):
        for name, endpoint in getattr(how, field).items():
            refuse_address(endpoint.url, f"{where}.{field}.{name}.url")
            if not endpoint.model:
                raise InputError(f"{where}.{field}.{name}.model: empty, expected what its server calls it")
    for name, folder in how.trained.items():
        refuse_folder(folder, f"{where}.trained.{name}")
    if how.beside and how.beside not in how.checkers:
        raise InputError(f"{where}.beside: {how.beside!r}, expected one of checkers ({', '.join(how.checkers)})")
    tries = how.calling.retries + 1
    if how.services and how.seconds < tries * how.calling.seconds:
        raise InputError(
            f"{where}.seconds: {how.seconds:g}, expected at least {tries * how.calling.seconds:g}: {tries} tries of "
            f"calling.seconds"
        )
    _kinds(how, where, list(kinds))


def _kinds(how: reward_config.Rewards, where: str, kinds: list[str]) -> None:
    for prefix in how.weights:
        if not any(belongs(kind, prefix) for kind in kinds):
            raise InputError(f"{where}.weights.{prefix}: no such kind; there are {', '.join(kinds)}")


def refuse_folder(folder: str, field: str) -> None:
    """Raises InputError for a folder without a trained reward model."""
    if not (Path(folder) / "reward.json").is_file():
        raise InputError(f"{field}: {folder or 'empty'}: no reward model there; `lapis train-rm` makes one")
