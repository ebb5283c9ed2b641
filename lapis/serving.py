"""`lapis serve`: a run's model behind the API, from the words of the command line to the end of the process."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from lapis.named import model_folder, recipe_in, run_folder
from lapis.types import InputError


def options(verb: argparse.ArgumentParser) -> None:
    """The words of `lapis serve`."""
    verb.add_argument("model", metavar="RUN|FOLDER", help="a run (its name or folder) or a model folder")
    verb.add_argument("--engine", choices=("torch", "llamacpp"), default="torch", help="what computes the answers")
    about = "llamacpp: which file of `lapis export --to gguf` (f16)"
    verb.add_argument("--form", metavar="F", help=about)
    verb.add_argument("--host", metavar="H", default="127.0.0.1", help="the address to listen on; only this machine's")
    verb.add_argument("--port", metavar="N", type=int, default=8000, help="0 takes a free one")
    verb.add_argument("--name", metavar="HOST", action="append", default=[], help="a name that clients use for it")
    verb.add_argument("--model-name", metavar="M", help="what clients call the model; else its run's or folder's name")
    verb.add_argument("--slots", metavar="N", type=int, default=8, help="requests that are answered at once")
    verb.add_argument("--length", metavar="N", type=int, default=4096, help="most tokens of a request and its answer")
    verb.add_argument("--queue", metavar="N", type=int, default=64, help="requests that may wait; past it is a 429")
    verb.add_argument(
        "--key-file", metavar="F", type=Path, help="a file with the API key; or the variable LAPIS_API_KEY"
    )
    verb.add_argument("--fetch", metavar="HOST", action="append", default=[], help="remote images may come from there")
    verb.add_argument("--grace", metavar="S", type=float, default=30.0, help="seconds to finish in when stopped")
    verb.add_argument("--body-mb", metavar="N", type=int, default=32, help="most megabytes of a request")


def serve(words: argparse.Namespace) -> None:
    """Serve a model until SIGTERM or Ctrl-C. Raises InputError for a word that is wrong."""
    if words.form is not None and words.engine == "torch":
        raise InputError("--form: expected --engine llamacpp with it")
    for name, least in (("slots", 1), ("length", 16), ("queue", 0), ("grace", 0), ("body_mb", 1)):
        if getattr(words, name) < least:
            raise InputError(f"--{name.replace('_', '-')} {getattr(words, name)}: expected {least} or more")
    if not 0 <= words.port <= 65535:
        raise InputError(f"--port {words.port}: expected 0 to 65535")
    key = key_of(words.key_file)
    from lapis.serve import server

    place = server.bound(words.host, words.port)
    app = _app(words, key)
    if words.host not in server.LOOPBACK and not key:
        print(f"lapis: {words.host} is not loopback, and there is no API key: anybody may ask", file=sys.stderr)
    print(server.url_of(place, words.host), flush=True)
    server.Server(app).run(sockets=[place])


def _app(words: argparse.Namespace, key: str) -> Any:
    from lapis.serve import api
    from lapis.serve.limits import Limits
    from lapis.serve.reply import Spelling

    limits = Limits(
        body=words.body_mb * 2**20,
        bodies=8 * words.body_mb * 2**20,
        grace=words.grace,
        fetch_hosts=frozenset(host.lower() for host in words.fetch),
        names=frozenset(host.lower() for host in words.name),
    )
    backend, tokenizer = (_torch if words.engine == "torch" else _llamacpp)(words)
    return api.create(backend, Spelling.of(tokenizer), limits, key)


def _torch(words: argparse.Namespace) -> tuple[Any, Any]:
    from lapis import terminal
    from lapis.serve.features import Features
    from lapis.serve.local import Local

    folder = model_folder(words.model)
    engine = terminal.engine(folder, words.slots, words.length, Features(terminal.FEATURES))
    return Local(engine, _name(words), words.queue), engine.tokenizer


def _llamacpp(words: argparse.Namespace) -> tuple[Any, Any]:
    from lapis.serve.llamacpp import LlamaCpp

    folder = Path(words.model)
    if not any(folder.glob("model-*.gguf")):
        run = run_folder(words.model)
        folder = run / recipe_in(run).export.name / "gguf"
    backend = LlamaCpp(folder, words.form or "f16", _name(words), words.slots, words.length, words.queue)
    return backend, backend.files.tokenizer


def _name(words: argparse.Namespace) -> str:
    """What clients call the model."""
    return words.model_name or Path(words.model).name


def key_of(file: Path | None) -> str:
    """The API key of a file, or of the environment; empty where there is none. Raises InputError for a poor one."""
    if file is None:  # a command line can be read by every user of a machine: a secret may stand in the environment
        key = os.environ.get("LAPIS_API_KEY", "").strip()
    else:
        try:
            key = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{file}: cannot be read ({type(error).__name__})") from None
    if file is not None and not key:
        raise InputError(f"{file}: empty, expected an API key")
    if not key.isascii() or len(key.split()) > 1:
        raise InputError(f"{file or 'LAPIS_API_KEY'}: expected one word of ASCII")
    return key
