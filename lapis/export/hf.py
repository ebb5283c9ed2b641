"""Hugging Face folders that stock transformers loads with no code of ours.

Only one with an adapter of the user's own says another model type, so that nothing takes it for what it is not.
A text model is written as the causal LM of its family, a whole one as `Lfm2VlForConditionalGeneration` with a SigLIP2
tower. Unusual: the folder appears whole or not at all (written beside, then renamed), and pixels come from
`lapis.Processor`, since the stock processor tiles otherwise; the folder's README shows how.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import save_torch_state_dict
from safetensors import SafetensorError

from lapis import chat, config, files
from lapis.model import shapes
from lapis.model.convert import to_hf
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis, text_of
from lapis.types import InputError

SHARD = "4GB"
"""Largest weight file; more become shards with an index."""

TEXT_README = """---
library_name: transformers
pipeline_tag: text-generation
---
A text model trained with Lapis. It loads in stock transformers:

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained(".")
tokenizer = AutoTokenizer.from_pretrained(".")
chat = [{"role": "user", "content": "What is 12 + 30?"}]
inputs = tokenizer.apply_chat_template(
    chat, add_generation_prompt=True, enable_thinking=True, return_tensors="pt", return_dict=True
)
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=128)[0]))
```
"""

README = """---
library_name: transformers
pipeline_tag: image-text-to-text
---
A multimodal model trained with Lapis. The weights load in stock transformers, with no remote code. Pixels come from
`lapis.Processor`, which cuts an image into tiles as training did (the stock processor tiles otherwise):

```python
from pathlib import Path

import lapis
from lapis.types import Text, Turn
from transformers import AutoModelForImageTextToText

model = AutoModelForImageTextToText.from_pretrained(".")
processor = lapis.Processor.from_folder(".")
image = processor.image(Path("screen.png").read_bytes())
inputs = processor([Turn("user", (image, Text("Where is the search field?")))], think=False)
ids = model.generate(**inputs, max_new_tokens=128)
print(processor.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :].tolist()))
```

`processor(turns)` gives `input_ids`, `attention_mask` and, with images, `pixel_values` (flattened patches of every
tile, scaled to -1..1), `spatial_shapes` and `pixel_attention_mask`.
"""

OWN = """---
library_name: lapis
pipeline_tag: image-text-to-text
---
A multimodal model trained with Lapis, whose adapter is `{kind}`: a class of its makers, which this folder does not
hold. Lapis loads the folder where that class can be imported; stock transformers does not.
"""


def write(module: Lapis | Decoder, tokenizer: chat.Tokenizer, folder: Path) -> None:
    """Write a model and its tokenizer as a stock folder, in place of an older one; weights keep their dtype.

    Raises InputError where something else than a model stands there, where the disk refuses, or for a tile of an odd
    number of patches, which stock classes cannot run.
    """
    folder = Path(folder).resolve()
    if folder.exists() and not _replaceable(folder):
        raise InputError(f"{folder}: is no model, so it is not replaced; expected a new or empty folder, or a model's")
    beside = folder.with_name(f".{folder.name}.lapis-new")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        _fill(module, tokenizer, beside)
        _swap(beside, folder)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder}: could not be written ({error})") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _fill(module: Lapis | Decoder, tokenizer: chat.Tokenizer, folder: Path) -> None:
    ids = {"eos_token_id": tokenizer.id(chat.END), "pad_token_id": tokenizer.id(chat.PAD)}
    _json(folder / "config.json", _config(module, ids))
    _json(folder / "generation_config.json", {**ids, "do_sample": False})
    save_torch_state_dict(to_hf(module), folder, max_shard_size=SHARD)
    tokenizer.raw.save(str(folder / "tokenizer.json"))
    decoder = text_of(module)
    text = chat.tokenizer_config(decoder.config.max_positions)
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(readme(module.config), encoding="utf-8")


def readme(shape: config.Model | config.Decoder) -> str:
    """The README of a model's folder."""
    if isinstance(shape, config.Decoder):
        return TEXT_README
    kind = shape.adapter.kind
    return OWN.format(kind=kind) if kind else README


def _config(module: Lapis | Decoder, ids: dict[str, int]) -> dict[str, Any]:
    dtype = str(next(module.parameters()).dtype).removeprefix("torch.")
    if isinstance(module, Decoder):
        return shapes.decoder_json(module.config, dtype, ids)
    shape = module.config
    if shape.vit.grid % shape.adapter.shuffle:
        raise InputError(f"tile: {shape.vit.grid} patches a side is odd; stock engines need an even grid")
    return shapes.model_json(shape, dtype, ids)


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _replaceable(folder: Path) -> bool:
    """Whether nothing but a model would be lost."""
    if not folder.is_dir():
        return False
    return not any(folder.iterdir()) or files.is_model(folder)


def _swap(beside: Path, folder: Path) -> None:
    """Put a written folder in its place; an older one stands until the rename."""
    old = folder.with_name(f".{folder.name}.lapis-old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(beside, folder)
    shutil.rmtree(old, ignore_errors=True)
