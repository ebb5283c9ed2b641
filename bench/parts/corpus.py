"""What the benches of the data engine share: a planted corpus, a command's time and memory, ours and the peers' runs.

Documents are sentences of words with frequencies as in English; in a hundred, 2 are exact copies, 4 near copies with a
few words changed, 4 too short. Rules are Gopher's on words and lines (arXiv 2112.11446), in every contestant the same;
no contestant identifies languages.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from bench.parts.peer import CACHE

STOPS = ("the", "be", "to", "of", "and", "that", "have", "with")
PLAIN = (
    'data.corpus.skip=["language","languages","private","pictures","classify"]',
    "data.corpus.quality.sentences=0", "data.corpus.quality.ends=0", "data.corpus.quality.short_lines=1",
    "data.corpus.quality.same_lines=1", "data.corpus.quality.same_paragraphs=1",
    "data.corpus.quality.same_line_characters=1", "data.corpus.quality.same_paragraph_characters=1",
    "data.corpus.quality.top=[]", "data.corpus.quality.repeated=[]", "data.corpus.quality.broken=1",
)  # fmt: skip
"""Settings that leave the rules which all contestants have."""
EVERY = 0.2
"""Seconds between two looks at the memory."""
ALIKE = 0.98
"""Jaccard similarity of kept sets from which two engines did the same job."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run took and kept."""

    seconds: float
    peak: float
    """Most megabytes of all its processes together (proportional set size)."""
    kept: frozenset[str]
    """Addresses of the documents that stay."""


def planted(path: Path, count: int, seed: int = 0) -> Path:
    """Write the corpus as JSON lines, unless it is there. About 950 bytes a document."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".tmp")
        with part.open("w", encoding="utf-8") as out:
            for number, text in enumerate(texts(count, seed)):
                out.write(json.dumps({"url": f"https://example.org/{number}", "text": text}) + "\n")
        part.rename(path)
    return path


def texts(count: int, seed: int) -> Iterator[str]:
    """The documents in order."""
    rng, draw = random.Random(seed), np.random.default_rng(seed)
    words = np.array(_vocabulary(rng), dtype=object)
    pool: list[str] = []
    for _ in range(count):
        luck = rng.random()
        if luck < 0.02 and pool:
            text = rng.choice(pool)
        elif luck < 0.06 and pool:
            text = changed(rng.choice(pool), rng, rng.randint(1, 3))
        elif luck < 0.1:
            text = " ".join(words[draw.integers(0, len(words), 10)])
        else:
            text = _document(words, rng, draw)
        if len(pool) < 5000 and len(text) > 200:
            pool.append(text)
        yield text


def _vocabulary(rng: random.Random) -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [*STOPS, *("".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(30000))]


def _document(
    words: np.ndarray[tuple[int], np.dtype[np.object_]], rng: random.Random, draw: np.random.Generator
) -> str:
    parts = [str(word) for word in words[(draw.zipf(1.25, rng.randint(80, 260)) - 1) % len(words)]]
    at = rng.randint(6, 20)
    while at < len(parts):
        parts[at] += ".\n" if rng.random() < 0.1 else "."
        at += rng.randint(6, 20)
    return " ".join(parts) + "."


def changed(text: str, rng: random.Random, words: int) -> str:
    """The text with some words changed."""
    parts = text.split(" ")
    for _ in range(words):
        parts[rng.randrange(len(parts))] = f"changed{rng.randrange(10**6)}"
    return " ".join(parts)


def measured(command: Sequence[str]) -> tuple[float, float]:
    """Seconds of a command, and most megabytes of it and all below it."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peaks = [0.0]
    watch = threading.Thread(target=_watch, args=(process, peaks))
    watch.start()
    code = process.wait()
    watch.join()
    if code:
        raise SystemExit(f"{command[0]}: ended with code {code}")
    return time.monotonic() - began, peaks[0]


def _watch(process: subprocess.Popen[bytes], peaks: list[float]) -> None:
    while process.poll() is None:
        peaks[0] = max(peaks[0], sum(_size(pid) for pid in _below(process.pid)) / 1024)
        time.sleep(EVERY)


def _below(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents.setdefault(int(entry.read_text().rpartition(")")[2].split()[1]), []).append(int(entry.parent.name))
        except OSError:
            continue
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def _size(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def ours(source: Path, words: Sequence[str] = (), name: str = "ours") -> Measured:
    """`lapis data build corpus --until corpus` on a source, in a new folder."""
    out = CACHE / "corpus" / name
    shutil.rmtree(out, ignore_errors=True)
    place = ["data.sources.web.form=jsonl", f"data.sources.web.place={source}", "data.sources.web.lang=en"]
    command = [sys.executable, "-m", "lapis", "data", "build", "corpus", "--until", "corpus"]
    seconds, peak = measured([*command, *place, *PLAIN, *words, f"out={out}"])
    return Measured(seconds, peak, frozenset(addresses(out / "data" / "samples")))


def addresses(samples: Path) -> Iterator[str]:
    """Addresses of all samples."""
    for path in samples.glob("*.parquet"):
        yield from (json.loads(meta)["url"] for meta in pq.read_table(path, columns=["meta"])["meta"].to_pylist())


def peer(python: Path, script: str, source: Path, workers: int) -> Measured:
    """A script of bench/parts/peers on the same source; it writes `kept.txt` into its folder."""
    out = (CACHE / "corpus" / script).absolute()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    path = Path(__file__).parent / "peers" / f"{script}.py"
    seconds, peak = measured([str(python), str(path), str(source.absolute()), str(out), str(workers)])
    return Measured(seconds, peak, frozenset((out / "kept.txt").read_text(encoding="utf-8").split()))


def told(name: str, count: int, run: Measured) -> str:
    """A line about a run."""
    return f"{name:<16} {count / run.seconds:>8.0f} documents/s {run.peak:>7.0f} MB {len(run.kept):>8} kept"


def agreement(one: Measured, other: Measured) -> float:
    """Jaccard similarity of the kept sets."""
    return len(one.kept & other.kept) / max(len(one.kept | other.kept), 1)


def agree(name: str, one: Measured, other: Measured) -> None:
    """Tell how alike the kept sets are; ends the bench `name` where two engines did not do the same job."""
    found = agreement(one, other)
    if found < ALIKE:
        raise SystemExit(f"{name}: kept sets agree to {found:.4f}, expected at least {ALIKE}")
    print(f"kept sets agree to {found:.4f} (at least {ALIKE})")


def number(words: Sequence[str], usual: int, full: int) -> int:
    """Documents of a bench: `count=N`, else `full` with --full, else `usual`."""
    named = [int(word.removeprefix("count=")) for word in words if word.startswith("count=")]
    return named[-1] if named else full if "--full" in words else usual
