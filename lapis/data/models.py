"""The models that steps of data ask; `cli` opens those that a recipe names, since data stands below models."""

from __future__ import annotations

from dataclasses import dataclass

from lapis.types import Embedder, Generator, Scorer


@dataclass(frozen=True, slots=True)
class Models:
    """None stands for one that the recipe does not name."""

    embedder: Embedder | None = None
    """What photographs look like (`data.corpus.photos.model`)."""
    scorer: Scorer | None = None
    """The reader's loss (`data.corpus.reader.model`)."""
    generator: Generator | None = None
    """The reader's answers, where it is asked for some."""
    sees: bool = False
    """Whether the reader is shown images."""
    reader: str = ""
    """Digest of the reader's weights: what was read by others is read again."""
    weights: str = ""
    """Of all models the files, by names, sizes and times."""


NONE = Models()
