"""The models that a recipe's data asks: opened by their fields, and refused with the field before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lapis import config, data_models
from lapis.export import hf
from lapis.model import init
from lapis.types import InputError
from tests.data import world
from tests.data.corpus import made
from tests.tiny import tiny_tokenizer


def data(*words: str) -> config.Data:
    return replace(config.Data(), corpus=made.corpus(*words))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model that sees, a text model, and the first one's copy under another name."""
    root = tmp_path_factory.mktemp("models")
    for name, shape in (("sees", world.MODEL), ("copy", world.MODEL), ("text", world.DECODER)):
        hf.write(init.fresh(shape, 0), tiny_tokenizer(world.MODEL.tokens_per_tile), root / name)
    return {name: root / name for name in ("sees", "copy", "text")}


def test_a_reader_scores_and_answers_where_it_is_asked_to(folders: dict[str, Path]) -> None:
    nobody = data_models.opened(data())
    assert (nobody.embedder, nobody.scorer, nobody.generator, nobody.reader) == (None, None, None, "")
    sees = data_models.opened(data(f"reader.model={folders['sees']}", "reader.answers=2"))
    assert sees.scorer and sees.generator and sees.sees
    text = data_models.opened(data(f"reader.model={folders['text']}"))
    assert text.scorer and text.generator is None and not text.sees
    assert text.scorer.losses([world.document(world.SENTENCE)])[0] > 1


def test_a_reader_is_known_by_its_weights_and_not_by_its_folder(folders: dict[str, Path]) -> None:
    sees, copy, text = (data_models.digest(folders[name]) for name in ("sees", "copy", "text"))
    assert sees == copy != text


def test_what_is_not_there_is_told_with_its_field(folders: dict[str, Path], tmp_path: Path) -> None:
    for words, why in (
        (("reader.model=nowhere",), "data.corpus.reader.model: nowhere: no such run or folder"),
        (("photos.model=nowhere",), "data.corpus.photos.model: nowhere: no such run or folder"),
        (("reader.answers=4",), "data.corpus.reader.answers: nobody gives them"),
        ((f"classifiers.quality={tmp_path}",), "data.corpus.classifiers.quality: .*no classifier there"),
        ((f"classifiers.subject={tmp_path}",), "data.corpus.classifiers.subject: .*no classifier there"),
    ):
        with pytest.raises(InputError, match=why):
            data_models.refuse(data(*words))
    data_models.refuse(data(f"reader.model={folders['sees']}", "reader.answers=4"))
