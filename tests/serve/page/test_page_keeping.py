"""What the browser keeps, and for how long."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.serve.page.hands import POINT, WIDTH, ask, attach, screen, state
from tests.serve.page.site import Gone, Say, Site, Think

Opener = Callable[..., Page]


def test_a_reload_keeps_the_conversation_with_its_picture(page: Page, site: Site) -> None:
    site.scripts = [[Think("Hm."), Say(POINT)], [Say("Still there.")]]
    attach(page, screen())
    ask(page, 'Where is "Save"?')
    state(page, "done")
    expect(page.locator(".places img")).to_be_visible()
    figures = page.locator(".figures").inner_text()
    page.reload()
    expect(page.locator(".places .mark")).to_have_count(1)
    assert page.locator(".shots img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == WIDTH
    assert page.locator(".figures").inner_text() == figures
    assert page.locator(".thought-text").text_content() == "Hm."
    ask(page, "And now?")
    expect(page.locator(".answer")).to_have_count(2)
    state(page, "done")
    assert site.asked[1]["messages"][0]["content"][0]["image_url"]["url"] == "lapis://image2"
    assert site.uploads == [screen()] * 2


def test_a_reload_in_the_middle_keeps_what_came(page: Page, site: Site) -> None:
    site.scripts = [[Say("One two"), Gone()]]
    ask(page, "Count")
    expect(page.locator(".words")).to_have_text("One two")
    page.reload()
    state(page, "stopped")
    assert site.left.wait(20)
    assert page.locator(".words").inner_text() == "One two"


def test_conversations_are_listed_renamed_deleted_and_brought_back(page: Page, site: Site) -> None:
    attach(page, screen())
    ask(page, "First")
    state(page, "done")
    page.locator("#new").click()
    expect(page.locator("#welcome")).to_be_visible()
    ask(page, "Second")
    state(page, "done")
    assert page.locator("#list .open").all_inner_texts() == ["Second", "First"]
    page.get_by_role("button", name="Rename First").click()
    page.keyboard.type("Renamed")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Renamed", exact=True).click()
    expect(page.locator("#title")).to_have_text("Renamed")
    expect(page.locator(".question")).to_contain_text("First")
    page.get_by_role("button", name="Delete Renamed").click()
    expect(page.locator("#list .open")).to_have_text(["Second"])
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".shots img")).to_be_visible()
    page.get_by_role("button", name="Delete Renamed").click()
    page.locator(".notice").get_by_role("button", name="Close").click()
    page.reload()
    expect(page.locator("#list .open")).to_have_text(["Second"])
    page.evaluate("""async () => {
        const count = () => new Promise((resolve) => { const opening = indexedDB.open('lapis', 1);
        opening.onsuccess = () => { const store = opening.result.transaction('pictures').objectStore('pictures');
        const counting = store.count(); counting.onsuccess = () => resolve(counting.result); }; });
        while (await count()) await new Promise(requestAnimationFrame); }""")


def test_settings_are_sent_and_kept(page: Page, site: Site) -> None:
    page.locator("#settings").click()
    page.locator("#temperature").fill("0.7")
    page.locator("#longest").fill("99")
    page.reload()
    ask(page, "Hello?")
    state(page, "done")
    assert (site.asked[0]["temperature"], site.asked[0]["max_tokens"]) == (0.7, 99)


def test_a_full_store_is_told_and_the_conversation_goes_on(page: Page, site: Site) -> None:
    page.evaluate("""() => { let size = 2 ** 22, at = 0; while (size >= 1) {
      try { localStorage.setItem(`x${at++}`, 'x'.repeat(size)); } catch { size = Math.floor(size / 2); } } }""")
    ask(page, "Hello?")
    state(page, "done")
    expect(page.locator(".notice")).to_have_count(1)
    expect(page.locator(".notice")).to_contain_text("storage is full")


def test_a_key_is_asked_for_and_kept_for_this_tab_alone(page: Page, site: Site) -> None:
    expect(page.locator("#model")).to_have_text("lapis-pocket")
    site.key = "sesame"
    ask(page, "Hello?")
    expect(page.locator("#key-dialog")).to_be_visible()
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-told")).to_have_text("The server does not accept this API key.")
    page.keyboard.type("sesame")
    page.keyboard.press("Enter")
    expect(page.locator(".words")).to_have_text("Yes.")
    kept = page.evaluate("[Object.values(sessionStorage), Object.values(localStorage).join()]")
    assert "sesame" in kept[0] and "sesame" not in kept[1]
