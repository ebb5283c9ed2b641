"""AnyRes tiling by BlueLM-V-3B's relaxed aspect-ratio matching (arXiv 2411.10640, section 3.2).

The one place of the rule: training, serving and export import it. Ours, because unpublished: the resized image keeps
its aspect and lies at the upper left of the canvas (so that a point needs only a scale, no offset), the rest is grey,
and the thumbnail, where there is one, is the last tile.

Shape legend: N tiles, S pixels of a tile's side.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lapis import config, types

MAX_PIXELS = 40_000_000
"""Largest image that is decoded, in pixels."""
GREY = 128


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an image lies in one tile: tile pixel = image pixel * scale + (dx, dy)."""

    scale: float
    dx: float
    dy: float


def _fit(width: int, height: int, wide: int, high: int) -> tuple[int, int]:
    """Size of the image scaled to fit a canvas, in whole pixels (integer arithmetic: floats lose the last one)."""
    if wide * height <= high * width:
        return wide, max(height * wide // width, 1)
    return max(width * high // height, 1), high


def choose(width: int, height: int, anyres: config.AnyRes, tile: int) -> tuple[int, int]:
    """(columns, rows) of the tile grid for an image in pixels.

    Grids are tried from large to small. One wins by an effective resolution larger by the share alpha, or, within
    alpha of the best so far, by less waste. Equal areas are tried with fewer columns first (ours).
    """
    grids = [(m, n) for m in range(1, anyres.columns + 1) for n in range(1, anyres.rows + 1)]
    best, best_effective, best_waste = (1, 1), 0, float("inf")
    for columns, rows in sorted(grids, key=lambda grid: (-grid[0] * grid[1], grid[0])):
        wide, high = columns * tile, rows * tile
        fitted = _fit(width, height, wide, high)
        effective = min(fitted[0] * fitted[1], width * height)
        waste = wide * high - effective
        margin = anyres.alpha * best_effective
        larger = effective - best_effective > margin
        if larger or (best_effective - effective < margin and waste < best_waste):
            best, best_effective, best_waste = (columns, rows), effective, waste
    return best


def _thumbnail(grid: tuple[int, int], anyres: config.AnyRes) -> bool:
    return anyres.thumbnail == "always" or grid != (1, 1)


def tile_count(width: int, height: int, anyres: config.AnyRes, tile: int) -> int:
    """Tiles that an image becomes, with its thumbnail."""
    grid = choose(width, height, anyres, tile)
    return grid[0] * grid[1] + _thumbnail(grid, anyres)


def placements(width: int, height: int, anyres: config.AnyRes, tile: int) -> list[Placement]:
    """Where the image lies in each of its tiles, in order."""
    grid = columns, rows = choose(width, height, anyres, tile)
    scale = min(columns * tile / width, rows * tile / height)
    places = [Placement(scale, -float(x * tile), -float(y * tile)) for y in range(rows) for x in range(columns)]
    if _thumbnail(grid, anyres):
        places.append(Placement(min(tile / width, tile / height), 0.0, 0.0))
    return places


def _letterbox(image: Image.Image, wide: int, high: int) -> np.ndarray:
    """uint8 [high, wide, 3]: scaled to fit, at the upper left, the rest grey; exact where no scaling is needed."""
    fitted = _fit(image.width, image.height, wide, high)
    if fitted != image.size:
        image = image.resize(fitted, Image.Resampling.BICUBIC)
    canvas = np.full((high, wide, 3), GREY, dtype=np.uint8)
    canvas[: fitted[1], : fitted[0]] = np.asarray(image)
    return canvas


def cut(image: Image.Image, anyres: config.AnyRes, tile: int) -> np.ndarray:
    """Tiles of an RGB image, uint8 [N, S, S, 3], row by row, the thumbnail last."""
    grid = columns, rows = choose(image.width, image.height, anyres, tile)
    canvas = _letterbox(image, columns * tile, rows * tile)
    tiles = canvas.reshape(rows, tile, columns, tile, 3).swapaxes(1, 2).reshape(-1, tile, tile, 3)
    if _thumbnail(grid, anyres):
        tiles = np.concatenate((tiles, _letterbox(image, tile, tile)[None]))
    return tiles


def decode(image: types.Image, name: str = "image") -> Image.Image:
    """RGB pixels of an encoded picture, transparency over white.

    Raises InputError, naming `name`, for a picture that cannot be decoded, is larger than 40 megapixels or is not as
    large as declared.
    """
    picture = pixels(image.data, name)
    if picture.size != (image.width, image.height):
        raise types.InputError(f"{name}: is {picture.width}x{picture.height}, declared {image.width}x{image.height}")
    return picture


def pixels(data: bytes, name: str = "image") -> Image.Image:
    """Like `decode`, of a picture whose size nobody declared."""
    picture = _open(data, name)
    try:
        return _rgb(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise types.InputError(f"{name}: cannot be decoded ({error})") from None


def image_of(data: bytes, name: str = "image") -> types.Image:
    """An encoded picture with its size, decoded once to check it. Raises InputError like `decode`."""
    picture = pixels(data, name)
    return types.Image(data, picture.width, picture.height)


def _open(data: bytes, name: str) -> Image.Image:
    """Read the header only, and refuse before any pixel is decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError:
        raise types.InputError(f"{name}: larger than {MAX_PIXELS // 10**6} megapixels") from None
    except (OSError, SyntaxError, ValueError):
        raise types.InputError(f"{name}: not a picture that can be decoded (PNG, JPEG or WebP expected)") from None
    if picture.width * picture.height > MAX_PIXELS:
        size = f"{picture.width}x{picture.height}"
        raise types.InputError(f"{name}: {size} is larger than {MAX_PIXELS // 10**6} megapixels")
    return picture


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return picture.convert("RGB")
