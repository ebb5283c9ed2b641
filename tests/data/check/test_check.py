"""The page on which a person checks samples: by keyboard, in a real browser, in both colours; and what it refuses.

Checks are kept at once, beside the file, and are there again when the page is opened anew.
"""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from PIL import Image as Picture
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from lapis import cli
from lapis.data import store
from lapis.data.check import app, checks, drawn
from lapis.types import Image, InputError, Sample, Text, Turn
from tests.browsing import chromium, contrast, luminances
from tests.conftest import ROOT, command, environment
from tests.serve.scripted import png

__all__ = ["chromium"]
HOSTILE = "<img src=x onerror=alert(1)><b>bold</b>"
BOX = (250, 200, 500, 400)


def samples() -> list[Sample]:
    """A question with a thought, one about a picture, a hostile one, and two more."""
    shown = Image(png(200, 400, 300), 400, 300)
    asked = [
        (Text("Six by seven?"),), (shown, Text("Where is: Save?")), (Text(HOSTILE),), (Text("四"),), (Text("Five?"),)
    ]  # fmt: skip
    said = ["42", "Save (500,400)", "No.", "五", "5"]
    made = []
    for number, (parts, answer) in enumerate(zip(asked, said, strict=True)):
        thought = "6*7=42" if number == 0 else None
        turns = (Turn("user", parts), Turn("assistant", (Text(answer),), thought))
        meta = {"box": BOX} if number == 1 else {"answer": answer}
        made.append(Sample("chat", "en", "test", "MIT", turns, think=number == 0, meta=meta))
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    store.write_samples(tmp_path / "s.parquet", samples())
    return tmp_path / "s.parquet"


@contextmanager
def served(file: Path) -> Iterator[str]:
    """The page's server in a thread, at the URL that is given."""
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    place.listen()
    made = uvicorn.Server(uvicorn.Config(app.create(file, drawn.draw(file, 200, 0)), lifespan="off", log_config=None))
    thread = threading.Thread(target=lambda: made.run(sockets=[place]), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{place.getsockname()[1]}"
    finally:
        made.should_exit = made.force_exit = True
        thread.join(20)


@contextmanager
def opened(chromium: Browser, url: str, **options: object) -> Iterator[Page]:
    """A page whose console complains of nothing."""
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    context = chromium.new_context(**{"viewport": {"width": 1000, "height": 720}, **options})  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    expect(page.locator("#place")).not_to_be_empty()
    yield page
    context.close()
    assert complaints == []


def test_a_person_checks_with_the_keyboard_and_finds_it_again(chromium: Browser, file: Path) -> None:
    with served(file) as url, opened(chromium, url) as page:
        expect(page.locator("#place")).to_have_text("1 of 5")
        expect(page.locator("details")).not_to_have_attribute("open", "")
        page.keyboard.press("t")
        expect(page.locator("details pre")).to_be_visible()
        expect(page.locator("details pre")).to_have_text("6*7=42")
        page.keyboard.press("y")
        expect(page.locator("#place")).to_have_text("2 of 5")
        page.keyboard.press("n")
        page.keyboard.type("box is y too low")  # the letters are no verdicts while the note has the focus
        page.keyboard.press("Enter")
        page.keyboard.press("x")
        expect(page.locator("#place")).to_have_text("3 of 5")
        expect(page.locator(".turn.user p")).to_have_text(HOSTILE)
        page.keyboard.press("j")
        page.keyboard.press("u")
        expect(page.locator("#place")).to_have_text("5 of 5")
        expect(page.locator("#counts")).to_have_text("1 right, 1 wrong, 1 unsure")
        page.keyboard.press("o")
        expect(page.locator("#place")).to_have_text("3 of 5")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#note")).to_have_value("box is y too low")
        page.locator("[data-verdict=right]").click()  # a mind that was changed
        expect(page.locator("#counts")).to_have_text("2 right, 0 wrong, 1 unsure")
        page.reload()
        expect(page.locator("#place")).to_have_text("3 of 5")
    kept = [json.loads(line) for line in checks.path_of(file).read_text().splitlines()]
    names = [one.fingerprint for one in samples()]
    assert [(one["id"], one["verdict"]) for one in kept] == [
        (names[0], "right"), (names[1], "wrong"), (names[3], "unsure"), (names[1], "right")]  # fmt: skip
    assert kept[1]["note"] == "box is y too low" and kept[1]["time"] > 0
    assert checks.summary(checks.read(file), names) == "2 right, 0 wrong, 1 unsure of 5"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_have_their_boxes_and_points_and_words_can_be_read(chromium: Browser, file: Path, scheme: str) -> None:
    with served(file) as url, opened(chromium, f"{url}/#2", color_scheme=scheme) as page:
        page.locator("figure img").evaluate("(image) => image.decode()")
        image, box = (page.locator(name).bounding_box() for name in ("figure img", "figure rect"))
        assert image and box and abs((box["x"] - image["x"]) / image["width"] - 0.25) < 0.01
        assert abs((box["y"] - image["y"]) / image["height"] - 0.2) < 0.01 and image["width"] > 300
        mark = page.locator("figure path").bounding_box()
        assert mark and abs((mark["x"] + mark["width"] / 2 - image["x"]) / image["width"] - 0.5) < 0.01
        shot = Picture.open(io.BytesIO(page.screenshot())).convert("RGB")
        assert (sum(shot.getpixel((500, 3))) < 200) == (scheme == "dark")  # type: ignore[arg-type]
        for place in (".turn p", "dl dt", "#place"):
            assert contrast(*luminances(page.locator(place).first)) >= 4.5


def test_a_phone_has_all_of_it_and_every_control_a_name(chromium: Browser, file: Path) -> None:
    with served(file) as url, opened(chromium, url, viewport={"width": 360, "height": 640}) as page:
        wide = page.evaluate("""() => [...document.querySelectorAll('body *')].filter((node) =>
          node.checkVisibility() && node.getBoundingClientRect().right > 360.5).map((node) => node.outerHTML)""")
        nameless = page.evaluate("""() => [...document.querySelectorAll('button, input')].filter((node) =>
          !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length)).length""")
        assert wide == [] and nameless == 0


def test_what_the_server_refuses(file: Path) -> None:
    with served(file) as url, httpx.Client(base_url=url, trust_env=False) as client:
        good = {"verdict": "right", "note": ""}
        assert client.post("/samples/0/check", json=good).status_code == 200
        for body, status in (({"verdict": "fine"}, 400), ({"verdict": "right", "note": 3}, 400), ([], 400),
                             ({"verdict": "right", "note": "x" * 2001}, 400), ("x" * 70_000, 413)):  # fmt: skip
            assert client.post("/samples/0/check", json=body).status_code == status
        assert client.post("/samples/0/check", content=b"{").status_code == 400
        for place in ("/samples/5", "/images/0/0", "/images/1/1", "/../app.py", "/app.py"):
            assert client.get(place).status_code == 404
        assert client.get("/samples", headers={"host": "evil.example"}).status_code == 403
        foreign = {"origin": "http://evil.example"}
        assert client.post("/samples/0/check", json=good, headers=foreign).status_code == 403
        assert "default-src 'none'" in client.get("/").headers["content-security-policy"]
    assert len(checks.path_of(file).read_text().splitlines()) == 1


def test_samples_are_drawn_by_seed_in_the_order_of_the_file(tmp_path: Path) -> None:
    many = [Sample("chat", "en", "t", "MIT", (Turn("user", (Text(f"{n:04d}"),)),)) for n in range(1200)]
    store.write_samples(tmp_path / "s.parquet", many)
    texts = [[one.turns[0].text for one in drawn.draw(tmp_path / "s.parquet", 50, seed)] for seed in (0, 0, 1)]
    assert texts[0] == texts[1] == sorted(texts[0]) and len(set(texts[0])) == 50 and texts[0] != texts[2]


def test_a_line_of_checks_that_was_cut_is_taken_away(tmp_path: Path) -> None:
    file = tmp_path / "s.parquet"
    checks.keep(file, "a", checks.Check("right"))
    with checks.path_of(file).open("a") as out:
        out.write('{"id": "b", "ver')
    checks.keep(file, "c", checks.Check("wrong", "so"))
    assert checks.read(file) == {"a": checks.Check("right"), "c": checks.Check("wrong", "so")}
    checks.path_of(file).write_text("[]\n")
    with pytest.raises(InputError, match="something else than checks"):
        checks.read(file)


def test_a_note_that_was_cut_inside_a_character_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "s.parquet"
    checks.keep(file, "a", checks.Check("right", "好"))
    checks.keep(file, "b", checks.Check("wrong", "框"))
    place = checks.path_of(file)
    whole = place.read_bytes()
    place.write_bytes(whole[: whole.index("框".encode()) + 1])
    assert checks.read(file) == {"a": checks.Check("right", "好")}


def test_an_action_without_a_place_is_shown(chromium: Browser, tmp_path: Path) -> None:
    turns = (Turn("user", (Image(png(200, 400, 300), 400, 300), Text("Go back"))), Turn("assistant", (Text("back"),)))
    meta = {"boxes": [None, BOX]}
    store.write_samples(tmp_path / "s.parquet", [Sample("screen/act", "en", "t", "MIT", turns, meta=meta)])
    with served(tmp_path / "s.parquet") as url, opened(chromium, url) as page:
        expect(page.locator("figure rect")).to_have_count(1)


def test_the_verb_serves_until_it_is_stopped_and_tells_the_counts(file: Path) -> None:
    checks.keep(file, samples()[0].fingerprint, checks.Check("right"))
    words = command("data", "check", str(file), "--samples", "5")
    process = subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}samples", trust_env=False).json()["samples"][0]["verdict"] == "right"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 143 and out == f"{checks.path_of(file)}: 1 right, 0 wrong, 0 unsure of 5\n"
    finally:
        process.kill()


@pytest.mark.parametrize(
    "words, told", [(["none.parquet"], "no samples there"), (["FILE", "--samples", "0"], "1 or more")]
)
def test_wrong_words(file: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    assert cli.main(["data", "check", *(str(file) if word == "FILE" else word for word in words)]) == 2
    assert told in capsys.readouterr().err
