"""A server under more than it can take: memory flat, every accepted request answered, every refused one told so.

More clients than slots and queue hold ask and ask again: text, pictures, streams, several answers, thoughts; a tenth
of them leave in the middle, some send what is wrong. Without a run the model is pocket's with fresh weights.

python -m bench.soak [run=FOLDER] [--full]     45 seconds, or ten minutes
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from bench.guidellm_load import picture, question
from bench.parts import served
from bench.parts.line import run_of, say

SLOTS, QUEUE, CLIENTS = 4, 8, 24
SECONDS, FULL = 45.0, 600.0
FLAT = 1.1
"""How much larger the second half's largest memory may be than the first half's."""
PAUSE = 0.3
"""Most seconds until a client that was refused asks again, which is sooner than it was told."""
Kept = Counter[str]


def asked(draw: random.Random, pictures: list[str]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": question(draw)}]
    if draw.random() < 0.3:
        parts.insert(0, {"type": "image_url", "image_url": {"url": draw.choice(pictures)}})
    body = {"model": served.NAME, "messages": [{"role": "user", "content": parts}], "max_tokens": draw.randrange(8, 48)}
    more = draw.choice(({}, {"stream": True}, {"n": 2}, {"thinking_token_budget": 16}, {"temperature": 1.0}))
    return {**body, **more} if draw.random() > 0.05 else {**body, "temperature": "hot"}


async def one(client: httpx.AsyncClient, draw: random.Random, pictures: list[str], seen: Kept) -> None:
    """Ask once, and count what came of it."""
    body = asked(draw, pictures)
    leaves = draw.random() < 0.1
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        if leaves:
            seen["left in the middle"] += 1
            return
        text = (await answer.aread()).decode()
    if answer.status_code == 200:
        seen["answered" if whole(text, bool(body.get("stream"))) else "cut off"] += 1
    elif "error" in json.loads(text) and (answer.status_code != 429 or answer.headers["retry-after"]):
        seen[f"refused with {answer.status_code}"] += 1
        await asyncio.sleep(draw.uniform(0, PAUSE))
    else:
        seen["not told why"] += 1


def whole(text: str, stream: bool) -> bool:
    if stream:
        return text.rstrip().endswith("data: [DONE]") and '"error"' not in text
    return all(choice["finish_reason"] for choice in json.loads(text)["choices"])


async def client_of(url: str, number: int, pictures: list[str], until: float, seen: Kept) -> None:
    draw = random.Random(number)
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        while time.monotonic() < until:
            try:
                await one(client, draw, pictures, seen)
            except httpx.HTTPError as error:
                seen[f"broken ({type(error).__name__})"] += 1


def memory(pid: int) -> float:
    """Resident megabytes of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def watch(pid: int, until: float, sizes: list[float]) -> None:
    while time.monotonic() < until:
        await asyncio.sleep(0.5)
        sizes.append(memory(pid))


async def soak(url: str, pid: int, seconds: float) -> tuple[Kept, list[float]]:
    draw, seen, sizes = random.Random(0), Kept(), list[float]()
    pictures = [picture(draw) for _ in range(40)]
    until = time.monotonic() + seconds
    clients = [client_of(url, number, pictures, until, seen) for number in range(CLIENTS)]
    await asyncio.gather(*clients, watch(pid, until, sizes))
    return seen, sizes


def settled(url: str) -> dict[str, Any]:
    """The server's health once nobody asks."""
    for _ in range(200):
        health: dict[str, Any] = httpx.get(url + "/health").json()
        if not health["live"] and not health["waiting"]:
            break
        time.sleep(0.05)
    return health


def main() -> None:
    seconds = FULL if "--full" in sys.argv else SECONDS
    with TemporaryDirectory() as name:
        words = ("--slots", str(SLOTS), "--queue", str(QUEUE), "--length", "1024")
        with served.serving(served.folder_of(run_of(sys.argv[1:]), Path(name)), *words) as (url, process):
            seen, sizes = asyncio.run(soak(url, process.pid, seconds))
            health = settled(url)
    half = len(sizes) // 2
    early, late = max(sizes[half // 2 : half]), max(sizes[half:])
    bad = sum(count for what, count in seen.items() if what.startswith(("cut", "not", "broken")))
    for what, count in sorted(seen.items()):
        print(f"{what:<24} {count:>7}")
    print(f"memory {early:.0f} MB in the second quarter, {late:.0f} MB in the second half, of {seconds:.0f} s")
    print(f"afterwards {health['live']} live, {health['waiting']} waiting")
    if late > FLAT * early or health["live"] or health["waiting"]:
        raise SystemExit("soak: memory grew, or slots leaked")
    say("soak", 1 - bad / sum(seen.values()), 1.0, "share of requests answered, or refused with a reason", 1.0)


if __name__ == "__main__":
    main()
