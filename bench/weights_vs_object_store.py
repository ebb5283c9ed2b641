"""Weights from a trainer to two engines: broadcast as in RL, against Ray's object store.

Both ways begin with a flat tensor in the trainer's process and end with it in each engine's own memory.

python -m bench.weights_vs_object_store [--full] [mb=N]     # 50 MB; with --full 500 MB too
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import ray
import torch
from torch import nn

from bench.parts.line import number_of, say
from lapis.rl.fleet import cluster
from lapis.rl.fleet.messages import Address, Call
from lapis.rl.fleet.weights import Broadcast, Flat, listen

ENGINES, TIMES = 2, 5


class End:
    """A process with a flat tensor; a bench's actor."""

    def __init__(self, megabytes: int):
        torch.set_num_threads(1)
        self.flat = Flat(nn.Linear(1000, 250 * megabytes, bias=False), torch.float32)
        self.way = Broadcast(ray.util.get_node_ip_address(), 16.0)

    def listen(self) -> Address:
        """Of the trainer."""
        store, address = listen(ray.util.get_node_ip_address())
        self.way = Broadcast(address[0], 16.0, store)
        return address

    def send(self, call: Call) -> None:
        """The trainer's end of a broadcast."""
        self.way.send(self.flat, call)

    def receive(self, call: Call, rank: int) -> None:
        """An engine's end."""
        self.way.receive(self.flat, call, rank)

    def put(self) -> Any:
        """The trainer's end by the object store."""
        return [ray.put(self.flat.values.numpy())]

    def take(self, refs: list[Any]) -> None:
        """An engine's end."""
        self.flat.values.copy_(torch.from_numpy(ray.get(refs[0])))


def compared(megabytes: int) -> tuple[float, float]:
    """Median seconds of (broadcast, object store)."""
    actor = ray.remote(num_cpus=0, max_concurrency=2)(End)
    trainer, *engines = (actor.remote(megabytes) for _ in range(1 + ENGINES))
    address = ray.get(trainer.listen.remote())
    sent, stored = [], []
    for number in range(1 + TIMES):
        begin = time.perf_counter()
        call = Call(0, address, 1 + ENGINES, number)
        ray.get([trainer.send.remote(call), *(one.receive.remote(call, rank) for rank, one in enumerate(engines, 1))])
        middle = time.perf_counter()
        refs = ray.get(trainer.put.remote())
        ray.get([one.take.remote(refs) for one in engines])
        sent.append(middle - begin)
        stored.append(time.perf_counter() - middle)
        del refs
    for one in (trainer, *engines):
        ray.kill(one)
    return statistics.median(sent[1:]), statistics.median(stored[1:])


def main() -> None:
    sizes = (number_of(sys.argv, "mb", 50), *((500,) if "--full" in sys.argv else ()))
    cluster.start(log_to_driver=False, store=3 * 2**30)
    found = {size: compared(size) for size in sizes}
    ray.shutdown()
    for size, (sent, stored) in found.items():
        print(f"{size} MB to {ENGINES} engines: {1e3 * sent:.0f} ms broadcast, {1e3 * stored:.0f} ms object store")
    sent, stored = found[sizes[0]]
    unit = f"times as fast as Ray's object store, {sizes[0]} MB to two engines"
    say("weights_vs_object_store", stored / sent, None, unit, 1.0)


if __name__ == "__main__":
    main()
