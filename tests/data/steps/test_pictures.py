"""Images: each check with one that stays and one that goes, and agreement by a scorer that only adds up."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image as Pixels

from lapis.data import store
from lapis.data.steps import pictures
from lapis.types import Image, Sample
from tests.data.steps.rows import talk


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Pixels.fromarray(pixels.astype(np.uint8)).save(out, form)
    return out.getvalue()


def noise(height: int = 64, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3))


def soft(side: int = 64) -> bytes:
    """A ramp from dark to light, without any edge."""
    return encoded(np.broadcast_to(np.linspace(0, 255, side)[:, None, None], (side, side, 3)))


def bomb() -> bytes:
    """A PNG of a few bytes that says it has ten billion pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(noise()), None),
        (encoded(noise(28, 30)), None),
        (encoded(noise(27, 30)), "picture too small"),
        (encoded(noise(28, 140)), None),
        (encoded(noise(28, 141)), "narrow picture"),
        (encoded(np.full((40, 40, 3), 90)), "blank picture"),
        (encoded(np.where(np.arange(40)[:, None, None] < 20, 88, np.full((40, 40, 3), 92))), "blurred picture"),
        (encoded(np.full((8200, 40), 7)), "picture too large"),
        (bomb(), "picture too large"),
        (b"no picture", "broken picture"),
        (encoded(noise())[:200], "broken picture"),
    ],
)
def test_each_check(data: bytes, expected: str | None) -> None:
    assert pictures.reason(data) == expected


def test_blur_is_asked_of_photographs_alone() -> None:
    assert pictures.reason(soft(256)) == "blurred picture"
    assert pictures.reason(soft(256), photo=False) is None
    assert pictures.reason(encoded(noise(256, 256), "JPEG")) is None


def test_the_laplacian_is_the_sum_of_neighbours_less_four_times_the_middle() -> None:
    """A single point of height 3: 3 in four places, -12 in the middle, 0 in four."""
    point = np.zeros((5, 5), np.float32)
    point[2, 2] = 3
    assert pictures.sharpness(point) == pytest.approx((4 * 9 + 144) / 9)
    assert pictures.sharpness(point[:2]) == 0


def picture(data: bytes, side: int = 64) -> Image:
    return Image(data, side, side)


def test_rows_tell_the_first_picture_that_fails() -> None:
    good, bad = picture(encoded(noise())), picture(b"no")
    screen = Sample("screen/qa", "en", "t", "CC0-1.0", talk("q", "a", image=picture(soft())).turns)
    rows = store.to_table([talk("q", "a"), talk("q", "a", image=good), talk("q", "a", image=bad), screen])
    assert pictures.judge(rows).to_pylist() == [None, None, "broken picture", None]


class Known:
    """A scorer: a loss of a tenth of the answer's length, less half where an image is shown."""

    def losses(self, samples: Sequence[Sample], images: bool = True) -> list[float]:
        return [len(one.turns[-1].text) / 10 - 0.5 * (images and bool(one.images)) for one in samples]


def test_agreement_is_what_the_image_lowers_the_loss_by() -> None:
    image = picture(encoded(noise()))
    rows = store.to_table([talk("q", "long answer", image=image), talk("q", "text alone")])
    changed = pictures.change(rows, Known())
    assert changed["gain"].to_pylist() == [0.5, None]
    rows = pa.table({"gain": pa.array([0.5, 0.02, 0.01, -1, None], pa.float32())})
    assert pictures.disagree(rows).to_pylist() == [None, "image tells nothing", *["image tells nothing"] * 2, None]
