"""A program for ExecuTorch as a generator that is measured: what its cache has no room for stays unanswered"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lapis.serve.errors import DecodeTooLong, PromptTooLong
from lapis.serve.executorch import Device
from lapis.types import Completion, Request


class Program:
    """The program of a folder. Satisfies `types.Generator`. Raises InputError where the folder holds no whole one."""

    def __init__(self, folder: Path):
        self._device = Device(folder)

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers, one after the other; none, ended by `length`, where question and answer are longer than the cache.

        Raises InputError for values out of range.
        """
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Completion:
        try:
            return self._device.forward(request)
        except (PromptTooLong, DecodeTooLong):
            return Completion("", "", (), (), (), (), 0, "length", False)
