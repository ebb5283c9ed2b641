"""How fast a device multiplies, measured: what a stage's MFU is a share of, and what a machine must reach to begin.

Shape legend: N = SIDE of the device, rows and columns of a square matrix.
"""

from __future__ import annotations

import time

import torch

SIDE = {"cuda": 8192, "cpu": 1024}
"""Of the matrices that are multiplied."""
TIMES = 5


def product(device: torch.device, dtype: torch.dtype) -> float:
    """FLOPs per second of the fastest of a few large matrix products: what else the machine does slows only some."""
    side = SIDE[device.type]
    a_NN = torch.ones(side, side, dtype=dtype, device=device)
    shortest = float("inf")
    for _ in range(TIMES):
        began = time.perf_counter()
        float((a_NN @ a_NN)[0, 0])
        shortest = min(shortest, time.perf_counter() - began)
    return 2 * side**3 / shortest
