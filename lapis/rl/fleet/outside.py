"""A process that stands for a vLLM server: answers come from its API, and it gets the weights as a folder.

Out go a prompt's token ids and a seed (`/v1/completions`), back come the answer's ids with their log-probabilities
(`return_token_ids`, `logprobs`). The folder is written before the server is waited for: it can be started on it.

Unusual: an answer has one version. Where weights change, requests in flight end first and others wait; then the folder
is replaced, the server reads it anew (`/collective_rpc`, `reload_weights`) and forgets its prefixes. The last two are
there where it runs with VLLM_SERVER_DEV_MODE=1. A server that does not answer ends the process, as an engine's end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Condition, Lock
from typing import Any

import httpx

from lapis import chat, config
from lapis.dist import guard
from lapis.export import hf
from lapis.model import convert
from lapis.model.vlm import text_of
from lapis.rl.fleet.engine import gathered
from lapis.rl.fleet.messages import Answer, Call, Question, Report, Sent
from lapis.rl.fleet.trace import Spans
from lapis.rl.fleet.weights import Broadcast, Files, Flat, here
from lapis.serve.budget import Marks
from lapis.types import Completion, InputError, Request

START = 900.0
"""Seconds that a server may take until it is there."""
LONGEST = 3600.0
"""Seconds that an answer may take."""
RETRY = 0.5
Json = dict[str, Any]


class Server:
    """One server's API. Raises httpx.HTTPError where it cannot be reached or refuses what every server takes."""

    def __init__(self, url: str, tokenizer: chat.Tokenizer):
        self.http = httpx.Client(base_url=url, timeout=httpx.Timeout(30.0, read=LONGEST), trust_env=False)
        self.tokenizer, self.marks = tokenizer, Marks.of(tokenizer)

    def wait(self) -> str:
        """The name of its model, once it is there."""
        end = time.monotonic() + START
        while True:
            try:
                models = self.http.get("/v1/models").raise_for_status().json()
                return str(models["data"][0]["id"])
            except httpx.TransportError:
                if time.monotonic() > end:
                    raise
            time.sleep(RETRY)

    def reload(self) -> None:
        """Have it read its folder anew."""
        self.http.post("/collective_rpc", json={"method": "reload_weights"}).raise_for_status()
        self.http.post("/reset_prefix_cache").raise_for_status()

    def complete(self, model: str, request: Request) -> Completion:
        """An answer. Raises InputError for a request that it refuses, and for an answer that is not whole."""
        ids = chat.encode_prompt(request.turns, request.think, None, self.tokenizer, _no_tiles).ids
        begun = (*self.marks.think, *self.marks.opening) if request.think else ()
        most = request.max_tokens - len(begun)
        asked = {"model": model, "prompt": [*ids, *begun], "max_tokens": most, "temperature": request.temperature}
        asked |= {"seed": request.seed, "logprobs": 0, "return_token_ids": True}
        response = self.http.post("/v1/completions", json=asked)
        if response.status_code in (400, 422):
            raise InputError(f"prompt: refused by {self.http.base_url} ({response.text[:200]})")
        (choice,) = response.raise_for_status().json()["choices"]
        return self._completion(tuple(ids), begun, choice)

    def _completion(self, ids: tuple[int, ...], begun: tuple[int, ...], choice: Json) -> Completion:
        """As the torch engine tells it, which opens a thought itself (`begun`)."""
        tokens = choice.get("token_ids") or []
        logprobs = (choice.get("logprobs") or {}).get("token_logprobs") or []
        if not tokens or len(logprobs) != len(tokens) or not all(map(math.isfinite, logprobs)):
            raise InputError(f"{self.http.base_url}: an answer without token ids and log-probabilities, expected both")
        whole = (*begun, *tokens)
        thought, text, closed = chat.split_answer(whole, self.tokenizer, bool(begun))
        close = self.tokenizer.id(chat.UNTHINK)
        spent = (whole.index(close) if close in whole else len(whole)) - len(self.marks.think) if begun else 0
        return Completion(
            text,
            thought.removeprefix(chat.THINK).strip("\n"),
            prompt_ids=ids,
            token_ids=whole,
            logprobs=(0.0,) * len(begun) + tuple(logprobs),
            forced=(True,) * len(begun) + (False,) * len(tokens),
            thought_tokens=spent,
            finish=choice["finish_reason"],
            closed=closed,
        )


def _no_tiles(image: object) -> int:
    raise InputError("image: a server outside is asked with text alone")


def served(shared: Path, fleet: config.Fleet, url: str) -> Path:
    """The folder of a server's weights, under one that both can reach."""
    return shared / f"server-{fleet.outside.index(url)}"


class OutsideProcess:
    """The actor. Its calls are those of EngineProcess."""

    def __init__(self, url: str, name: str, model: Path, stage: config.RL, recipe: config.Recipe, shared: Path):
        fleet = stage.fleet
        self.decoder = text_of(convert.read(model))
        self.server = Server(url, chat.Tokenizer.load(model, recipe.model.tokens_per_tile))
        self.folder = served(shared, fleet, url)
        self.flat = Flat(self.decoder, guard.dtype_of(recipe.dtype, guard.device_of(recipe.device)))
        self.way = Files(shared) if fleet.weights == "files" else Broadcast(here(), fleet.bucket_mb)
        self.spans, self.version, self.model = Spans(name), 0, ""
        self._out: SimpleQueue[Answer] = SimpleQueue()
        self._threads = ThreadPoolExecutor(fleet.slots)
        self._lock, self._turn = Lock(), Condition()
        self._flying, self._closed = 0, False
        self._broken: Exception | None = None

    def about(self) -> str:
        """Write the weights and wait for the server; the sign of the weights that it takes."""
        hf.write(self.decoder, self.server.tokenizer, self.folder)
        self.model = self.server.wait()
        return self.flat.sign()

    def ask(self, questions: Sequence[Question]) -> None:
        """Answers to these are wanted."""
        for question in questions:
            self._threads.submit(self._answer, question)

    def collect(self, seconds: float) -> Report:
        """What was finished since the last call, within so many seconds. Raises what the server failed with."""
        answers = gathered(self._out, seconds)
        if self._broken is not None:
            raise self._broken
        return Report(tuple(answers), self.spans.take())

    def receive(self, call: Call, rank: int) -> Sent:
        """Take part in a transfer; the server has the weights when it returns."""
        with self._lock:
            begin = time.time()
            self.way.receive(self.flat, call, rank)
            arrived = time.time()
            with self._turn:
                self._closed = True
                self._turn.notify_all()
                self._turn.wait_for(lambda: not self._flying)
            with self.spans.span("weights"):
                self.flat.write()
                hf.write(self.decoder, self.server.tokenizer, self.folder)
                self.server.reload()
            with self._turn:
                self.version, self._closed = call.version, False
                self._turn.notify_all()
        return Sent(arrived - begin, self.flat.megabytes)

    def _answer(self, question: Question) -> None:
        """In a thread of its own."""
        with self._turn:
            self._turn.wait_for(lambda: not self._closed)
            self._flying += 1
        begin = time.time()
        try:
            completion = self.server.complete(self.model, question.request)
            self._out.put(Answer(question.key, completion, (self.version,) * len(completion.token_ids)))
        except InputError as error:
            self._out.put(Answer(question.key, None, fault=str(error)))
        except Exception as error:  # whatever it is, `collect` tells it
            self._broken = error
        finally:
            self.spans.add("decode", begin, time.time())
            with self._turn:
                self._flying -= 1
                self._turn.notify_all()
