"""Samples become token ids, training masks, encoded tiles and dense labels.

Unusual: tiles are kept as PNG, because a raw 252 px tile is ten times as large and decoding takes a millisecond, and
each has its dense labels beside it ("cells", labels.py).

Shape legend: K labels of an image token, L looks, S pixels of a tile's side.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pixels
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as RawTokenizer

from lapis import chat, config, files
from lapis.data import labels, looks
from lapis.model import anyres
from lapis.types import IGNORE, Image, InputError, Sample

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Qwen2's split: a digit is a token of its own, so coordinates and sums are read digit by digit."""
REMEMBERED = 8
"""Pictures that a Cutter remembers."""
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Example:
    """A tokenised sample."""

    kind: str
    document: bool
    ids: Ints
    """[T] token ids."""
    trained: npt.NDArray[np.bool_]
    """[T] True where the model learns to write this very token."""
    tiles: tuple[bytes, ...] = ()
    """PNG of each tile in order of appearance."""
    cells: tuple[bytes, ...] = ()
    """int32 [tokens a tile, K] of each tile, as bytes."""
    looks: Ints = field(default_factory=lambda: np.zeros((0, looks.COLUMNS), np.int32))
    """[L, 4] positions of a token that looks and of one that it may look at, and its point if any (looks.py)."""


@dataclass(slots=True)
class Cutter:
    """Cuts and labels pictures, and remembers the last few: samples of one screen follow each other."""

    tokenizer: chat.Tokenizer
    model: config.Model
    letters: dict[str, int] = field(default_factory=dict)
    words: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    recent: dict[bytes, tuple[list[bytes], list[bytes]]] = field(default_factory=dict)

    def tiles(self, image: Image, cells: Mapping[str, Any], name: str) -> tuple[list[bytes], list[bytes]]:
        """PNG and labels of each tile of a picture; `name` is what an error calls it."""
        digest = hashlib.blake2b(image.data, digest_size=16).digest()
        if digest not in self.recent:
            if len(self.recent) >= REMEMBERED:
                del self.recent[next(iter(self.recent))]
            self.recent[digest] = self._cut(image, cells, name)
        return self.recent[digest]

    def _cut(self, image: Image, cells: Mapping[str, Any], name: str) -> tuple[list[bytes], list[bytes]]:
        side = self.model.vit.tile
        pixels_NSS3 = anyres.cut(anyres.decode(image, name), self.model.anyres, side)
        words = cells.get("words", ())
        letters = cells.get("letters", ())
        written = labels.Written(
            labels.characters(words, letters, self.letter),
            labels.numbers(words, letters),
            labels.tokens(words, letters, self.pieces),
        )
        places = anyres.placements(image.width, image.height, self.model.anyres, side)
        marks = [labels.of_tile(written, place, self.model).tobytes() for place in places]
        return [png(pixels_SS3) for pixels_SS3 in pixels_NSS3], marks

    def letter(self, character: str) -> int:
        """Id of a character that is a token of its own, else IGNORE; remembered."""
        if character not in self.letters:
            ids = self.tokenizer.encode(character)
            alone = len(ids) == 1 and self.tokenizer.texts[ids[0]] == character and not character.isspace()
            self.letters[character] = ids[0] if alone else IGNORE
        return self.letters[character]

    def pieces(self, word: str) -> list[tuple[int, int, int]]:
        """The word's tokens with their characters, remembered: the words of screens repeat."""
        if word not in self.words:
            self.words[word] = self.tokenizer.pieces(word)
        return self.words[word]


def train_tokenizer(
    texts: Iterable[str], vocab: int, folder: Path, tokens_per_tile: int, token_bytes: int = 32
) -> chat.Tokenizer:
    """Train a byte-level BPE of exactly `vocab` tokens and write `tokenizer.json`; equal texts give equal files.

    No token is longer than `token_bytes`.

    Special tokens come first in the order of chat.SPECIALS; a text too small for `vocab` merges is filled up with
    reserved tokens. Raises InputError where `vocab` cannot even hold the bytes and special tokens.
    """
    least = len(chat.SPECIALS) + 256
    if vocab < least:
        raise InputError(f"data.vocab: {vocab} is too small, expected at least {least} (bytes and special tokens)")
    raw = RawTokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.pre_tokenizer = pre_tokenizers.Sequence([split, as_bytes])
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(texts, _trainer(vocab, token_bytes))
    missing = vocab - raw.get_vocab_size()
    raw.add_special_tokens([AddedToken(f"<|reserved_{number}|>", special=True) for number in range(missing)])
    with files.beside(folder / "tokenizer.json") as part:
        raw.save(str(part))
    return chat.Tokenizer.load(folder, tokens_per_tile)


def _trainer(vocab: int, token_bytes: int) -> trainers.BpeTrainer:
    return trainers.BpeTrainer(
        vocab_size=vocab,
        max_token_length=token_bytes,
        special_tokens=[AddedToken(name, special=True, normalized=False) for name in chat.SPECIALS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )


def example(sample: Sample, tokenizer: chat.Tokenizer, model: config.Model, cutter: Cutter | None = None) -> Example:
    """Tokenise one sample. Raises InputError for a picture that cannot be decoded.

    `cutter` remembers pictures and words over samples; without it each call starts anew.
    """
    cutter = cutter or Cutter(tokenizer, model)

    def count(image: Image) -> int:
        return anyres.tile_count(image.width, image.height, model.anyres, model.vit.tile)

    encoded = chat.encode_sample(sample, tokenizer, count)
    tiles: list[bytes] = []
    cells: list[bytes] = []
    for number, image in enumerate(encoded.images):
        marks = sample.cells[number] if number < len(sample.cells) else {}
        found = cutter.tiles(image, marks, sample.source)
        tiles += found[0]
        cells += found[1]
    ids = np.asarray(encoded.ids, dtype=np.int32)
    trained = np.asarray(encoded.trained, dtype=np.bool_)
    seen = looks.looks(sample, encoded, tokenizer, model)
    return Example(sample.kind, sample.document, ids, trained, tuple(tiles), tuple(cells), seen)


def png(pixels_SS3: npt.NDArray[np.uint8]) -> bytes:
    """A tile as PNG, packed for speed and not for size."""
    out = io.BytesIO()
    Pixels.fromarray(pixels_SS3).save(out, "PNG", compress_level=1)
    return out.getvalue()


def unpng(data: bytes) -> npt.NDArray[np.uint8]:
    """Pixels [S, S, 3] of a stored tile."""
    with Pixels.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))
