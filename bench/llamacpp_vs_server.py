"""Our llama.cpp backend against plain llama-server: the same weights, flags and prompts, tokens written a second.

python -m bench.llamacpp_vs_server

A decoder of 46M parameters drawn at random, in q8_0 (weights do not change the time). Half of the requests think on a
budget, which the backend keeps and the plain server knows nothing of; there they simply write as many tokens. The
plain side reads its stream of events and throws them away. Needs a built llama.cpp (`lapis build llamacpp`).
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.parts.line import say
from lapis import chat, config
from lapis.data.tokenise import train_tokenizer
from lapis.dist import guard
from lapis.export import gguf, hf
from lapis.model import init
from lapis.serve.asked import Asked
from lapis.serve.llama_process import Process
from lapis.serve.llamacpp import LlamaCpp, sampling
from lapis.types import Request, Text, Turn

SHAPE = config.Decoder(width=512, layers=8, heads=8, kv_heads=4, head_dim=64, mlp=1536, vocab=16384)
REQUESTS, TOKENS, BUDGET, SLOTS, ROUNDS, LENGTH = 16, 96, 40, 4, 5, 512
GOAL = 0.95
TEXT = ("The quick brown fox jumps over the lazy dog, 0123456789 times.",)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = files(Path(scratch))
        with Asked(LlamaCpp(folder, "q8_0", slots=SLOTS, length=LENGTH, threads=max(1, guard.cores() - 1))) as asked:
            pairs = [(ours(asked), plain(asked)) for _ in range(ROUNDS + 1)][1:]
    for one, other in pairs:
        print(f"backend {one:.0f} tokens/s, llama-server {other:.0f}")
    ratio = statistics.median(one / other for one, other in pairs)
    baseline = statistics.median(other for _, other in pairs)
    print(f"llama-server {baseline:.0f} tokens/s with {SLOTS} requests at once")
    say("llamacpp_vs_server", ratio, GOAL, "tokens/s over plain llama-server's", 1.0)


def files(place: Path) -> Path:
    """The model's GGUF folder."""
    tokenizer = train_tokenizer(TEXT, SHAPE.vocab, place / "tokenizer", 1)
    hf.write(init.fresh(SHAPE, 0), tokenizer, place / "hf")
    gguf.write(place / "hf", place / "gguf", ("q8_0",))
    return place / "gguf"


def requests() -> list[Request]:
    turns = [(Turn("user", (Text(f"{number} {TEXT[0]}"),)),) for number in range(REQUESTS)]
    return [
        Request(each, think=number % 2 == 0, budget=BUDGET if number % 2 == 0 else -1, max_tokens=TOKENS, grace=0)
        for number, each in enumerate(turns)
    ]


def ours(asked: Asked) -> float:
    """Tokens a second of all requests at once."""
    began = time.perf_counter()
    return sum(len(answer.token_ids) for answer in asked.generate(requests())) / (time.perf_counter() - began)


def plain(asked: Asked) -> float:
    """The same, asked of the server that is behind the backend."""
    backend = asked.backend
    assert isinstance(backend, LlamaCpp)
    process, tokenizer = backend.process, backend.files.tokenizer
    assert process is not None
    prompts = []
    for request in requests():
        ids = chat.encode_prompt(request.turns, request.think, None, tokenizer, lambda _: 0).ids
        prompts.append([*ids, tokenizer.id(chat.THINK)] if request.think else ids)
    began = time.perf_counter()
    tokens = asked.loop.run_until_complete(_all(process, prompts))
    return tokens / (time.perf_counter() - began)


async def _all(process: Process, prompts: Sequence[Sequence[int]]) -> int:
    return sum(await asyncio.gather(*(_one(process, prompt) for prompt in prompts)))


async def _one(process: Process, prompt: Sequence[int]) -> int:
    body = {"prompt": prompt, "n_predict": TOKENS, "stream": True, "ignore_eos": True} | sampling(Request(()), 0)
    tokens = 0
    async with process.stream("/completion", body) as events:
        async for event in events:
            tokens = event["tokens_predicted"]
    return tokens


if __name__ == "__main__":
    main()
