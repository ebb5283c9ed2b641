"""What training on budgets gives: accuracy at thinking budgets that the prompt tells, over the same model cut there.

With a run, its last model answers the run's held-out questions; without, a small text model that learns questions alone
for some minutes.

python -m bench.budget_trained [run=FOLDER]
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.parts.line import run_of, say
from lapis import config, run, verbs
from lapis.eval import run as evaluation
from lapis.eval.harness import measure
from lapis.eval.tasks import ALL
from lapis.recipes import pocket
from lapis.types import Silent

STEPS = 900
TASK = next(task for task in ALL if task.curve == "text")


def recipe() -> config.Recipe:
    """Pocket's questions and its student, which starts from nothing."""
    full = pocket.recipe()
    tune = next(entry for entry in full.stages if entry.name == "text-sft")
    assert isinstance(tune, config.Train)
    stage = replace(tune, parent=None, shape="student", mixture={"math": 1.0}, steps=STEPS)
    data = replace(full.data, screens=8, held_screens=8, pages=0, fresh=8, captions=0, needles=0, prose_mb=0.5)
    last, export = replace(full.eval, parent=stage.name), replace(full.export, parent=stage.name)
    data = replace(data, packages=False)
    return replace(full, name="budgets", stages=(stage,), data=data, eval=last, export=export)


def curve(folder: Path, of: config.Recipe) -> None:
    """Measure a run's model, and say it."""
    heldout, model = folder / of.data.name / "heldout", folder / of.eval.parent / "model"
    samples = evaluation.chosen(heldout, TASK, of.eval)
    generator = evaluation.load(model, of)
    ask = partial(measure, generator, max_tokens=of.eval.max_tokens, progress=Silent())
    found = evaluation.curve(TASK, samples, of.eval, lambda how, asked: ask(asked, how))
    for told, cut in zip(found["points"], found["cut"], strict=True):
        print(
            f"budget {told['budget']:>4}: {told['value']:6.1%} told, {cut['value']:6.1%} cut (n = {told['n']}); "
            f"thoughts of {told['thought_tokens']:.0f} and {cut['thought_tokens']:.0f} tokens"
        )
    gain = found["trained"]
    if None in gain.values():
        raise SystemExit("the model that is cut is right too seldom for a ratio")
    print(f"mean over budgets: {gain['value']:+.1%} ({gain['low']:+.1%} to {gain['high']:+.1%}) of the cut one's")
    say("budget_trained", 1 + gain["value"], 1.05, "accuracy at a budget by accuracy when cut there", 1.0)


def main() -> None:
    folder = run_of(sys.argv[1:])
    if folder is not None:
        curve(folder, verbs.recipe_in(folder))
        return
    with TemporaryDirectory() as made:
        small = recipe()
        run.run(small, Path(made), only=small.stages[-1].name)
        curve(Path(made), small)


if __name__ == "__main__":
    main()
