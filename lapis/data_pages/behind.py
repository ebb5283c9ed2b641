"""The samples that shards were made of: a shard holds tokens and pictures, the file of its samples all that is known.

The data stage makes shards of its samples files in their order and leaves out what equals a held-out sample, so the
n-th sample of the shards is the n-th row that was not left out.
"""

from __future__ import annotations

import json
from pathlib import Path

from lapis.data import store


def rows(shards: Path, count: int) -> list[tuple[Path, int]]:
    """(file, row) of the sample behind each of a folder's `count` tokenised ones, where the data stage that made them
    is still beside them; else none."""
    folder, told = shards.parent / "samples", shards.parent / "steps" / "decontaminate.json"
    leaked = set(json.loads(told.read_text(encoding="utf-8"))["keys"]) if told.is_file() else set()
    found = [
        (path, row)
        for path in sorted(folder.glob("*.parquet"))
        for row, key in enumerate(store.read_column(path, "key"))
        if key not in leaked
    ]
    return found if len(found) == count else []
