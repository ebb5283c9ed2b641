"""What a server counts, in Prometheus' text form. Nothing of what is asked or answered is in it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lapis.serve.backend import Delta, Load

FIRST = (0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
SPEED = (1, 3, 10, 20, 50, 100, 200, 500, 1000, 3000)
GAUGES = {
    "lapis_live_slots": ("live", "Requests that hold a slot"),
    "lapis_queue_waiting": ("waiting", "Requests of the queue"),
    "lapis_kv_used_ratio": ("cache_used", "Share of the KV cache that live requests may fill or have filled"),
}
COUNTERS = {
    "lapis_prompt_tokens": ("prompt_tokens", "Tokens of prompts"),
    "lapis_shared_tokens": ("shared_tokens", "Tokens of prompts that were there already"),
    "lapis_written_tokens": ("written_tokens", "Tokens written, thoughts included"),
    "lapis_images": ("images", "Images encoded"),
}


class Engine(Collector):
    """An engine's own numbers, read when they are asked for."""

    def __init__(self, load: Callable[[], Load]):
        self._load = load

    def collect(self) -> Iterator[Metric]:
        load = self._load()
        for name, (field, about) in GAUGES.items():
            yield GaugeMetricFamily(name, about, value=getattr(load, field))
        for name, (field, about) in COUNTERS.items():
            yield CounterMetricFamily(name, about, value=getattr(load, field))


class Metrics:
    """One server's numbers, in a registry of its own."""

    def __init__(self, load: Callable[[], Load]):
        self.registry = CollectorRegistry()
        self.registry.register(Engine(load))
        self.requests = Counter(
            "lapis_requests", "Requests answered, by path and status", ["path", "status"], registry=self.registry
        )
        self.running = Gauge("lapis_requests_running", "Requests that are being answered", registry=self.registry)
        self.thought = Counter("lapis_thought_tokens", "Tokens of thoughts", registry=self.registry)
        self.first = Histogram(
            "lapis_first_token_seconds", "From a request to its first token", buckets=FIRST, registry=self.registry
        )
        self.speed = Histogram(
            "lapis_tokens_per_second", "Of an answer after its first token", buckets=SPEED, registry=self.registry
        )

    def text(self) -> bytes:
        """All of them in Prometheus' text form."""
        return generate_latest(self.registry)

    async def watch(self, deltas: AsyncIterator[Delta]) -> AsyncGenerator[Delta, None]:
        """An answer's deltas, passed on and counted."""
        began, first, early, tokens = time.perf_counter(), 0.0, 0, 0
        async with aclosing(cast(AsyncGenerator[Delta, None], deltas)) as coming:
            async for delta in coming:
                now = time.perf_counter()
                tokens += delta.tokens
                if not first and delta.tokens:
                    first, early = now, delta.tokens
                    self.first.observe(now - began)
                if delta.completion is not None:
                    self.thought.inc(delta.completion.thought_tokens)
                    if tokens > early and now > first:
                        self.speed.observe((tokens - early) / (now - first))
                yield delta
