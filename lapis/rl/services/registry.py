"""Reward services by identifier: begun, found, told and ended. Ray Serve's controller keeps the list.

An identifier is a Serve application of one deployment. There is no HTTP: services are asked through Ray.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

from lapis.rl.services.made import refuse
from lapis.service_config import Service
from lapis.types import InputError

APP = "reward-"
"""Serve's applications that are ours begin so."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
STARTS = 2
"""Times that a replica may fail to start before the service is given up."""


def _serve() -> Any:
    """Ray Serve. Raises InputError where this process has joined no cluster."""
    import ray
    from ray import serve

    if not ray.is_initialized():
        raise InputError("reward services: no Ray cluster is joined; expected its ray.address")
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    return serve


def start(name: str, service: Service) -> None:
    """Have a service under an identifier, and wait until its least replicas are there. One that is there already goes
    over to the new config, replica by replica.

    Raises InputError for an identifier or a config that cannot work, and for replicas that do not start.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r}: no identifier; expected letters, digits, '.', '_' and '-', at most 64")
    refuse(service)
    serve = _serve()
    from lapis.rl.services.replica import Replica

    serve.start(proxy_location="Disabled")
    _fits(service)
    new = name not in {one.name for one in listed()}
    deployment = serve.deployment(Replica, name="reward", **_options(service))
    try:
        serve.run(deployment.bind(service), name=APP + name, route_prefix=None)
    except RuntimeError:
        said = [one.message for one in serve.status().applications[APP + name].deployments.values()]
        if new:
            serve.delete(APP + name)
        raise InputError(f"{name}: does not start: {_last(said[0])}") from None


def _fits(service: Service) -> None:
    """Serve waits for ever for what no machine of the cluster has."""
    import ray

    there, least = ray.cluster_resources(), service.scale.least
    for field, wanted, kind in (("cpus", service.cpus, "CPU"), ("gpus", service.gpus, "GPU")):
        if wanted * least > there.get(kind, 0.0):
            raise InputError(f"{field}: {wanted:g} for {least} replicas, the cluster has {there.get(kind, 0.0):g}")


def _options(service: Service) -> dict[str, Any]:
    from ray.serve.config import AutoscalingConfig

    scale = service.scale
    return {
        "ray_actor_options": {"num_cpus": service.cpus, "num_gpus": service.gpus},
        "max_ongoing_requests": service.batch.size * service.batch.at_once,
        "max_constructor_retry_count": STARTS,
        "health_check_period_s": service.health,
        "graceful_shutdown_timeout_s": service.seconds * service.batch.size,
        "autoscaling_config": AutoscalingConfig(
            min_replicas=scale.least,
            max_replicas=scale.most,
            target_ongoing_requests=scale.ongoing,
            upscale_delay_s=scale.up,
            downscale_delay_s=scale.down,
            metrics_interval_s=scale.interval,
            look_back_period_s=scale.window,
        ),
    }


def _last(text: str) -> str:
    """The line of a traceback that says what was wrong."""
    said = [line.strip() for line in text.splitlines() if "Error" in line or "Exception" in line]
    return (said or text.splitlines() or [""])[-1].strip()


def found(name: str) -> Any:
    """A handle of the service. Raises InputError where there is none of that identifier."""
    serve = _serve()
    from ray.serve.exceptions import RayServeException

    try:
        return serve.get_app_handle(APP + name)
    except RayServeException:
        there = ", ".join(one.name for one in listed()) or "none"
        raise InputError(f"{name}: no such reward service; there are: {there}") from None


@dataclass(frozen=True, slots=True)
class Listed:
    """A service that is there."""

    name: str
    status: str
    """Serve's word: HEALTHY, UPDATING, UPSCALING, DOWNSCALING, UNHEALTHY, DEPLOY_FAILED."""
    replicas: int
    """Those that answer."""
    starting: int


def listed() -> list[Listed]:
    """All services of the cluster, by name."""
    apps = _serve().status().applications
    ours = sorted(name for name in apps if name.startswith(APP))
    return [_listed(name, one) for name in ours for one in apps[name].deployments.values()]


def _listed(app: str, deployment: Any) -> Listed:
    states = deployment.replica_states
    status = deployment.status.value
    return Listed(app.removeprefix(APP), status, states.get("RUNNING", 0), states.get("STARTING", 0))


def stop(name: str) -> None:
    """End a service. Raises InputError where there is none of that identifier."""
    found(name)
    _serve().delete(APP + name)
