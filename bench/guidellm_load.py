"""What guidellm measures of the server: throughput and time to first token at 1, 4 and 16 streams, text and image.

Questions think for at most 48 tokens, so that answers have a length; pictures are all different, so that each is
encoded. guidellm has an environment of its own. Without a run the model is pocket's with fresh weights.

python -m bench.guidellm_load [run=FOLDER] [--full]
"""

from __future__ import annotations

import base64
import io
import json
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image, ImageDraw

from bench.parts import peer, served
from bench.parts.line import run_of, say

PACKAGES = (
    "guidellm==0.8.1", "Faker==40.63.0", "aiofiles==25.1.0", "aiologic==0.17.1", "click==8.4.2", "culsans==0.10.0",
    "datasets==5.2.0", "dill==0.4.1", "eval_type_backport==0.4.0", "ftfy==6.3.1", "h2==4.4.1", "hpack==4.2.0",
    "html5tagger==2.0.0", "httptools==0.9.0", "hyperframe==6.1.0", "loguru==0.7.3", "more-itertools==11.2.1",
    "multidict==6.9.1", "multiprocess==0.70.19", "pandas==3.1.1", "pydantic-settings==2.16.3", "python-dotenv==1.2.4",
    "sanic==25.12.1", "sanic-routing==23.12.0", "tabulate==0.10.0", "tracerite==2.6.5", "ujson==6.1.0",
    "uvloop==0.23.0", "wcwidth==0.9.4", "websockets==17.4", "xxhash==4.1.0",
)  # fmt: skip
STREAMS = (1, 4, 16)
BUDGET, MOST = 48, 64
"""Tokens of a thought, and of a whole reply."""
SIDE = 500
"""Pixels of a picture."""
SECONDS = 20
"""Of each kind and number of streams; with --full six times as many."""


def question(draw: random.Random) -> str:
    numbers = [draw.randrange(1, 60) for _ in range(3)]
    return f"What is {numbers[0]} + {numbers[1]} - {numbers[2]}?"


def picture(draw: random.Random) -> str:
    """A data URI of boxes that no other picture has."""
    image, out = Image.new("RGB", (SIDE, SIDE), "white"), io.BytesIO()
    for _ in range(12):
        x, y = draw.randrange(SIDE - 60), draw.randrange(SIDE - 60)
        ImageDraw.Draw(image).rectangle((x, y, x + 50, y + 30), fill=tuple(draw.randbytes(3)))
    image.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def samples(kind: str, path: Path, count: int) -> None:
    """guidellm's file of questions."""
    draw, lines = random.Random(0), []
    for _ in range(count):
        line: dict[str, Any] = {"prompt": question(draw)}
        if kind == "image":
            line["image"] = {"type": "image", "image": picture(draw)}
        lines.append(json.dumps(line) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def measure(python: Path, url: str, kind: str, folder: Path, seconds: int) -> list[dict[str, Any]]:
    """guidellm's metrics at each number of streams."""
    samples(kind, folder / f"{kind}.jsonl", 40 * seconds if kind == "text" else 10 * seconds)
    body = {"thinking_token_budget": BUDGET, "max_tokens": MOST, "seed": 1}
    backend = {"kind": "openai_http", "target": url, "model": served.NAME, "request_format": "/v1/chat/completions"}
    spec = {
        "backend": {**backend, "extras": {"body": body}},
        "profile": {"kind": "concurrent", "streams": list(STREAMS)},
        "constraints": [{"kind": "max_duration", "seconds": seconds}],
        "data": [{"kind": "json_file", "path": str(folder / f"{kind}.jsonl")}],
        "outputs": [{"kind": "json", "path": str(folder / f"{kind}.out.json")}],
    }
    config = folder / f"{kind}.json"
    config.write_text(json.dumps({"metadata": {"labels": {}}, "spec": spec, "benchmarks": [None]}), encoding="utf-8")
    words = [str(python.with_name("guidellm")), "run", "-c", str(config), "--disable-console"]
    subprocess.run(words, check=True, stdout=sys.stderr)
    return [one["metrics"] for one in json.loads((folder / f"{kind}.out.json").read_text())["benchmarks"]]


def main() -> None:
    python = peer.environment("guidellm_load", PACKAGES)
    seconds = SECONDS * (6 if "--full" in sys.argv else 1)
    rates: dict[str, list[float]] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        with served.serving(served.folder_of(run_of(sys.argv[1:]), folder), "--slots", "16") as (url, _):
            for kind in ("text", "image"):
                for streams, one in zip(STREAMS, measure(python, url, kind, folder, seconds), strict=True):
                    totals, rate = one["request_totals"], one["output_tokens_per_second"]["successful"]["mean"]
                    first = one["time_to_first_token_ms"]["successful"]
                    rates.setdefault(kind, []).append(rate)
                    print(
                        f"{kind:<5} {streams:>2} streams: {rate:6.1f} tokens/s, first token after"
                        f" {first['median']:.0f} ms (95%: {first['percentiles']['p95']:.0f} ms),"
                        f" {totals['successful']} answers, {totals['errored']} errors"
                    )
                    assert not totals["errored"], "guidellm met errors"
    gain = rates["text"][-1] / rates["text"][0]
    say("guidellm_load", gain, None, "tokens/s of 16 streams over those of one, text", 1.0)


if __name__ == "__main__":
    main()
