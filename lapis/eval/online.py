"""The process that measures snapshots beside training: orders come in, and scores go out, as lines of JSON.

Unusual: its input is also its lifeline. A trainer that dies, however it dies, closes the pipe, and the thread that
listens there ends the process at once. Nothing heavy is imported before its priority is the lowest.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

LOWEST = 19
"""Of the nice values."""

Json = dict[str, Any]


def serve() -> None:
    """Answer orders until the input ends, each with `{"scores": [...]}` or, where it cannot, `{"error": "..."}`."""
    give_way()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no score
    # Ctrl-C goes to the whole group in the foreground; what it means here is the trainer's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders: queue.Queue[Json] = queue.Queue()
    Thread(target=_listen, args=(orders,), daemon=True).start()
    import torch

    torch.set_num_threads(1)
    while True:
        print(json.dumps(_answer(orders.get())), file=out, flush=True)


def give_way() -> None:
    """Leave the cores to whoever wants them. A nice value alone does not: a trainer's threads wait for each other many
    times a step, and each wait lets a process of low priority in for a whole turn; an idle one goes at once (Linux)."""
    os.nice(LOWEST)
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _listen(orders: queue.Queue[Json]) -> None:
    for line in sys.stdin:
        orders.put(json.loads(line))
    os._exit(0)


def _answer(order: Json) -> Json:
    try:
        return {"scores": scores(**order)}
    except Exception as error:  # whatever it is, training goes on and says it
        return {"error": f"{type(error).__name__}: {error}"}


def scores(model: str, heldout: str, tasks: list[str], samples: int, max_tokens: int, tiles: int) -> list[Json]:
    """`task`, `mode`, `score`, `low`, `high` and `n` of each TASK/MODE, as `lapis eval` has them for these weights.

    `tiles` are the tokens of a tile. Raises InputError for a folder that is no model, KeyError for an unknown task.
    """
    from lapis import chat, config
    from lapis.eval import harness
    from lapis.eval.run import chosen
    from lapis.eval.sized import Sized
    from lapis.eval.tasks import ALL
    from lapis.model import convert
    from lapis.types import Silent

    generator = Sized(convert.read(Path(model)), chat.Tokenizer.load(Path(model), tiles))
    plan, known = config.Eval(samples=samples, max_tokens=max_tokens), {task.name: task for task in ALL}
    found = []
    for name, _, mode in (task.partition("/") for task in tasks):
        how = harness.Ask(name, "think" if mode == "think" else "direct")
        asked = chosen(Path(heldout), known[name], plan)
        share = harness.share(harness.measure(generator, asked, how, max_tokens, Silent()))
        found.append({"task": name, "mode": how.mode, "score": share.pop("value"), **share})
    return found


if __name__ == "__main__":
    serve()
