"""Images worth looking at: readable, of a fair size and aspect, not of one colour, not blurred; and told by their text.

Blur is the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000), asked of photographs alone: a calm screen has
few edges and is no less sharp. Agreement of image and text is ours: how much lower a model's loss on the text is with
the image than without (types.Scorer), where the original named a check without saying which.

Unusual: several rows hold the same picture, and each is decoded once a table.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from lapis.data import store
from lapis.data_config.judge import Pictures
from lapis.model.anyres import MAX_PIXELS
from lapis.types import Scorer

LIMITS = Pictures()
LONG_SIDE = 512
"""Pixels of the longer side at which blur and spread are measured; smaller images stay as they are."""
REASONS = ("broken picture", "picture too small", "picture too large", "narrow picture", "blank picture",
           "blurred picture")  # fmt: skip


def judge(rows: pa.Table, limits: Pictures = LIMITS) -> pa.Array:
    """Why a row (store.SCHEMA) is dropped, one of REASONS, by the first of its images that fails; else null."""
    known: dict[tuple[bytes, bool], str | None] = {}
    reasons = []
    for images, kind in zip(rows["images"].to_pylist(), rows["kind"].to_pylist(), strict=True):
        photo = not kind.startswith("screen")
        for data in images or ():
            if (data, photo) not in known:
                known[data, photo] = reason(data, limits, photo)
        reasons.append(next((told for data in images or () if (told := known[data, photo])), None))
    return pa.array(reasons, pa.string())


def reason(data: bytes, limits: Pictures = LIMITS, photo: bool = True) -> str | None:
    """What is wrong with an encoded image, one of REASONS, or None."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            told = _shape(image.size, limits)
            return told or _look(grey(image), limits, photo)
    except Image.DecompressionBombError:
        return "picture too large"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombWarning):
        return "broken picture"


def grey(image: Image.Image) -> npt.NDArray[np.float32]:
    """Brightness 0-255 [height, width], at most LONG_SIDE pixels a side."""
    image.draft("L", (LONG_SIDE, LONG_SIDE))
    small = image.convert("L")
    small.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def sharpness(grey_HW: npt.NDArray[np.float32]) -> float:
    """Variance of the Laplacian (4 neighbours); 0 where there is no inner pixel."""
    if min(grey_HW.shape) < 3:
        return 0.0
    inner = grey_HW[1:-1, 1:-1]
    return float((grey_HW[:-2, 1:-1] + grey_HW[2:, 1:-1] + grey_HW[1:-1, :-2] + grey_HW[1:-1, 2:] - 4 * inner).var())


def change(rows: pa.Table, scorer: Scorer) -> pa.Table:
    """The same rows with `gain`, float32: nats a token by which the images lower the loss; null without images."""
    at = np.flatnonzero(pc.fill_null(pc.list_value_length(rows["images"]), 0).to_numpy() > 0)
    samples = store.from_table(rows.select(store.SCHEMA.names).take(pa.array(at)))
    gains: list[float | None] = [None] * rows.num_rows
    if samples:
        seen, blind = scorer.losses(samples), scorer.losses(samples, images=False)
        for place, with_them, without in zip(at.tolist(), seen, blind, strict=True):
            gains[place] = without - with_them
    return rows.append_column("gain", pa.array(gains, pa.float32()))


def disagree(rows: pa.Table, limits: Pictures = LIMITS) -> pa.Array:
    """`image tells nothing` where `gain` is under its limit, null where the row stays."""
    low = pc.fill_null(pc.less(rows["gain"], limits.gain), False)
    reasons = pc.if_else(low, "image tells nothing", pa.scalar(None, pa.string()))
    return reasons.combine_chunks() if isinstance(reasons, pa.ChunkedArray) else reasons


def _shape(size: tuple[int, int], limits: Pictures) -> str | None:
    short, long = sorted(size)
    if short < limits.side:
        return "picture too small"
    if long > limits.longest or short * long > MAX_PIXELS:
        return "picture too large"
    return "narrow picture" if long > limits.aspect * short else None


def _look(grey_HW: npt.NDArray[np.float32], limits: Pictures, photo: bool) -> str | None:
    if grey_HW.std() < limits.spread:
        return "blank picture"
    return "blurred picture" if photo and sharpness(grey_HW) < limits.sharp else None
