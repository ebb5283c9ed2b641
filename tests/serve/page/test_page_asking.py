"""Asking: streams, stop, pictures, thinking, and what goes wrong, in a real Chromium. Nothing sleeps or is timed."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.serve.page.hands import ask, attach, hand, screen, state
from tests.serve.page.site import Cut, Gone, Refuse, Say, Site, Think, Wait

Opener = Callable[..., Page]


def test_an_answer_streams_and_shows_what_it_took(page: Page, site: Site) -> None:
    page.clock.install()
    half = threading.Event()
    site.scripts = [[Say("Here is "), Wait(half), Say("**all** of it:\n- one\n- `two`\n```py\nx < 1\n```\n2*3*4")]]
    ask(page, "Hello?")
    expect(page.locator(".words")).to_have_text("Here is ")
    expect(page.locator("#send")).to_have_attribute("aria-label", "Stop")
    page.clock.fast_forward(2000)
    half.set()
    state(page, "done")
    assert page.locator(".words strong").inner_text() == "all"
    assert page.locator(".words li").all_inner_texts() == ["one", "two"]
    assert page.locator(".words pre").inner_text() == "x < 1"
    assert page.locator(".words p").last.inner_text() == "2*3*4"
    words = page.locator(".figures").inner_text()
    assert "2 tokens" in words and "first token" in words and "tokens/s" in words
    expect(page.locator("#status")).to_contain_text("The answer is there: Here is")
    assert site.asked == [
        {
            "model": "lapis-pocket",
            "messages": [{"role": "user", "content": "Hello?"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
            "chat_template_kwargs": {"enable_thinking": False},
        }
    ]


def test_what_a_model_writes_stays_text(page: Page, site: Site) -> None:
    bad = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>**<b>x</b>**"
    site.scripts = [[Think(bad), Say(bad)]]
    ask(page, bad)
    state(page, "done")
    assert bad in page.locator(".question p").inner_text()
    assert page.locator(".words").inner_text() == bad.replace("**", "")
    assert page.locator("#thread :is(.words, .thought-text, .question) :is(img, script, b)").count() == 0
    assert page.title() != "owned"


def test_the_policy_is_in_force(chromium: Browser, site: Site) -> None:
    """Otherwise a silent console would prove nothing."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(site.url)
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('p'), {innerHTML: '<i style=color:red>'}))"
        )
    context.close()


def test_stop_ends_the_request_and_keeps_what_came(page: Page, site: Site) -> None:
    site.scripts = [[Say("One two"), Gone()], [Say("Three")]]
    ask(page, "Count")
    expect(page.locator(".words")).to_have_text("One two")
    page.locator("#send").click()
    state(page, "stopped")
    assert site.left.wait(20)
    expect(page.locator(".figures")).to_contain_text("stopped")
    ask(page, "Go on")
    state(page, "done")
    assert [message["content"] for message in site.asked[1]["messages"]] == ["Count", "One two", "Go on"]


def test_a_dropped_picture_is_uploaded_before_the_question(page: Page, site: Site) -> None:
    attach(page, screen())
    assert site.uploads == [screen()] and site.asked == []
    expect(page.locator("#tray small")).to_have_text("3 tiles")
    ask(page, "What is there?")
    state(page, "done")
    image = {"type": "image_url", "image_url": {"url": "lapis://image1"}}
    assert site.asked[0]["messages"] == [
        {"role": "user", "content": [image, {"type": "text", "text": "What is there?"}]}
    ]
    expect(page.locator("#tray")).to_be_hidden()


@pytest.mark.parametrize("lost", [False, True], ids=["no such endpoint", "lost by the server"])
def test_a_picture_goes_along_where_the_server_does_not_keep_it(page: Page, site: Site, lost: bool) -> None:
    site.keeps_images = lost
    site.scripts = [Refuse(404, "image: not here", "image_not_found"), [Say("Yes.")]] if lost else [[Say("Yes.")]]
    attach(page, screen())
    ask(page, "What is there?")
    state(page, "done")
    url = site.asked[-1]["messages"][0]["content"][0]["image_url"]["url"]
    assert url == f"data:image/png;base64,{base64.b64encode(screen()).decode()}"
    assert len(site.asked) == 1 + lost


def test_pictures_are_pasted_picked_and_taken_off(page: Page, site: Site) -> None:
    hand(page, "paste", screen())
    page.locator("#file").set_input_files({"name": "two.png", "mimeType": "image/png", "buffer": screen(300, 300)})
    expect(page.locator("#tray li:not(.busy)")).to_have_count(2)
    page.get_by_role("button", name="Take off two.png").click()
    expect(page.locator("#tray li")).to_have_count(1)
    hand(page, "drop", b"hello", "notes.txt", "text/plain")
    expect(page.locator(".notice")).to_contain_text("notes.txt is not a PNG, JPEG or WebP picture.")
    hand(page, "drop", b"hello", "broken.png")
    expect(page.locator(".notice").last).to_contain_text("broken.png cannot be read as a picture.")
    ask(page, "And?")
    state(page, "done")
    assert len(site.asked[0]["messages"][0]["content"]) == 2


def test_a_photograph_on_its_side_is_sent_upright(page: Page, site: Site) -> None:
    lying = Image.new("RGB", (80, 40), "white")
    lying.paste("black", (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    lying.save(out, "JPEG", exif=exif, quality=95)
    hand(page, "drop", out.getvalue(), "photo.jpg", "image/jpeg")
    expect(page.locator("#tray li:not(.busy)")).to_have_count(1)
    sent = Image.open(io.BytesIO(site.uploads[0])).convert("L")
    assert sent.size == (40, 80)
    assert sent.getpixel((20, 10)) < 30 < 220 < sent.getpixel((20, 70))


def test_thinking_is_asked_for_with_its_budget_and_folded(page: Page, site: Site) -> None:
    held = threading.Event()
    site.scripts = [[Think("First "), Wait(held), Think("then."), Say("42")], [Say("7")]]
    page.locator("#think").press("Space")
    page.locator("#budget").press("Home")
    page.locator("#budget").press("ArrowRight")
    expect(page.locator("#budget")).to_have_attribute("aria-valuetext", "32 tokens")
    assert page.locator("#ticks span").all_inner_texts()[-1] == "∞"
    ask(page, "Sum?")
    expect(page.locator(".thought summary")).to_contain_text("Thinking…")
    held.set()
    state(page, "done")
    expect(page.locator(".thought summary")).to_contain_text("2 tokens")
    expect(page.locator(".thought-text")).to_be_hidden()
    page.locator(".thought summary").press("Enter")
    expect(page.locator(".thought-text")).to_have_text("First then.")
    expect(page.locator(".figures")).to_contain_text("2 of thought")
    page.locator("#budget").press("End")
    ask(page, "And?")
    expect(page.locator(".answer")).to_have_count(2)
    state(page, "done")
    thinking = {"enable_thinking": True}
    assert [(body["thinking_token_budget"], body["chat_template_kwargs"]) for body in site.asked] == [
        (32, thinking),
        (-1, thinking),
    ]
    assert site.asked[1]["messages"][1] == {"role": "assistant", "content": "42"}


def test_retry_asks_the_same_again_and_copy_copies(opened: Opener, site: Site) -> None:
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    site.scripts = [[Say("**No**.")], [Say("Yes.")]]
    ask(page, "Really?")
    state(page, "done")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "**No**."
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".words")).to_have_text("Yes.")
    assert site.asked[0] == site.asked[1]
    expect(page.locator(".answer")).to_have_count(1)


REFUSALS = {
    "busy": (Refuse(429, "full", headers={"retry-after": "2"}), "The server is busy. Try again in 2 s."),
    "long": (Refuse(400, "too long", "context_length_exceeded"), "longer than the model can read"),
    "large": (Refuse(413, "too large"), "more than the server takes at once"),
    "wrong": (Refuse(400, "n: expected 1"), "The server did not take the question: n: expected 1"),
    "broken": (Refuse(500, "a fault"), "The server failed: a fault"),
    "cut": ([Say("Half"), Cut()], "The connection ended before the answer did."),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_goes_wrong_is_told_in_plain_words(page: Page, site: Site, kind: str) -> None:
    script, told = REFUSALS[kind]
    site.scripts = [script, [Say("Yes.")]]
    ask(page, "Hello?")
    expect(page.locator(".trouble [role=alert]")).to_contain_text(told)
    page.locator(".trouble button").click()
    expect(page.locator(".words")).to_have_text("Yes.")
    assert page.locator(".trouble button").count() == 0


def test_a_server_that_is_gone_is_told(page: Page, site: Site) -> None:
    expect(page.locator("#model")).to_have_text("lapis-pocket")
    site.close()
    ask(page, "Hello?")
    expect(page.locator(".trouble")).to_contain_text("The server does not answer. Is it still running?")
    expect(page.locator("#model")).to_have_text("server not reached")
