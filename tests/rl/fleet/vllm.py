"""A server with those of vLLM's routes that RL asks, over the torch engine. vLLM itself needs another environment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import uvicorn
from fastapi import Body, FastAPI, HTTPException

from lapis import chat, config
from lapis.dist.guard import Place
from lapis.model import convert
from lapis.rl.rollout import engine_of
from lapis.serve.job import Prompt, begun
from lapis.serve.server import bound, url_of
from lapis.types import Request

Json = dict[str, Any]


class Served:
    """What is served, and what was asked of it in order."""

    def __init__(self, folder: Path, stage: config.RL):
        self.folder, self.stage = folder, stage
        self.told: list[str] = []
        self.open = threading.Event()
        """Answers are let out."""
        self.open.set()
        self.came = threading.Event()
        """Something was asked."""
        self._lock = threading.Lock()
        self._engine: Any = None

    def load(self) -> Json:
        tokenizer = chat.Tokenizer.load(self.folder, 4)
        self._engine = engine_of(
            convert.read(self.folder), tokenizer, self.stage, 8, Place(torch.device("cpu"), torch.float32)
        )
        self.told.append("reload")
        return {"results": [None]}

    def models(self) -> Json:
        with self._lock:
            if self._engine is None:
                self.load()
        return {"object": "list", "data": [{"id": "policy", "object": "model"}]}

    def complete(self, body: Json) -> Json:
        ids, most = tuple(body["prompt"]), body["max_tokens"]
        if body["model"] != "policy" or len(ids) + most > self.stage.row_tokens:
            raise HTTPException(400, "longer than the model's context")
        self.came.set()
        self.open.wait()
        request = Request((), max_tokens=most, temperature=body["temperature"], seed=body["seed"])
        with self._lock, torch.inference_mode():
            engine = self._engine
            vocab = engine.bias_SV.shape[1]
            job = begun(request, Prompt(ids, (), np.array(ids)), most, engine.marks, None, vocab)
            engine.session.add(job)
            while not job.finish:
                engine.session.step(64)
            self.told.append("complete")
        choice: Json = {"index": 0, "text": "", "finish_reason": job.finish}
        if body.get("return_token_ids"):
            choice |= {"token_ids": job.token_ids, "logprobs": {"token_logprobs": job.logprobs}}
        return {"object": "text_completion", "choices": [choice]}

    def call(self, body: Json) -> Json:
        assert body == {"method": "reload_weights"}
        with self._lock:
            return self.load()

    def forget(self) -> None:
        self.told.append("forget")


@contextmanager
def serving(folder: Path, stage: config.RL) -> Iterator[tuple[str, Served]]:
    """Its URL; the folder is read when the first request comes."""
    served, app = Served(folder, stage), FastAPI()
    app.get("/v1/models")(served.models)
    app.post("/v1/completions")(lambda body=Body(): served.complete(body))  # noqa: B008
    app.post("/collective_rpc")(lambda body=Body(): served.call(body))  # noqa: B008
    app.post("/reset_prefix_cache")(served.forget)
    place = bound("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([place],))
    thread.start()
    try:
        yield url_of(place, "127.0.0.1"), served
    finally:
        served.open.set()
        server.should_exit = True
        thread.join()
