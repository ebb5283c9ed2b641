"""`lapis data fit-quality`: a classifier of quality, or of any labels, from labelled examples"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lapis.data.labelled import Example
    from lapis.data.linear import Linear

NAME, ABOUT = "fit-quality", "fit a classifier of quality on labelled examples, and say how it does on held-out ones"
EXAMPLE = "lapis data fit-quality labelled.jsonl --good 1 --out quality"


def options(verb: argparse.ArgumentParser) -> None:
    """Files, names of fields, what is good, where the classifier goes."""
    verb.add_argument("files", metavar="FILE", nargs="+", type=Path, help="JSON lines or Parquet with text and label")
    verb.add_argument("--out", type=Path, required=True, help="folder of the classifier")
    verb.add_argument("--text", default="text", help="field of the text (text)")
    verb.add_argument("--label", default="label", help="field of the label (label)")
    verb.add_argument("--good", default="1", help="label that counts as good; all others are bad (1)")
    verb.add_argument("--keep", type=float, default=0.95, help="share of good texts that its threshold keeps (0.95)")
    verb.add_argument("--column", default="quality", help="`subject` keeps every label as a class (quality)")


def act(words: argparse.Namespace) -> None:
    """Fit, measure, write; prints the held-out figures and the folder."""
    from lapis.data import labelled, linear
    from lapis.progress import Bars, Task
    from lapis.types import InputError

    if not 0 < words.keep <= 1:
        raise InputError(f"--keep: {words.keep:g}, expected more than 0 and at most 1")
    if words.column not in ("quality", "subject"):
        raise InputError(f"--column: {words.column!r}, expected quality or subject")
    examples = labelled.read(words.files, words.text, words.label)
    order = sorted({example.label for example in examples})
    if words.column == "quality":
        if words.good not in order:
            raise InputError(f"--good: no example is labelled {words.good!r}; labels are {', '.join(order)}")
        examples = [replace(one, label="good" if one.label == words.good else "bad") for one in examples]
        order = ["bad", "good"]
    taught, held = labelled.split(examples)
    with Bars([Task("fit", 0.3)], {}) as bars, bars.stage("fit", linear.LOOKS) as progress:
        fitted = linear.fit([one.text for one in taught], [one.label for one in taught], order, progress)
    about = measured(fitted, held, words.keep) | {"column": words.column, "fitted_on": len(taught)}
    replace(fitted, about=about).save(words.out)
    print("\n".join([*told(about), str(words.out)]))


def measured(fitted: Linear, held: list[Example], keep: float) -> dict[str, Any]:
    """Accuracy, and for quality AUC and the threshold that keeps so much of what is good, on held-out examples."""
    import numpy as np
    import pyarrow as pa

    from lapis.data.linear import auc
    from lapis.eval.stats import wilson

    chances = fitted.probabilities(pa.array([one.text for one in held]))
    right = np.array([fitted.labels.index(one.label) for one in held])
    found: dict[str, Any] = {"accuracy": wilson(int((chances.argmax(1) == right).sum()), len(held)).entry()}
    if fitted.labels == ("bad", "good"):
        value, low, high = auc(chances[:, 1], right == 1)
        found["auc"] = {"value": value, "low": low, "high": high, "n": len(held)}
        found["threshold"] = float(np.quantile(chances[right == 1, 1], 1 - keep, method="lower"))
        found["bad_dropped"] = float((chances[right == 0, 1] < found["threshold"]).mean())
    return found


def told(about: dict[str, Any]) -> list[str]:
    """What is printed of it."""
    lines = [
        f"{name}: {about[name]['value']:.3f} ({about[name]['low']:.3f} to {about[name]['high']:.3f}, "
        f"n = {about[name]['n']} held out)"
        for name in ("accuracy", "auc")
        if name in about
    ]
    if "threshold" in about:
        lines.append(f"threshold: {about['threshold']:.3f}, under which lie {about['bad_dropped']:.0%} of what is bad")
    return lines
