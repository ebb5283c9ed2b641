"""Pictures made small enough for a page that a person looks at"""

from __future__ import annotations

import io

from PIL import Image as Pixels

from lapis.model import anyres
from lapis.types import Image

QUALITY = 85


def jpeg(data: bytes, width: int, height: int) -> Image:
    """An encoded picture as a JPEG of at most width x height pixels, transparency over white.

    Raises InputError where it cannot be decoded.
    """
    picture = anyres.pixels(data)
    picture.thumbnail((width, height), Pixels.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return Image(out.getvalue(), picture.width, picture.height)
