"""Jobs over Daft: one frame of jobs and a column of what became of them, on this machine's processes or on Ray.

A job is a small dict, what it makes is in files: no text passes through here. Unusual: a job is done by a function of
the project that is named in the frame, so that the same plan runs on every runner. Daft's runner is chosen once a
process and before its first frame, so whoever begins the process does it (lapis/data_cluster.py).
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lapis import files
from lapis.types import InputError

Job = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Runner:
    """Where jobs run."""

    name: str
    """native or ray."""
    workers: int

    def each(self, work: str, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
        """Results of `work` (`module:function`, below lapis.data.corpus) over all jobs, as they are finished.

        Raises InputError where a job does, and for a full disk.
        """
        if not jobs:
            return
        if self.name == "native" and (self.workers == 1 or len(jobs) == 1):
            yield from (_checked(_do(work, json.dumps(job))) for job in jobs)
            return
        yield from (_checked(row["made"]) for row in self._frame(work, jobs).iter_rows())

    def _frame(self, work: str, jobs: Sequence[Job]) -> Any:
        import daft

        class Worker:
            """A process that does one job after the other."""

            def __init__(self) -> None:
                # On a node of a cluster Daft would else send the small frames of a job back to the cluster. A process
                # that did jobs before has its runner, which cannot be set twice.
                with suppress(daft.exceptions.DaftCoreException):
                    daft.set_runner_native()

            @daft.method(return_dtype=daft.DataType.string())
            def do(self, work: str, job: str) -> str:
                return _do(work, job)

        many = min(self.workers, len(jobs))
        workers = daft.cls(Worker, use_process=self.name == "native", max_concurrency=many)()
        frame = daft.from_pydict({"job": [json.dumps(job) for job in jobs]})
        frame = frame.into_partitions(len(jobs)) if self.name == "ray" else frame.into_batches(1)
        return frame.select(workers.do(daft.lit(work), daft.col("job")).alias("made"))


def _do(work: str, job: str) -> str:
    """One job, in whichever process; what the user can mend comes back as words."""
    module, _, name = work.partition(":")
    act = getattr(importlib.import_module(f"lapis.data.corpus.{module}"), name)
    try:
        return json.dumps(act(json.loads(job)))
    except InputError as error:
        return json.dumps({"error": str(error)})
    except OSError as error:
        if not files.is_full(error):
            raise
        return json.dumps({"error": f"{error.filename or 'disk'}: no space left; what was finished is kept"})


def _checked(text: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(text)
    if "error" in made:
        raise InputError(made["error"])
    return made
