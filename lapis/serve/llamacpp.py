"""llama.cpp behind the server: a `Backend` over a llama-server of our own, from a folder of `lapis export --to gguf`.

The same prompts, budgets and greedy answers as the torch engine: prompts go as ids (llama_prompt.py), the budget
machine reads along (llama_reply.py). Unusual: the queue is ours, so that llama-server never holds more requests than
it has slots; it is started by the first request, and again by the next one after it ended. Two things it does in its
own way: presence and frequency penalties count the prompt's tokens too, and a JSON schema allows its own white space.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from lapis import chat, config, native
from lapis.model import convert
from lapis.serve import budget, sampler
from lapis.serve.backend import Delta, Full, Load
from lapis.serve.job import room
from lapis.serve.llama_process import Json, Process, Stopped
from lapis.serve.llama_prompt import cut, prompt_of
from lapis.serve.llama_reply import Likely, Reply
from lapis.types import Image, InputError, Request

MARGIN = 8
"""Positions of a slot that llama-server keeps free."""
KEPT_MB = 512
"""Most memory for the caches of slots that others took over."""
ORDER = ["penalties", "temperature", "top_k", "top_p", "min_p"]
"""As the torch engine samples."""


@dataclass(frozen=True, slots=True)
class Files:
    """What llama-server loads, and what we must know of the model."""

    model: Path
    projector: Path | None
    shape: config.Model | config.Decoder
    tokenizer: chat.Tokenizer

    @classmethod
    def of(cls, folder: Path, form: str = "f16") -> Files:
        """From a folder of `lapis export --to gguf`. Raises InputError where a file is missing."""
        model = folder / f"model-{form}.gguf"
        if not model.is_file():
            there = ", ".join(path.stem.removeprefix("model-") for path in sorted(folder.glob("model-*.gguf")))
            raise InputError(
                f"{model}: not there; {f'there are {there}' if there else '`lapis export --to gguf` writes it'}"
            )
        shape = convert.config_of(folder)
        own = folder / f"mmproj-{form}.gguf"
        found = [path for path in (own, folder / "mmproj-f16.gguf", folder / "mmproj-f32.gguf") if path.is_file()]
        whole = isinstance(shape, config.Model)
        if whole and not found:
            raise InputError(f"{folder / 'mmproj-f16.gguf'}: not there; `lapis export --to gguf` writes it")
        tiles = config.tile_tokens(shape)
        return cls(model, found[0] if whole else None, shape, chat.Tokenizer.load(folder, tiles))

    @property
    def whole(self) -> config.Model | None:
        return self.shape if isinstance(self.shape, config.Model) else None

    @property
    def positions(self) -> int:
        decoder = config.decoder_of(self.shape)
        return decoder.max_positions


def command(server: Path, files: Files, slots: int, length: int, threads: int) -> list[str | Path]:
    """llama-server's words for `slots` requests of `length` tokens at once. f32 is for comparing: its cache and its
    attention are in f32 too (flash attention was off by 0.01 in logits, without it 0.0001)."""
    words: list[str | Path] = [server, "--model", files.model, "--offline", "--no-ui", "--no-slots", "--jinja"]
    words += ["--parallel", str(slots), "--ctx-size", str(slots * (length + MARGIN)), "--no-context-shift"]
    words += ["--threads", str(threads), "--cache-ram", str(KEPT_MB)]
    if files.model.stem.endswith("f32"):
        words += ["--cache-type-k", "f32", "--cache-type-v", "f32", "--flash-attn", "off"]
    words += native.model_words(files.shape)
    return [*words, "--mmproj", files.projector] if files.projector is not None else words


class LlamaCpp:
    """A `Backend`. `slots` requests run at once, `queue` more wait; each has `length` tokens for prompt and answer."""

    def __init__(
        self,
        folder: Path,
        form: str = "f16",
        name: str = "lapis",
        slots: int = 4,
        length: int = 4096,
        queue: int = 64,
        threads: int | None = None,
        server: Path | None = None,
    ):
        """Raises InputError where `folder` holds no such model, or llama-server is not built."""
        self.model = name
        self.files = Files.of(folder, form)
        self.length = min(length, self.files.positions - MARGIN)
        self._queue, self._slots, self._count = queue, asyncio.Semaphore(slots), slots
        self.threads = threads or os.cpu_count() or 1
        server = server or native.find("llama-server")
        self._command = command(server, self.files, slots, self.length, self.threads)
        self._marks = budget.Marks.of(self.files.tokenizer)
        self._unknown = tuple(range(self.files.tokenizer.size, config.decoder_of(self.files.shape).vocab))
        self._by_bytes = {content: token for token, content in enumerate(self._marks.content) if content}
        self.process: Process | None = None
        self._starting = asyncio.Lock()
        self._marker = ""
        self._closed = False
        self._live: set[Reply] = set()
        self._taken = 0
        self._done = {"prompt": 0, "shared": 0, "written": 0, "images": 0}

    async def submit(self, request: Request) -> AsyncIterator[Delta]:
        """As the protocol; raises Stopped where llama-server ends while it writes."""
        sampler.check(request)
        with self._place():
            process = await self.running()
            shown = any(turn.images for turn in request.turns)
            reply = await asyncio.to_thread(self._reply, request) if shown else self._reply(request)
            self._live.add(reply)
            try:
                async with self._slots, aclosing(self._written(process, reply)) as deltas:
                    async for delta in deltas:
                        yield delta
            finally:
                self._live.discard(reply)
                self._done["written"] += len(reply.token_ids)

    async def prepare(self, image: Image) -> int:
        """Encode an image as the beginning of a question, where most stand; a question that begins otherwise finds it
        encoded for nothing."""
        shape = self.files.whole
        if shape is None:
            raise InputError("image: this model reads text only")
        with self._place():
            process = await self.running()
            tiles = await asyncio.to_thread(cut, image, shape)
            body = {"prompt_string": chat.HUMAN + self._marker * len(tiles), "multimodal_data": tiles}
            async with self._slots:
                await process.ask("/completion", {"prompt": body, "n_predict": 0, "cache_prompt": True})
        self._done["images"] += 1
        return len(tiles)

    def load(self) -> Load:
        live = min(len(self._live), self._count)
        used = sum(min(self.length, len(reply.prompt.ids) + reply.most) for reply in self._live)
        return Load(
            live=live,
            waiting=self._taken - live,
            cache_used=min(1.0, used / (self._count * self.length)),
            prompt_tokens=self._done["prompt"],
            shared_tokens=self._done["shared"],
            written_tokens=self._done["written"] + sum(len(reply.token_ids) for reply in self._live),
            images=self._done["images"],
        )

    async def close(self, grace: float) -> None:
        self._closed = True
        loop = asyncio.get_running_loop()
        end = loop.time() + grace
        while self._taken and loop.time() < end:
            await asyncio.sleep(min(0.05, grace))
        if self.process is not None:
            await self.process.stop()

    @property
    def pid(self) -> int | None:
        """Of llama-server, while it runs."""
        return self.process.pid if self.process is not None and self.process.alive else None

    def _place(self) -> _Place:
        if self._closed or self._taken >= self._count + self._queue:
            raise Full(f"{self._taken} requests are here already")
        return _Place(self)

    async def running(self) -> Process:
        """llama-server, started where it does not run."""
        async with self._starting:
            if self.process is None or not self.process.alive:
                if self.process is not None:
                    await self.process.stop()
                self.process = await Process.start(self._command)
                self._marker = str((await self.process.ask("/props"))["media_marker"])
            return self.process

    def _reply(self, request: Request) -> Reply:
        prompt = prompt_of(request, self.files.tokenizer, self.files.whole, self._marker)
        most = room(request, len(prompt.ids), self.length)
        limits = budget.Limits(request.budget, most, request.reserve, request.grace)
        machine = budget.Machine(self._marks, prompt.ids, request.think, limits)
        self._done["images"] += prompt.images
        self._done["prompt"] += len(prompt.ids)
        return Reply(request, prompt, machine, most, self.files.tokenizer)

    async def _written(self, process: Process, reply: Reply) -> AsyncGenerator[Delta, None]:
        """Stretch by stretch: what the machine writes, then what llama-server does until the machine says otherwise."""
        stretches = 0
        try:
            while not reply.finish:
                reply.write_own()
                if reply.token_ids and not stretches:
                    yield reply.delta()
                before = len(reply.token_ids)
                if not reply.finish:
                    async with aclosing(self._stretch(process, reply, stretches)) as steps:
                        async for _ in steps:
                            if not reply.finish:
                                yield reply.delta()
                stretches += 1
                if not reply.finish and len(reply.token_ids) == before and not reply.must_answer:
                    raise Stopped("llama-server: wrote nothing")
        except Stopped:
            if not self._closed:
                raise
            reply.finish = "cancelled"
        last = reply.delta()
        yield Delta(last.thought, last.text, last.tokens, reply.completion())

    async def _stretch(self, process: Process, reply: Reply, number: int) -> AsyncGenerator[None, None]:
        """Tokens of one request to llama-server until the reply cannot use more of them."""
        body, seen, useful = self._body(reply, number), 0, True
        async with process.stream("/completion", body) as events:
            async for event in events:
                told = event.get("tokens", [])
                lost = event["tokens_predicted"] - seen - len(told)
                if not seen and not number:
                    self._check(event, len(reply.prompt.ids) + len(reply.token_ids))
                ids = self._ids(event, told, lost) if useful else told
                if ids is None:
                    break
                seen = event["tokens_predicted"]
                if useful and ids:
                    useful = self._took(reply, ids, event)
                    yield
                if event["stop"] and not number:
                    reply.shared = event["timings/cache_n"]
                    self._done["shared"] += reply.shared
                if event["stop"] or not (useful or self._ends(reply)):
                    return
        if not reply.prompt.tiles:
            body["n_predict"] = event["tokens_predicted"]
        async for _ in self._fetched(process, reply, body, seen):
            yield

    def _ends(self, reply: Reply) -> bool:
        """llama-server ends by itself here too, and tells what it read."""
        return reply.finish == "length" or reply.token_ids[-1:] == [self._marks.end]

    def _check(self, event: Json, tokens: int) -> None:
        """llama-server's prompt is as long as ours, or tokenizers or tiles differ, which no answer would show."""
        if event["tokens_evaluated"] != tokens:
            raise RuntimeError(f"llama-server read {event['tokens_evaluated']} tokens of a prompt of {tokens}")

    def _ids(self, event: Json, told: list[int], lost: int) -> list[int] | None:
        """An event's tokens. llama-server tells none that end inside a character, only their bytes with the next one:
        a single such token is found by them. None where it is not."""
        if not lost:
            return told
        content = event["content"].encode()
        ending = self._marks.content[told[-1]] if told else b""
        found = self._by_bytes.get(content.removesuffix(ending)) if lost == 1 and content.endswith(ending) else None
        return None if found is None else [found, *told]

    def _took(self, reply: Reply, ids: list[int], event: Json) -> bool:
        logprob, likely = _logprobs(next(iter(event.get("completion_probabilities", ())), None))
        for token in ids[:-1]:
            if not reply.take(token, 0.0, ()):
                return False
        return not ids or reply.take(ids[-1], logprob, likely)

    async def _fetched(self, process: Process, reply: Reply, body: Json, seen: int) -> AsyncIterator[None]:
        """A stretch once more, in a form that tells the tokens that were lost too, all at once; `seen` are known.

        Behind images it goes on to the end: bytes that are no character would come out as others in another stretch.
        """
        fields = {"stream": False, "return_tokens": True, "response_fields": ["tokens", "completion_probabilities"]}
        whole = await process.ask("/completion", body | fields)
        told = deque(whole.get("completion_probabilities", ()))
        for at, token in enumerate(whole["tokens"]):
            # Of a token that ends inside a character nothing is told here either.
            entry = told.popleft() if told and told[0]["id"] == token else None
            if at >= seen:
                if not reply.take(token, *_logprobs(entry)):
                    return
                yield

    def _body(self, reply: Reply, number: int) -> Json:
        request = reply.request
        banned = (*reply.banned(), *self._unknown)
        body: Json = {
            "prompt": reply.prompt.body(reply.token_ids, self.files.tokenizer),
            "n_predict": 1 if reply.must_answer else reply.left,
            "stream": True,
            "cache_prompt": True,
            "logit_bias": [[token, False] for token in banned],
            "n_probs": request.top_logprobs,
            "response_fields": ["stop", "tokens_predicted", "tokens_evaluated", "content", "timings/cache_n"],
        }
        if reply.prompt.tiles and not reply.answering:
            body |= own_budget(reply, self.files.tokenizer) | {"n_probs": max(1, request.top_logprobs)}
        if request.schema and reply.answering:
            body["json_schema"] = json.loads(request.schema)
        return body | sampling(request, number)


class _Place:
    """A request's place in slots and queue."""

    def __init__(self, backend: LlamaCpp):
        self._backend = backend

    def __enter__(self) -> None:
        self._backend._taken += 1

    def __exit__(self, *error: object) -> None:
        self._backend._taken -= 1


def own_budget(reply: Reply, tokenizer: chat.Tokenizer) -> Json:
    """llama-server's own budget, told to close where the machine would: a prompt with images cannot go on from the ids
    that are written. It also closes with its message where the model would have closed in that very place."""
    most, message = reply.machine.ending
    return {
        "reasoning_budget_tokens": most,
        "reasoning_budget_start_tag": chat.THINK,
        "reasoning_budget_end_tag": chat.UNTHINK,
        "reasoning_budget_message": tokenizer.decode(message),
        "generation_prompt": tokenizer.decode(reply.token_ids, specials=True),
    }


def sampling(request: Request, number: int) -> Json:
    """llama-server's words for how tokens are drawn; each stretch of a reply has random numbers of its own."""
    return {
        "temperature": request.temperature,
        "top_k": request.top_k,
        "top_p": request.top_p,
        "min_p": request.min_p,
        "samplers": ORDER,
        "seed": (request.seed + number) & 0x7FFFFFFF,
        "repeat_last_n": -1 if sampler.Penalties.asked(request) else 0,
        "repeat_penalty": request.repetition_penalty,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
    }


def _logprobs(entry: Json | None) -> tuple[float, Likely]:
    """A token's log-probability and the likeliest ones in its place; nothing where they are not told."""
    if entry is None:
        return 0.0, ()
    return entry["logprob"], tuple((one["id"], one["logprob"]) for one in entry["top_logprobs"])
