"""A server on loopback that counts what it is asked, and lets a test kill whoever asks while it waits.

Who asks after a kill asks another one at the same port: what the killed process had sent may reach the first at any
later time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.conftest import ROOT, command, environment


class Counting(ThreadingHTTPServer):
    """Counts requests; from `most` on it keeps everybody waiting. It answers 42, and rates 8."""

    def __init__(self, most: int, port: int) -> None:
        super().__init__(("127.0.0.1", port), Answerer)
        self.most, self.got, self.full, self.lock = most, Counter[str](), threading.Event(), threading.Lock()
        self.daemon_threads = True


class Answerer(BaseHTTPRequestHandler):
    server: Counting
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            self.server.got[body.decode()] += 1
            waits = self.server.got.total() > self.server.most
        if waits:
            self.server.full.set()
            threading.Event().wait()
        said = '{"score": 8}' if b"Rate the answer" in body else "42"
        message = {"role": "assistant", "content": said, "reasoning_content": "6*7"}
        answer = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, form: str, *words: Any) -> None:
        pass


@contextmanager
def counting(most: int = 10**6, port: int = 0) -> Iterator[Counting]:
    """A server in a thread, stopped at the end."""
    server = Counting(most, port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def kill_once_full(server: Counting, words: list[str]) -> None:
    """Run `lapis` with these words, and kill it for good once the server keeps everybody waiting."""
    process = subprocess.Popen(command(*words), cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL)
    try:
        assert server.full.wait(60)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
