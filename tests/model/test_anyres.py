"""AnyRes against the published vectors, a literal oracle of the rule, and images whose pixels are known."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lapis import config, types
from lapis.model import anyres

SMALL = config.AnyRes(3, 3, 0.1)
LARGE = config.AnyRes(4, 4, 0.1)
SEVERAL = config.AnyRes(4, 4, 0.1, "several")
sides = st.integers(1, 5000)


@pytest.mark.parametrize(
    ("size", "grid"), [((394, 390), (1, 1)), ((380, 76), (1, 1)), ((380, 393), (1, 1)), ((500, 102), (2, 1))]
)
def test_published_vectors_of_tile_384(size: tuple[int, int], grid: tuple[int, int]) -> None:
    assert anyres.choose(*size, SMALL, 384) == grid


@pytest.mark.parametrize("tile", [378, 392])
@pytest.mark.parametrize(
    ("size", "grid", "tokens"),
    [
        ((1080, 2400), (2, 4), 1764),
        ((1920, 1080), (4, 3), 2548),
        ((1512, 1512), (4, 4), 3332),
        ((640, 480), (2, 2), 980),
        ((300, 300), (1, 1), 392),
    ],
)
def test_published_vectors_with_thumbnail(size: tuple[int, int], grid: tuple[int, int], tokens: int, tile: int) -> None:
    assert anyres.choose(*size, LARGE, tile) == grid
    assert anyres.tile_count(*size, LARGE, tile) * 196 == tokens


def oracle(width: int, height: int, limits: config.AnyRes, tile: int) -> tuple[int, int]:
    """The rule as the facts page writes it, in exact fractions."""
    best, best_effective, best_waste = (1, 1), 0, math.inf
    grids = [(m, n) for m in range(1, limits.columns + 1) for n in range(1, limits.rows + 1)]
    for m, n in sorted(grids, key=lambda grid: (-grid[0] * grid[1], grid[0])):
        wide, high = m * tile, n * tile
        top, bottom = (wide, width) if wide * height <= high * width else (high, height)
        fitted = max(width * top // bottom, 1) * max(height * top // bottom, 1)
        effective = min(fitted, width * height)
        waste = wide * high - effective
        gain = effective - best_effective
        margin = limits.alpha * best_effective
        if gain > margin or (-gain < margin and waste < best_waste):
            best, best_effective, best_waste = (m, n), effective, waste
    return best


@given(sides, sides)
def test_choice_is_the_rule_everywhere(width: int, height: int) -> None:
    assert anyres.choose(width, height, LARGE, 252) == oracle(width, height, LARGE, 252)


@given(st.integers(1, 600), st.integers(1, 600), st.sampled_from([LARGE, SEVERAL]))
def test_cut_and_count_and_placements_agree(width: int, height: int, limits: config.AnyRes) -> None:
    image = Image.new("RGB", (width, height), (10, 20, 30))
    tiles = anyres.cut(image, limits, 28)
    assert tiles.shape == (anyres.tile_count(width, height, limits, 28), 28, 28, 3)
    assert len(anyres.placements(width, height, limits, 28)) == len(tiles)


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_an_image_that_fits_is_cut_byte_for_byte() -> None:
    image = noise(112, 56)
    tiles = anyres.cut(image, SEVERAL, 56)
    pixels = np.asarray(image)
    assert np.array_equal(tiles[0], pixels[:, :56])
    assert np.array_equal(tiles[1], pixels[:, 56:])
    assert len(tiles) == 3
    assert np.array_equal(anyres.cut(noise(56, 56), SEVERAL, 56)[0], np.asarray(noise(56, 56)))


def test_tiles_lie_row_by_row_and_the_thumbnail_is_last() -> None:
    image = noise(112, 112)
    tiles = anyres.cut(image, LARGE, 56)
    pixels = np.asarray(image)
    assert np.array_equal(tiles[1], pixels[:56, 56:])
    assert np.array_equal(tiles[2], pixels[56:, :56])
    assert np.array_equal(tiles[4], np.asarray(image.resize((56, 56), Image.Resampling.BICUBIC)))


def test_aspect_is_kept_and_the_rest_is_grey() -> None:
    tiles = anyres.cut(Image.new("RGB", (56, 28), (255, 0, 0)), SEVERAL, 56)
    assert tiles.shape == (1, 56, 56, 3)
    assert (tiles[0, :28] == (255, 0, 0)).all()
    assert (tiles[0, 28:] == anyres.GREY).all()


def test_one_tile_has_a_thumbnail_only_where_always() -> None:
    assert anyres.tile_count(50, 50, LARGE, 56) == 2
    assert anyres.tile_count(50, 50, SEVERAL, 56) == 1
    assert anyres.tile_count(112, 112, SEVERAL, 56) == 5


@pytest.mark.parametrize("size", [(112, 56), (300, 200), (45, 170)])
def test_placements_find_a_mark_in_its_tile(size: tuple[int, int]) -> None:
    """A white square in a black image lies in each tile where its placement says."""
    image = Image.new("RGB", size)
    x, y = size[0] * 3 // 4, size[1] // 4
    image.paste((255, 255, 255), (x - 6, y - 6, x + 7, y + 7))
    tiles = anyres.cut(image, SEVERAL, 56)
    seen = 0
    for tile, place in zip(tiles, anyres.placements(*size, SEVERAL, 56), strict=True):
        column, row = int((x + 0.5) * place.scale + place.dx), int((y + 0.5) * place.scale + place.dy)
        if 0 <= column < 56 and 0 <= row < 56:
            assert tile[row, column].mean() > 150
            seen += 1
    assert seen >= 1


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_decodes_the_usual_forms(form: str) -> None:
    image = anyres.image_of(encoded(noise(30, 20), form))
    assert (image.width, image.height) == (30, 20)
    assert anyres.decode(image).size == (30, 20)


def test_transparency_lies_over_white() -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert anyres.decode(types.Image(encoded(clear), 4, 4)).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    "data", [b"", b"no picture", encoded(noise(64, 64))[:900], encoded(noise(64, 64), "JPEG")[:700]]
)
def test_a_broken_picture_is_one_clear_line(data: bytes) -> None:
    with pytest.raises(types.InputError, match=r"^shot\.png: [^\n]*$"):
        anyres.decode(types.Image(data, 64, 64), "shot.png")


def test_more_than_forty_megapixels_are_refused_before_decoding() -> None:
    large = encoded(Image.new("1", (8000, 5001)))
    with pytest.raises(types.InputError, match=r"^x: 8000x5001 is larger than 40 megapixels$"):
        anyres.image_of(large, "x")
    with pytest.raises(types.InputError, match=r"larger than 40 megapixels$"):
        anyres.image_of(encoded(Image.new("1", (20000, 20000))), "x")


def test_a_wrong_declared_size_is_refused() -> None:
    with pytest.raises(types.InputError, match=r"^image: is 30x20, declared 30x21$"):
        anyres.decode(types.Image(encoded(noise(30, 20)), 30, 21))
