"""What a model loses in each format of llama.cpp, and what it costs: against the torch model in bf16.

Loss is that of held-out prose: llama-perplexity's own measure, and the same windows of the same tokens in torch. Tasks
are asked through the backend, as they are when it serves. Written as report.json beside the files, and as a section of
the README there.

Shapes: T tokens of a window, V vocabulary.
"""

from __future__ import annotations

import math
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from lapis import chat, config, files, native
from lapis.data import store
from lapis.data.evenly import spread
from lapis.eval import tables
from lapis.eval.harness import Ask, Record, measure, request_of, right, share
from lapis.eval.scores import scores
from lapis.eval.tasks.base import Mode
from lapis.model import convert
from lapis.model.vlm import Lapis, text_of
from lapis.said import last_line
from lapis.serve.asked import Asked
from lapis.serve.engine import Engine
from lapis.serve.llamacpp import Files, LlamaCpp
from lapis.types import Generator, InputError, Progress, Sample

Json = dict[str, Any]
Questions = Mapping[Ask, Sequence[Sample]]
TASKS: tuple[tuple[str, Mode], ...] = (("math", "think"), ("ground_seen", "direct"), ("screen_math_seen", "think"))
WINDOW, WINDOWS = 256, 48
"""Tokens of a window of the loss, whose second half counts (as in llama-perplexity), and how many there are."""
SPARE = 2
"""Windows behind those: llama.cpp's programs may lose the last lines that they write."""
SLOTS, LENGTH, QUEUE = 4, 2048, 1024
SPEED, SPEED_TOKENS = 8, 96
"""Requests by which speed is measured, one at a time and SLOTS at once, and most tokens of each."""
BASELINE = "bf16"
HEAD = "## How good, how large, how fast"


def report(
    model: Path,
    folder: Path,
    plan: config.Eval,
    heldout: Path,
    samples: int,
    progress: Progress,
    threads: int | None = None,
) -> Json:
    """Measure every model-*.gguf in `folder`, and the torch model in `model`, on `samples` of each task; llama.cpp has
    as many `threads` as there are cores, unless it is told.

    Writes report.json and the README's section; returns what report.json holds. Raises InputError where llama.cpp is
    not built, or no task has held-out samples.
    """
    questions = chosen(heldout, samples)
    text = prose(heldout, model)
    first, found = _bf16(model, questions, text, plan, progress)
    content: Json = {"baseline": BASELINE, "samples": samples, "formats": {BASELINE: found}}
    for form in forms(folder):
        records, found = _form(_backend(folder, form, threads), questions, text, plan, progress)
        pairs = [
            (one["answer"], other["answer"])
            for ask in questions
            for one, other in zip(records[ask], first[ask], strict=True)
        ]
        content["formats"][form] = found | {"same": sum(one == other for one, other in pairs) / len(pairs)}
    files.write_json(folder / "report.json", content)
    tell(folder / "README.md", content)
    return content


def count(folder: Path, heldout: Path, samples: int) -> int:
    """Questions of a whole report: the length of its progress bar."""
    return sum(map(len, chosen(heldout, samples).values())) * (1 + len(forms(folder)))


def forms(folder: Path) -> list[str]:
    """Formats that stand in a folder, the largest file first."""
    found = sorted(folder.glob("model-*.gguf"), key=lambda path: -path.stat().st_size)
    return [path.stem.removeprefix("model-") for path in found]


def chosen(heldout: Path, samples: int) -> Questions:
    """The samples of each task that has any."""
    paths = {Ask(name, mode): heldout / f"{name}.parquet" for name, mode in TASKS}
    found = {ask: spread(list(store.read_samples(path)), samples) for ask, path in paths.items() if path.is_file()}
    if not found:
        raise InputError(
            f"{heldout}: no held-out set there, expected {', '.join(f'{name}.parquet' for name, _ in TASKS)}"
        )
    return found


def prose(heldout: Path, model: Path) -> str:
    """Held-out documents, one behind the other, as many as WINDOWS take; nothing where there are too few."""
    path = heldout / "prose.parquet"
    if not path.is_file():
        return ""
    tokenizer = chat.Tokenizer.load(model, 1)
    pieces, tokens = list[str](), 0
    for sample in islice(store.read_samples(path), 10 * WINDOWS):
        if tokens < (WINDOWS + SPARE) * WINDOW:
            pieces.append(sample.turns[0].text + "\n\n")
            tokens += len(tokenizer.encode(pieces[-1]))
    return "".join(pieces) if tokens > (1 + SPARE) * WINDOW else ""


def _bf16(
    model: Path, questions: Questions, text: str, plan: config.Eval, progress: Progress
) -> tuple[dict[Ask, list[Record]], Json]:
    network = convert.read(model)
    whole = isinstance(network, Lapis)
    tokenizer = chat.Tokenizer.load(model, network.config.tokens_per_tile if isinstance(network, Lapis) else 1)
    decoder = text_of(network)
    length = min(LENGTH, decoder.config.max_positions)
    engine = Engine(network, tokenizer, SLOTS, length, torch.bfloat16)
    records = _asked(engine, questions, plan, progress)
    megabytes = 2e-6 * sum(parameter.numel() for parameter in network.parameters())
    found = {"megabytes": megabytes, "loss": torch_loss(engine, text) if text else None, "tasks": _shares(records)}
    return records, found | _speed(engine, questions, whole) | {"same": 1.0}


def _backend(folder: Path, form: str, threads: int | None) -> LlamaCpp:
    return LlamaCpp(folder, form, slots=SLOTS, length=LENGTH, queue=QUEUE, threads=threads)


def _form(
    backend: LlamaCpp, questions: Questions, text: str, plan: config.Eval, progress: Progress
) -> tuple[dict[Ask, list[Record]], Json]:
    loaded = [path for path in (backend.files.model, backend.files.projector) if path is not None]
    found: Json = {"megabytes": sum(path.stat().st_size for path in loaded) / 1e6}
    found["loss"] = perplexity(backend.files, text, backend.threads) if text else None
    with Asked(backend) as generator:
        records = _asked(generator, questions, plan, progress)
        found |= {"tasks": _shares(records), **_speed(generator, questions, backend.files.whole is not None)}
        found["memory_megabytes"] = memory(backend.pid)
    return records, found


def _asked(
    generator: Generator, questions: Questions, plan: config.Eval, progress: Progress
) -> dict[Ask, list[Record]]:
    return {ask: measure(generator, samples, ask, plan.max_tokens, progress) for ask, samples in questions.items()}


def _shares(records: Mapping[Ask, list[Record]]) -> Json:
    return {ask.name: share(each, right) for ask, each in records.items()}


def _speed(generator: Generator, questions: Questions, images: bool) -> Json:
    """Tokens a second written by one request at a time and by several, and seconds to the first token of a question
    about a screen (or text) that was not seen before."""
    ask, samples = next(iter(questions.items()))
    requests = [request_of(sample, ask, SPEED_TOKENS) for sample in samples[:SPEED]]
    alone, together = _rate(generator, [[request] for request in requests]), _rate(generator, [requests])
    shown = [
        (ask, sample) for ask, samples in questions.items() for sample in samples[:SPEED] if sample.images or not images
    ]
    first = [replace(request_of(sample, ask, 1), think=False) for ask, sample in shown[:SPEED]]
    return {"tokens_a_second": alone, "tokens_a_second_together": together, "first_token": _first(generator, first)}


def _rate(generator: Generator, groups: Sequence[Sequence[Any]]) -> float:
    began = time.perf_counter()
    tokens = sum(len(answer.token_ids) for group in groups for answer in generator.generate(group))
    return tokens / (time.perf_counter() - began)


def _first(generator: Generator, requests: Sequence[Any]) -> float | None:
    began = time.perf_counter()
    for request in requests:
        generator.generate([request])
    return (time.perf_counter() - began) / len(requests) if requests else None


def torch_loss(engine: Engine, text: str) -> float:
    """Nats a token of the second half of each window, in the engine's precision."""
    ids = engine.tokenizer.encode(text)
    windows = windows_of(len(ids))
    total = 0.0
    for start in range(0, windows * WINDOW, WINDOW):
        window = ids[start : start + WINDOW]
        logits_TV = scores(engine.decoder, window, first=WINDOW // 2)[:-1]
        total += float(F.cross_entropy(logits_TV, torch.tensor(window[WINDOW // 2 + 1 :])))
    return total / windows


def windows_of(tokens: int) -> int:
    """Windows of a text that count."""
    return min(tokens // WINDOW - SPARE, WINDOWS)


def perplexity(loaded: Files, text: str, threads: int) -> float:
    """The same by llama-perplexity. Raises InputError where it fails."""
    windows = windows_of(len(loaded.tokenizer.encode(text)))
    decoder = config.decoder_of(loaded.shape)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "prose.txt"
        path.write_text(text, encoding="utf-8")
        words: list[str | Path] = [native.find("llama-perplexity"), "-m", loaded.model, "-f", path, "-t", str(threads)]
        words += ["-c", str(WINDOW), "-b", str(WINDOW), "--chunks", str(windows + SPARE), *native.model_words(decoder)]
        done = subprocess.run(words, capture_output=True, text=True)
    means = dict(re.findall(r"\[(\d+)\]([0-9.]+),", done.stdout))
    if done.returncode or str(windows) not in means:
        raise InputError(f"{loaded.model.name}: llama-perplexity failed ({last_line(done.stderr)})")
    return math.log(float(means[str(windows)]))


def memory(pid: int | None) -> float | None:
    """Most memory that a process has held so far, in MB; None where the system does not tell."""
    path = Path(f"/proc/{pid}/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB", path.read_text(), re.MULTILINE) if path.is_file() else None
    return int(found[1]) / 1000 if found else None


def tell(path: Path, content: Json) -> None:
    """The README's section, in place of an older one."""
    before = path.read_text(encoding="utf-8").partition(HEAD)[0].rstrip()
    files.write(path, "\n".join([before, "", HEAD, "", *table(content), ""]))


def table(content: Json) -> Iterator[str]:
    """Lines of a table: a line a format."""
    yield f"{content['samples']} held-out samples a task, with 95% intervals; loss is that of held-out prose."
    yield ""
    yield from tables.markdown(*tables.formats(content))
