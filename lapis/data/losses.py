"""What steps took, gave and dropped, with examples of the dropped: `counts.json` and `dropped.parquet` of a folder."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lapis import files
from lapis.data import store
from lapis.types import Sample

EXAMPLES = 200
"""Most dropped samples shown of a step, reason and source."""
DROPPED = "dropped.parquet"
"""Of a folder: examples of the dropped, which are samples of nothing that reads the folder."""
SCHEMA = pa.schema([*store.SCHEMA, ("step", pa.string()), ("reason", pa.string()), ("other", pa.string())])
"""Of dropped.parquet; `other` is the id of the sample that stayed in a copy's place."""
Place = tuple[str, str, str]
"""Step, source, kind."""


@dataclass(slots=True)
class Losses:
    """Counts by step, source and kind, and what was dropped."""

    taken: Counter[Place] = field(default_factory=Counter)
    given: Counter[Place] = field(default_factory=Counter)
    dropped: dict[Place, Counter[str]] = field(default_factory=dict)
    shown: list[tuple[Sample, str, str, str]] = field(default_factory=list)
    _many: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def keep(self, step: str, sample: Sample) -> None:
        """A sample came in and stayed."""
        place = (step, origin(sample), sample.kind)
        self.taken[place] += 1
        self.given[place] += 1

    def drop(self, step: str, sample: Sample, reason: str, other: str = "") -> None:
        """A sample came in and went, for one of a step's few reasons."""
        place = (step, origin(sample), sample.kind)
        self.taken[place] += 1
        self.dropped.setdefault(place, Counter())[reason] += 1
        self._many[step, reason, place[1]] += 1
        if self._many[step, reason, place[1]] <= EXAMPLES:
            self.shown.append((sample, step, reason, other))

    def reasons(self, step: str) -> Counter[str]:
        """How many samples each reason of a step took."""
        found: Counter[str] = Counter()
        for place, counts in self.dropped.items():
            if place[0] == step:
                found.update(counts)
        return found

    def write(self, folder: Path, more: dict[str, Any]) -> None:
        """counts.json (with `more` beside the steps) and dropped.parquet."""
        rows = [
            {**row, "step": step, "reason": reason, "other": other}
            for (_, step, reason, other), row in zip(
                self.shown, store.to_table([one[0] for one in self.shown]).to_pylist(), strict=True
            )
        ]
        with files.beside(folder / DROPPED) as part:
            pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), part)
        files.write_json(folder / "counts.json", {"steps": self._steps(), **more})

    def _steps(self) -> list[dict[str, Any]]:
        return [
            {
                "name": place[0],
                "source": place[1],
                "kind": place[2],
                "in": self.taken[place],
                "out": self.given[place],
                "dropped": dict(sorted(self.dropped.get(place, {}).items())),
            }
            for place in sorted(self.taken)
        ]


def origin(sample: Sample) -> str:
    """A source without the number or file of one sample: what is counted together."""
    return sample.source.split(" ")[0].split("#")[0].split(":")[0]


def read_counts(folder: Path) -> dict[str, Any]:
    """What `write` left."""
    tree: dict[str, Any] = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    return tree
