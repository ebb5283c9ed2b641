"""What a service serves, made from its config in each replica; what cannot work is refused before there is one."""

from __future__ import annotations

from collections.abc import Callable

from lapis import plug, verify
from lapis.endpoint import Endpoint, refuse_address
from lapis.reward_config import Asking
from lapis.rl.rewards.apart import Apart
from lapis.rl.rewards.asking import Server
from lapis.rl.rewards.book import Reward
from lapis.rl.rewards.checker import Checker
from lapis.rl.rewards.judge import Judge
from lapis.rl.rewards.made import refuse_folder, trained
from lapis.service_config import Service
from lapis.types import InputError

MODELS: dict[str, Callable[[Server, str, Asking], Reward]] = {"grader": Judge, "checker": Checker}
"""Kinds that ask a server."""


def made(service: Service) -> Reward:
    """The reward. Raises InputError for what cannot be imported or read."""
    if service.kind == "rules":
        return Apart(verify.decide, service.workers, service.seconds)
    if service.kind == "own":
        return Apart(plug.named(service.place, "place"), service.workers, service.seconds)
    if service.kind == "made":
        return plug.named(service.place, "place")()
    if service.kind == "trained":
        return trained(service.place)
    endpoint = _endpoint(service)
    return MODELS[service.kind](Server(endpoint), endpoint.model, service.asking)


def _endpoint(service: Service) -> Endpoint:
    endpoint = service.endpoint or Endpoint()
    refuse_address(endpoint.url, f"endpoint.url of a {service.kind}")
    return endpoint


def refuse(service: Service) -> None:
    """Raises InputError for what no replica could work with."""
    scale, room = service.scale, service.batch.size * service.batch.at_once
    if scale.least > scale.most:
        raise InputError(f"scale.most: {scale.most}, expected {scale.least} or more, which is scale.least")
    if scale.window <= scale.interval:
        raise InputError(f"scale.window: {scale.window:g}, expected more than {scale.interval:g}, the scale.interval")
    if scale.ongoing > room:
        raise InputError(f"scale.ongoing: {scale.ongoing:g}, expected at most {room}, batch.size times batch.at_once")
    if service.kind in MODELS:
        _endpoint(service)
    if service.kind in ("own", "made") and not callable(plug.named(service.place, "place")):
        raise InputError(f"place: {service.place} is no function")
    if service.kind == "trained":
        refuse_folder(service.place, "place")
