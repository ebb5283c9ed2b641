"""What a person does with the page, and the picture that they show it."""

from __future__ import annotations

import base64
import io
import json

from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

WIDTH, HEIGHT = 600, 400
SPOT = (420, 110)
"""The middle of the coloured square of the test picture, in its pixels."""
PINK = (255, 0, 255)
POINT = f"Save ({1000 * SPOT[0] // WIDTH},{1000 * SPOT[1] // HEIGHT:03d})"
ACTION = json.dumps({"action": "click", "target": "Save", "coordinate": [700, 275]})
"""The same place in both forms in which models name it."""


def screen(width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A PNG with one pink square of 21 pixels around SPOT."""
    picture = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(picture).rectangle((SPOT[0] - 10, SPOT[1] - 10, SPOT[0] + 10, SPOT[1] + 10), PINK)
    return png(picture)


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def hand(page: Page, event: str, data: bytes, name: str = "screen.png", kind: str = "image/png") -> None:
    """A file by drag and drop, or by paste."""
    script = """([event, data, name, type]) => {
      const carried = new DataTransfer();
      carried.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, {type}));
      const about = {bubbles: true, cancelable: true};
      if (event === 'paste') {
        document.activeElement.dispatchEvent(new ClipboardEvent('paste', {...about, clipboardData: carried}));
      } else for (const step of ['dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(step, {...about, dataTransfer: carried}));
      }
    }"""
    page.evaluate(script, [event, base64.b64encode(data).decode(), name, kind])


def attach(page: Page, data: bytes) -> None:
    hand(page, "drop", data)
    expect(page.locator("#tray li:not(.busy)")).to_have_count(1)


def ask(page: Page, text: str) -> None:
    page.locator("#question").fill(text)
    page.locator("#question").press("Enter")


def state(page: Page, name: str) -> None:
    """Wait until the last answer is in this state."""
    expect(page.locator(".answer").last).to_have_attribute("data-state", name)
