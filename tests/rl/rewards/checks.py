"""Checks that processes of their own import: one that hangs, one that dies, one that throws."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from lapis.types import Verdict
from lapis.verify import Undecided


def odd(meta: Mapping[str, Any], answer: str, closed: bool) -> Verdict:
    """Does as the answer says; else scores 1 for a text of odd length, plus `meta["more"]`."""
    if answer == "hang":
        time.sleep(600)
    if answer == "die":
        os._exit(7)
    if answer == "throw":
        raise ValueError("no such luck")
    if answer == "unsure":
        raise Undecided("nobody can tell")
    return Verdict(len(answer) % 2 + meta.get("more", 0), f"{len(answer)} characters in process {os.getpid()}")
