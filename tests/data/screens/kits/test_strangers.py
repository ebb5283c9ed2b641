"""Given pages that are not made for us: what they forbid, claim, break and call up, in a real Chromium."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lapis.data.screens.kits import given
from lapis.data.screens.kits.shots import Shot
from lapis.data.sources.base import Broken
from lapis.types import Silent
from tests.data.screens.kits.tabs import browser, shown

__all__ = ["browser"]

TOLD: dict[str, Any] = {"licence": "CC0-1.0", "devices": ("phone",), "views": 1, "seed": 0}
LOOPBACK = "127.0.0.1"


def made(pages: given.Given) -> list[list[Shot | Broken]]:
    """All pages; Playwright keeps the thread that it runs in."""

    def shoot() -> list[list[Shot | Broken]]:
        return [found for _, found in given.shots(pages, range(len(pages.places)), Silent())]

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(shoot).result()


def of(folder: Path, **pages: str) -> given.Given:
    for name, html in pages.items():
        (folder / f"{name}.html").write_text(f"<!doctype html>{html}", encoding="utf-8")
    return given.of_folder(folder, **TOLD)


def names(found: Sequence[Shot | Broken]) -> set[str]:
    return {element.name for one in found if isinstance(one, Shot) for element in one.screen.elements}


def test_a_page_that_forbids_styles_and_scripts_is_labelled(tmp_path: Path) -> None:
    policy = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self'">"""
    (found,) = made(of(tmp_path, strict=f"{policy}<button>Save</button>"))
    assert names(found) == {"Save"}


def test_what_a_page_claims_in_our_attributes_is_not_taken(tmp_path: Path) -> None:
    html = """<p data-fact="hello">One</p><p data-fact='["price","Pear",7,"$"]'>$9</p><p data-fact="7">Two</p>
    <template><b data-n="x">3</b><b data-n="99999">4</b></template><div id="host"></div><script>
    document.getElementById("host").attachShadow({mode: "closed"}).innerHTML = "<b data-n='77777'>Deep</b>"</script>"""
    (found,) = made(of(tmp_path, claims=html))
    assert {"One", "$9", "Two"} <= names(found)
    assert not any("field" in element.data for one in found if isinstance(one, Shot) for element in one.screen.elements)


UNSEEN = {
    "transparent": '<a href="x" style="color:transparent;background:#08f;display:block;height:40px">Gone</a>',
    "faint": '<button style="opacity:0.01">Gone</button>',
    "within": '<div style="opacity:0.3"><div style="opacity:0.1"><p>Gone</p><button>Gone too</button></div></div>',
}
SEEN = {
    "gradient": '<h1 style="background:linear-gradient(red,blue);background-clip:text;color:#0000"><b>Seen</b></h1>',
    "shadow": '<p style="color:transparent;text-shadow:0 0 0 #000">Seen</p>',
    "off": '<button disabled style="opacity:0.4">Seen</button>',
}


def test_what_has_no_colour_or_is_too_faint_is_not_read(tmp_path: Path) -> None:
    pages = {name: f"{html}<button>Save</button>" for name, html in {**UNSEEN, **SEEN}.items()}
    for name, found in zip(sorted(pages), made(of(tmp_path, **pages)), strict=True):
        (shot,) = found
        assert isinstance(shot, Shot)
        unique = {element.name for element in shot.screen.elements if element.unique}
        assert unique == {line[0] for line in shot.screen.lines} == {"Save"} | ({"Seen"} if name in SEEN else set())


def test_after_a_page_that_breaks_its_tab_the_others_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views = given.GivenTab.views

    def breaking(tab: given.GivenTab, number: int) -> Iterator[Shot]:
        if number == 0:
            tab.page.goto("chrome://crash")
        return views(tab, number)

    monkeypatch.setattr(given.GivenTab, "views", breaking)
    first, second = made(of(tmp_path, a="<button>A</button>", b="<button>B</button>"))
    assert isinstance(first[0], Broken) and first[0].reason.startswith("cannot be shown (")
    assert names(second) == {"B"}


@pytest.fixture
def listening() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Doors on the loopback interface that nobody may knock at: TCP and UDP."""
    with socket.create_server((LOOPBACK, 0)) as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        datagram.bind((LOOPBACK, 0))
        yield stream, datagram


CALL = """async ([stream, datagram]) => {
  const over = (what, ...names) => new Promise((done) => names.forEach((name) => what.addEventListener(name, done)));
  const socket = new WebSocket(`ws://127.0.0.1:${stream}/`);
  await over(socket, 'close', 'error');
  await fetch(`http://127.0.0.1:${stream}/`, { mode: 'no-cors' }).catch(() => 0);
  const peer = new RTCPeerConnection({ iceServers: [{ urls: `stun:127.0.0.1:${datagram}` }] });
  peer.createDataChannel('a');
  const gathered = new Promise((done) => {
    peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && done();
  });
  await peer.setLocalDescription(await peer.createOffer());
  await gathered;
  return true;
}"""


def test_a_page_of_a_folder_reaches_nobody(
    browser: Any, tmp_path: Path, listening: tuple[socket.socket, socket.socket]
) -> None:
    tab = shown(browser, tmp_path, "<p>Hello")
    assert tab.page.evaluate(CALL, [one.getsockname()[1] for one in listening])
    for one, knocked in zip(listening, ("accept", "recv"), strict=True):
        one.setblocking(False)
        with pytest.raises(BlockingIOError):
            getattr(one, knocked)(*((1,) if knocked == "recv" else ()))


def test_what_cannot_be_fetched_leaves_the_rest_of_a_page(
    tmp_path: Path, listening: tuple[socket.socket, socket.socket]
) -> None:
    stream, _ = listening
    dead = stream.getsockname()[1]
    stream.close()
    html = f"<!doctype html><link rel=stylesheet href='http://{LOOPBACK}:{dead}/a.css'><button>Here</button>"
    (tmp_path / "index.html").write_text(html, encoding="utf-8")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer((LOOPBACK, 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://{LOOPBACK}:{server.server_address[1]}/"
        found, none = made(given.of_web([place, f"http://{LOOPBACK}:{dead}/"], [LOOPBACK], **TOLD))
        server.shutdown()
    assert names(found) == {"Here"}
    assert isinstance(none[0], Broken) and none[0].place.endswith(f":{dead}/")
