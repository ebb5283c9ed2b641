"""Tokens a second of 8 concurrent requests on a CPU: our engine against transformers' `generate` on the same weights.

The weights are an exported Hugging Face folder: a run's (RUN/export/hf), or pocket's shape drawn at random. Eight
questions of mixed length arrive together, no two with a beginning in common, and are answered greedily; nothing ends an
answer but its length. Transformers gets them as one batch padded on the left, and, for those who serve with it, one
after the other. Twice: with answers of one length, which suits a batch best, and with answers of mixed lengths, as
requests have them, where a batch goes on until its longest is done. Only tokens that were asked for count. All ways are
measured in turns for each dtype and number of threads, best of several; the line at the end is that of mixed lengths
with the dtype and threads at which the batch of transformers is fastest. Ours does more at it: budgets,
log-probabilities, special tokens kept out.

python -m bench.engine_vs_transformers [run=FOLDER]
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from bench.parts.line import run_of, say
from lapis import chat
from lapis.data.synth import questions
from lapis.data.tokenise import train_tokenizer
from lapis.dist import guard
from lapis.export import hf
from lapis.model import convert, init
from lapis.recipes import pocket
from lapis.serve.engine import Engine
from lapis.types import Request, Text, Turn

REQUESTS, REPEATS, GOAL = 8, 3, 3.0
ANSWERS = {"equal answers": (128,) * REQUESTS, "mixed answers": (128, 48, 224, 96, 32, 160, 208, 128)}
"""Tokens of each answer; 1,024 of all, both times."""

Tokens = list[tuple[int, ...]]


def drawn(folder: Path) -> Path:
    """Pocket's model with weights drawn at random, as it would be exported."""
    shape = pocket.model()
    texts = [turn.text for sample in questions.generate(400, 0, "train") for turn in sample.turns]
    tokenizer = train_tokenizer(texts, shape.decoder.vocab, folder / "tokenizer", shape.tokens_per_tile)
    hf.write(init.fresh(shape, 0), tokenizer, folder / "hf")
    return folder / "hf"


def requests(lengths: Sequence[int]) -> list[Request]:
    """From one question to as many as there are requests, each with questions of its own."""
    asked = iter(questions.generate(REQUESTS * (REQUESTS + 1) // 2, 1, "train"))
    texts = [" ".join(next(asked).turns[0].text for _ in range(count)) for count in range(1, REQUESTS + 1)]
    return [
        Request((Turn("user", (Text(text),)),), max_tokens=length) for text, length in zip(texts, lengths, strict=True)
    ]


def ours(folder: Path, dtype: torch.dtype) -> Engine:
    """Our engine, which here may not write the end."""
    model = convert.read(folder)
    tokenizer = chat.Tokenizer.load(folder, model.config.tokens_per_tile)  # type: ignore[union-attr]
    engine = Engine(model, tokenizer, REQUESTS, 1024, dtype)
    engine.bias_SV[:, engine.marks.end] = -math.inf
    return engine


def theirs(folder: Path, dtype: torch.dtype) -> Any:
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype).eval()
    model.generation_config.eos_token_id = None
    return model


def batched(model: Any, prompts: Sequence[Sequence[int]], new: int, **more: Any) -> Tokens:
    """One `generate` of all, padded on the left."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(one)) + list(one) for one in prompts])
    mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in prompts])
    out = model.generate(input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=new, **more)
    return [tuple(row[longest:].tolist()) for row in out]


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(folder: Path, dtype: torch.dtype, threads: int) -> dict[str, tuple[float, float]]:
    """Tokens a second of ours and of the padded batch, by kind of answers."""
    torch.set_num_threads(threads)
    engine, model = ours(folder, dtype), theirs(folder, dtype)
    return {
        kind: compared(engine, model, lengths, f"{name_of(dtype)}, {threads} threads, {kind}")
        for kind, lengths in ANSWERS.items()
    }


def compared(engine: Engine, model: Any, lengths: Sequence[int], name: str) -> tuple[float, float]:
    """Tokens a second of ours and of the padded batch."""
    asked = requests(lengths)
    prompts = [engine.prompt(one).ids for one in asked]
    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: engine.generate(asked),
        "padded batch": lambda: batched(model, prompts, max(lengths)),
        "one by one": lambda: [batched(model, [one], new) for one, new in zip(prompts, lengths, strict=True)],
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(REPEATS + 1):
        for way, work in ways.items():
            if turn == 1 or way != "one by one":
                times[way].append(seconds(work))
    rates = {way: sum(lengths) / min(found[-REPEATS:]) for way, found in times.items()}
    told = ", ".join(f"{way} {rate:.0f}" for way, rate in rates.items())
    print(f"{name}: tokens a second {told}; by the batch {rates['ours'] / rates['padded batch']:.2f}", flush=True)
    return rates["ours"], rates["padded batch"]


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def agreement(folder: Path, dtype: torch.dtype) -> str:
    """How many answers are the same in company and alone, and the same as transformers'."""
    torch.set_num_threads(1)
    engine, model, asked = ours(folder, dtype), theirs(folder, dtype), requests(ANSWERS["equal answers"])
    together = [one.token_ids for one in engine.generate(asked)]
    alone = [engine.generate([one])[0].token_ids for one in asked]
    never = [token for token, bias in enumerate(engine.bias_SV[-1].tolist()) if bias]
    prompts = [engine.prompt(one).ids for one in asked]
    other = batched(model, prompts, asked[0].max_tokens, suppress_tokens=never)
    same = sum(mine == one for mine, one in zip(together, alone, strict=True))
    stock = sum(mine == one for mine, one in zip(together, other, strict=True))
    return f"{same} of {REQUESTS} answers the same in company and alone, {stock} the same as the batch of transformers"


def main() -> None:
    run = run_of(sys.argv[1:])
    with TemporaryDirectory() as scratch:
        folder = run / "export" / "hf" if run else drawn(Path(scratch))
        engine = ours(folder, torch.float32)
        prompts = [len(engine.prompt(one).ids) for one in requests(ANSWERS["equal answers"])]
        print(f"{REQUESTS} prompts of {min(prompts)} to {max(prompts)} tokens")
        dtypes = (torch.float32, torch.bfloat16)
        found = [measure(folder, dtype, threads) for dtype in dtypes for threads in sorted({1, guard.cores()})]
        for dtype in dtypes:
            print(f"{name_of(dtype)}: {agreement(folder, dtype)}")
    mine, batch = max((one["mixed answers"] for one in found), key=lambda pair: pair[1])
    say("engine_vs_transformers", mine / batch, GOAL, "our tokens a second by those of transformers' batch", 1.0)


if __name__ == "__main__":
    main()
