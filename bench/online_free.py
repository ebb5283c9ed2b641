"""What evaluation beside training costs it: steps beside an evaluator that never rests, and beside a stopped one.

With a run, its `sft` model is asked the run's held-out questions; without, a model of fresh weights, whose thoughts
never end by themselves, made ones.

python -m bench.online_free [run=FOLDER]
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.parts import steps
from bench.parts.line import run_of, say
from lapis import chat, files
from lapis.data.store import write_samples
from lapis.data.synth import questions
from lapis.data.tokenise import train_tokenizer
from lapis.dist import guard, heap
from lapis.dist import mesh as meshes
from lapis.model import convert
from lapis.recipes import pocket
from lapis.train import online, step

ROWS, LENGTH, TILES = 4, 512, 8
STEPS, PAIRS = 2, 48
"""Steps of a block, and blocks of each kind, which take turns."""
ENTRY = next(entry for entry in pocket.later() if entry.name == "sft")


def asked(folder: Path, run: Path | None) -> online.Questions:
    """Pocket's questions, of a run or made in `folder`."""
    recipe = pocket.recipe()
    tiles, plan = recipe.model.tokens_per_tile, ENTRY.online
    if run is not None:
        tokenizer = chat.Tokenizer.load(run / "sft" / "model", tiles)
        return online.Questions(plan, run / "data" / "heldout", recipe.eval.max_tokens, tokenizer)
    made = list(questions.generate(200, 0, "held"))
    texts = [turn.text for sample in made for turn in sample.turns]
    write_samples(folder / "math.parquet", made)
    plan = type(plan)(("math/direct", "math/think"), plan.every, plan.samples)
    return online.Questions(
        plan, folder, recipe.eval.max_tokens, train_tokenizer(texts, recipe.data.vocab, folder / "tokenizer", tiles)
    )


def main() -> None:
    heap.keep()
    run = run_of(sys.argv[1:])
    place, model = guard.prepare(pocket.recipe()), pocket.model()
    made, batch = steps.trainer(model, steps.stage(), place, meshes.alone()), steps.batch(model, ROWS, LENGTH, TILES)
    if run is not None:
        trained = convert.read(run / "sft" / "model")
        made = step.build(step.wrap(trained), steps.stage(), place)
    with TemporaryDirectory() as folder, online.Online(asked(Path(folder), run), Path(folder), made, 0) as beside:

        def block() -> float:
            began = time.perf_counter()
            for number in range(STEPS):
                made.step(batch, number, 0.0)
                if beside.idle:
                    beside.after(number, True)
            return (time.perf_counter() - began) / STEPS

        while beside.child is None:
            block()
        with_it, without = [], []
        for _ in range(PAIRS):
            os.kill(beside.child.pid, signal.SIGSTOP)
            without.append(block())
            os.kill(beside.child.pid, signal.SIGCONT)
            with_it.append(block())
        lines = list(files.lines(beside.path))
    cost = statistics.median(a / b for a, b in zip(with_it, without, strict=True)) - 1
    alone, both = (1e3 * statistics.median(times) for times in (without, with_it))
    seconds = ", ".join(f"{line['seconds']:.0f} s" for line in lines[::2]) or "none was finished"
    print(f"a step {alone:.0f} ms alone, {both:.0f} ms beside an evaluator; snapshots took {seconds}")
    say("online_free", 1 - max(cost, 0.0), 0.97, "1 - what a busy evaluator adds to a step, as a share of it", 1.0)


if __name__ == "__main__":
    main()
