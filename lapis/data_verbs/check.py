"""`lapis data check`: a page on which a person goes through samples of a file"""

from __future__ import annotations

import argparse
from pathlib import Path

NAME, ABOUT = "check", "look through samples of a file on a page; what is said of them is kept beside it"
EXAMPLE = "lapis data check made/answers.parquet --samples 200"


def options(verb: argparse.ArgumentParser) -> None:
    """The file, how many, and where."""
    verb.add_argument("file", metavar="FILE", type=Path, help="samples (Parquet)")
    verb.add_argument("--samples", metavar="N", type=int, default=200, help="how many, drawn at random")
    verb.add_argument("--seed", metavar="N", type=int, default=0, help="another number draws others")
    verb.add_argument("--port", metavar="N", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")


def act(words: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C or SIGTERM; prints its address first, and the counts last."""
    import socket

    import uvicorn

    from lapis.data.check import app, checks, drawn
    from lapis.types import InputError

    if words.samples < 1 or not 0 <= words.port <= 65535:
        raise InputError("expected --samples 1 or more, and --port 0 to 65535")
    made = app.create(words.file, drawn.draw(words.file, words.samples, words.seed))
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", words.port))
        place.listen()
    except OSError as error:
        raise InputError(f"--port {words.port}: cannot listen there ({error.strerror})") from None
    print(f"http://127.0.0.1:{place.getsockname()[1]}/", flush=True)
    settings = uvicorn.Config(
        made, ws="none", lifespan="off", log_config=None, server_header=False, timeout_graceful_shutdown=1
    )
    try:
        uvicorn.Server(settings).run(sockets=[place])
    finally:
        desk = made.state.desk
        print(f"{checks.path_of(words.file)}: {checks.summary(desk.checks, desk.names)}", flush=True)
