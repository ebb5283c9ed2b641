"""The models that a recipe's data asks, opened: one that says what photographs look like, and one that reads rows"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapis import config
from lapis.types import InputError

if TYPE_CHECKING:
    from lapis.data.models import Models


def opened(data: config.Data) -> Models:
    """What `data.corpus.photos.model` and `data.corpus.reader.model` name. Raises InputError where there is none."""
    from lapis.data.models import Models

    return Models(_embedder(data.corpus.photos.model), weights=weights(data), **_reader(data.corpus.reader))


def weights(data: config.Data) -> str:
    """Files of the models that the recipe names, by names, sizes and times. Raises InputError where there is none."""
    from lapis.named import model_folder

    words = (data.corpus.photos.model, data.corpus.reader.model)
    stamps = [(path.name, path.stat()) for word in words if word for path in _files(model_folder(word))]
    return json.dumps([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stamps])


def refuse(data: config.Data) -> None:
    """Raises InputError, with the field, for a classifier or a model that is not there; reads no model."""
    from lapis.named import model_folder

    _classifiers(data.corpus.classifiers)
    for name, word in (("photos", data.corpus.photos.model), ("reader", data.corpus.reader.model)):
        try:
            folder = model_folder(word) if word else None
        except InputError as error:
            raise InputError(f"data.corpus.{name}.model: {error}") from None
        if folder is not None and not any(folder.glob("*.safetensors")):
            raise InputError(f"data.corpus.{name}.model: {folder} is a program; expected weights")
    if data.corpus.reader.answers and not data.corpus.reader.model:
        raise InputError("data.corpus.reader.answers: nobody gives them; expected data.corpus.reader.model")


def _classifiers(settings: config.Classifiers) -> None:
    from lapis.data.corpus import steps

    for name, folder in (("quality", settings.quality), ("subject", settings.subject)):
        try:
            if folder:
                steps.classifier(folder)
            if folder and name == "quality" and settings.least is None:
                steps.threshold(folder)
        except InputError as error:
            raise InputError(f"data.corpus.classifiers.{name}: {error}") from None


def _embedder(name: str) -> Any:
    if not name:
        return None
    from lapis.eval.embedder import ViTLooks
    from lapis.named import model_folder

    return ViTLooks(model_folder(name))


def _reader(settings: config.Reader) -> dict[str, Any]:
    """Scorer, generator and digest of the model that reads."""
    if not settings.model:
        return {}
    from lapis import chat
    from lapis.eval.scorer import Losses
    from lapis.eval.sized import Sized
    from lapis.model import convert
    from lapis.model.vlm import Lapis
    from lapis.named import model_folder

    folder = model_folder(settings.model)
    model = convert.read(folder).eval()
    tiles = model.config.tokens_per_tile if isinstance(model, Lapis) else 1
    tokenizer = chat.Tokenizer.load(folder, tiles)
    generator = Sized(model, tokenizer) if settings.answers else None
    sees = isinstance(model, Lapis)
    return {"scorer": Losses(model, tokenizer), "generator": generator, "sees": sees, "reader": digest(folder)}


def digest(folder: Path) -> str:
    """Of a model's weights and tokenizer, whatever the folder is called."""
    found = hashlib.blake2b(digest_size=16)
    for path in _files(folder):
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "blake2b").digest())
    return found.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.safetensors"), *folder.glob("tokenizer.json")])
