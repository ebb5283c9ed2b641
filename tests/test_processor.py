"""Inputs of the exported model: shapes, pixels and prompt of the processor."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import lapis
from lapis import chat, types
from lapis.export import hf
from lapis.model import anyres, init
from lapis.model.vit import normalise, patchify
from lapis.types import InputError, Text, Turn
from tests.model.shared import DECODER, MODEL
from tests.tiny import tiny_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "model"
    hf.write(init.fresh(MODEL, 0), tiny_tokenizer(MODEL.tokens_per_tile), folder)
    return folder


def png(width: int, height: int) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_tiles_become_flattened_patches(folder: Path) -> None:
    processor = lapis.Processor.from_folder(str(folder))
    image = processor.image(png(112, 56))
    inputs = processor([Turn("user", (image, Text("Where?")))])
    assert inputs["pixel_values"].shape == (3, 16, 588) and inputs["pixel_values"].dtype == torch.float32
    assert inputs["spatial_shapes"].tolist() == [[4, 4]] * 3
    assert inputs["pixel_attention_mask"].shape == (3, 16) and bool(inputs["pixel_attention_mask"].all())
    tiles = torch.from_numpy(anyres.cut(anyres.decode(image), MODEL.anyres, 56))
    assert torch.equal(inputs["pixel_values"], normalise(patchify(tiles, 14), torch.float32))
    assert int((inputs["input_ids"] == MODEL.image_token).sum()) == 3 * MODEL.tokens_per_tile
    assert inputs["attention_mask"].shape == inputs["input_ids"].shape


def test_the_prompt_is_the_templates(folder: Path) -> None:
    processor = lapis.Processor.from_folder(folder)
    turns = [Turn("user", (Text("What is 1 + 1?"),))]
    inputs = processor(turns, think=True, budget=64)
    assert set(inputs) == {"input_ids", "attention_mask"}
    expected = chat.encode_prompt(turns, True, 64, processor.tokenizer, lambda image: 1).ids
    assert inputs["input_ids"].tolist() == [expected]


def test_a_text_model_or_a_broken_picture_is_one_line(folder: Path, tmp_path: Path) -> None:
    hf.write(init.fresh(DECODER, 0), tiny_tokenizer(), tmp_path / "text")
    with pytest.raises(InputError, match=r"text: a text model; the processor is for models with a vision tower$"):
        lapis.Processor.from_folder(tmp_path / "text")
    processor = lapis.Processor.from_folder(folder)
    with pytest.raises(InputError, match=r"^shot: not a picture"):
        processor.image(b"nothing", "shot")
    with pytest.raises(InputError, match=r"^image: is "):
        processor([Turn("user", (types.Image(png(20, 20), 40, 40),))])


def test_lapis_has_no_other_late_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = lapis.Nothing
