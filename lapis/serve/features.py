"""What was made of images, by their bytes: as many as a stated memory holds, the one used longest ago goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, MutableMapping

import torch


class Features(MutableMapping[bytes, torch.Tensor]):
    """Features [V, D] of images. One that is larger than the whole memory is not kept at all."""

    def __init__(self, limit: int):
        self.limit = limit
        """Most bytes of all tensors together."""
        self.bytes = 0
        self._kept: OrderedDict[bytes, torch.Tensor] = OrderedDict()

    def __getitem__(self, data: bytes) -> torch.Tensor:
        self._kept.move_to_end(data)
        return self._kept[data]

    def __setitem__(self, data: bytes, features_VD: torch.Tensor) -> None:
        self.pop(data, None)
        self._kept[data] = features_VD
        self.bytes += features_VD.nbytes
        while self.bytes > self.limit:
            del self[next(iter(self._kept))]

    def __delitem__(self, data: bytes) -> None:
        self.bytes -= self._kept.pop(data).nbytes

    def __contains__(self, data: object) -> bool:
        return data in self._kept

    def __iter__(self) -> Iterator[bytes]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)
