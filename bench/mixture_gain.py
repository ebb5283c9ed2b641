"""How much lower the mean held-out loss is on the mixture that was found than on the better of two plain ones.

Pocket's text, proxies of its decoder, and a check by the decoder itself at equal tokens, three seeds, on held-out
samples that chose nothing. Beside it the leave-one-out errors of our regressions and of LightGBM as RegMix uses it, on
the same runs. A small data stage is made first where `run=FOLDER` names none; a search that was cut goes on.

python -m bench.mixture_gain [run=FOLDER] [--full] [mixing.FIELD=VALUE ...]
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from bench.parts import peer, small
from bench.parts.line import run_of, say
from lapis.data.mixing.search import FULL
from lapis.data_config.mixing import Mixing
from lapis.data_verbs.mixture import MARK, plan_of, searched, stage_of

HOME = Path(".cache") / "bench" / "mixture_gain-run"
SMALL = Mixing(runs=32, steps=60, samples=48, check_steps=100)
"""Ends within 12 minutes on two cores; --full takes the plan's own values."""
BOOST = Path(__file__).parent / "parts" / "boost.py"


def boosted(folder: Path, found: dict[str, Any]) -> dict[str, float]:
    """LightGBM's leave-one-out error and rank on the runs of a search, in an environment of its own."""
    runs = [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("proxy-*.json"))]
    runs = runs[: found["regression"]["runs"]]
    kinds = list(found["shares"])
    x = [[run["shares"][kind] for kind in kinds] for run in runs]
    y = [[run["losses"]["fit"][kind] for kind in kinds] for run in runs]
    python = peer.environment("mixture_gain", ("lightgbm", "scipy", "narwhals"))
    done = subprocess.run([str(python), str(BOOST)], input=json.dumps({"x": x, "y": y}), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout))


def told(found: dict[str, Any], lightgbm: dict[str, float]) -> None:
    """What stands before the line."""
    for kind, entry in found["shares"].items():
        bar = f"{entry['low']:.1%} to {entry['high']:.1%}"
        print(f"{kind:<14} {entry['share']:6.1%} of the tokens ({bar}); of the data {entry['size']:.1%}")
    regression = found["regression"]
    print(f"runs {regression['runs']}, deviation of their mean losses {regression['spread']:.4f}; left-one-out errors:")
    for form, error in (*regression["errors"].items(), ("LightGBM", lightgbm)):
        taken = " (taken)" if form == regression["form"] else ""
        print(f"  {form:<9} {error['rmse']:.4f}, rank correlation {error['rank']:.3f}{taken}")
    for name in FULL:
        losses = found["check"]["losses"][name]
        seeds = ", ".join(f"{loss:.4f}" for loss in losses["seeds"])
        print(f"{name:<13} mean held-out loss {losses['mean']:.4f} nats (seeds {seeds})")


def main() -> None:
    full = "--full" in sys.argv
    made, data = small.data_of(run_of(sys.argv[1:]))
    words = [word for word in sys.argv if word.startswith(MARK)]
    plan, stage = plan_of(words, None if full else SMALL), stage_of(made, None)
    folder = HOME / f"{'full' if full else 'small'}-{zlib.crc32(str(data.resolve()).encode()):08x}"
    if (folder / "mixture.json").is_file():
        shutil.rmtree(folder)
    found = searched(made, data, folder, stage, plan)
    told(found, boosted(folder, found))
    gains = found["check"]["gains"]
    against = min(gains, key=lambda name: float(gains[name]["value"]))
    losses = {name: np.array(found["check"]["losses"][name]["seeds"]) for name in FULL}
    other = next(name for name in gains if name != against)
    baseline = float(np.mean(1 - losses[against] / losses[other]))
    print(f"compared with {against}: {gains[against]['low']:.2%} to {gains[against]['high']:.2%} over the seeds")
    say(
        "mixture_gain",
        gains[against]["value"],
        0.0,
        "fall of mean held-out loss against the better plain mixture",
        baseline,
    )


if __name__ == "__main__":
    main()
