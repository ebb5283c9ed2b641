"""A llama-server that is none: numbers drawn from what was read so far, behind the parts of its interface that we use.

It keeps llama-server's habits that matter: a token that ends inside a character is not told until the character is
whole, marks have no text, and the last event has sums alone. `fault` beside the model makes it end in the middle of
an answer, `hold` wait after the first token until it is left; `log` tells which answers ended and which were left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lapis import chat
from lapis.serve import budget

MARKER = "<__marker__>"


def logits(ids: Sequence[int], vocab: int) -> np.ndarray:
    """float64 [V] of a model that nobody trained; it likes to end things."""
    key = zlib.crc32(np.asarray(ids, np.int32).tobytes())
    drawn_V = np.random.Generator(np.random.Philox(key=key)).standard_normal(vocab)
    drawn_V[[chat.SPECIALS.index(chat.END), chat.SPECIALS.index(chat.UNTHINK)]] += 1.5
    return drawn_V


class Model:
    """Greedy answers, one token after another."""

    def __init__(self, folder: Path):
        self.vocab = json.loads((folder / "config.json").read_text())["vocab_size"]
        self.tokenizer = chat.Tokenizer.load(folder, 1)
        self.bytes = budget.token_bytes(self.tokenizer)
        self.end = self.tokenizer.id(chat.END)

    def events(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        ids, text, told, written = [*body["prompt"]], b"", 0, list[int]()
        for count in range(1, body["n_predict"] + 1):
            plain_V = logits(ids, self.vocab)
            biased_V = plain_V.copy()
            for token, bias in body["logit_bias"]:
                assert bias is False
                biased_V[token] = -np.inf
            token = int(biased_V.argmax())
            ids.append(token)
            written.append(token)
            text += self.bytes[token] if token < len(self.bytes) else b""
            if not cut_short(text):
                event = {"stop": False, "content": text[told:].decode(errors="replace"), "tokens": [token]}
                told = len(text)
                yield event | self._sums(body, count) | likely(plain_V, token, body["n_probs"])
            if token == self.end:
                break
        yield {"stop": True, "content": "", "timings/cache_n": 1, "all": written} | self._sums(body, len(written))

    def _sums(self, body: dict[str, Any], count: int) -> dict[str, int]:
        return {"tokens_predicted": count, "tokens_evaluated": len(body["prompt"])}


def likely(plain_V: np.ndarray, token: int, most: int) -> dict[str, Any]:
    """The likeliest tokens, where they were asked for."""
    if not most:
        return {}
    logprobs_V = plain_V - np.log(np.exp(plain_V).sum())
    best = [{"id": int(other), "logprob": float(logprobs_V[other])} for other in np.argsort(-plain_V)[:most]]
    return {"completion_probabilities": [{"logprob": float(logprobs_V[token]), "top_logprobs": best}]}


def cut_short(text: bytes) -> bool:
    """llama-server's own look at the last four bytes: a character may still be missing its end."""
    for back in range(1, min(4, len(text)) + 1):
        byte = text[-back]
        for mask, lead, length in ((0xE0, 0xC0, 2), (0xF0, 0xE0, 3), (0xF8, 0xF0, 4)):
            if byte & mask == lead and back < length:
                return True
    return False


class Server:
    """Three addresses, one answer at a time."""

    def __init__(self, model: Path, key: str):
        self.folder, self.key = model.parent, key
        self.model = Model(model.parent)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path, headers = (await reader.readline()).split()[1].decode(), dict[str, str]()
        while (line := await reader.readline()).strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
        if headers.get("authorization") != f"Bearer {self.key}":
            self.whole(writer, 401, {"error": {"code": 401, "message": "Invalid API Key"}})
        elif path != "/completion":
            self.whole(writer, 200, {"media_marker": MARKER, "status": "ok"})
        elif "broken" in body.get("json_schema", {}):
            self.whole(writer, 400, {"error": {"code": 400, "message": "no such schema"}})
        elif body["stream"]:
            await self.stream(reader, writer, body)
        else:
            self.whole(writer, 200, {"tokens": [*self.model.events(body)][-1]["all"]})
        writer.close()

    def whole(self, writer: asyncio.StreamWriter, status: int, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
        waits = (self.folder / "hold").exists()
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number, event in enumerate(self.model.events(body)):
            text = b"data: " + json.dumps(event).encode() + b"\n\n"
            writer.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
            await asyncio.sleep(0)
            if number == 0 and (self.folder / "fault").exists():
                print("out of memory, it failed", flush=True)
                os._exit(3)
            if waits:
                await reader.read(1)
            if reader.at_eof() or writer.is_closing():
                self.log("left")
                return
        writer.write(b"0\r\n\r\n")
        self.log("ended")

    def log(self, word: str) -> None:
        with (self.folder / "log").open("a") as file:
            file.write(word + "\n")


async def serve(words: argparse.Namespace) -> None:
    server = Server(Path(words.model), Path(words.api_key_file).read_text().strip())
    listening = await asyncio.start_server(server.answer, words.host, int(words.port))
    print(f"listening on http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)
    await listening.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("model", "host", "port", "api-key-file"):
        parser.add_argument(f"--{name}")
    asyncio.run(serve(parser.parse_known_args()[0]))


if __name__ == "__main__":
    main()
