"""The user's sources, and what the data engine holds them to: slices, copies, evaluation sets, classes, key data"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import ConfigDict

from lapis.data_config.judge import Pictures, Quality, Select
from lapis.shape import Count, Positive, Share


@dataclass(frozen=True, slots=True)
class Source:
    """Where samples come from, and what all of them are where the records do not tell."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    form: Annotated[str, MinLen(1)]
    """How it is read: the name of a file in lapis/data/sources, such as jsonl."""
    place: Annotated[str, MinLen(1)]
    """A file, a folder or a pattern (`/data/web/*.jsonl`); a hub id where the form takes one."""
    kind: str = ""
    """Kind of its samples, whose beginning picks the mixture weight; empty takes what each record is (types.TOLD)."""
    licence: str = "NOASSERTION"
    """SPDX identifier, where records have none of their own; SPDX's word for an unknown one where nothing is said."""
    lang: str = ""
    """BCP 47, where all of it is in one language; empty leaves it to the language step."""
    columns: dict[str, str] = field(default_factory=dict)
    """Our name of a field to the one that it has here: `text` to `body`."""


@dataclass(frozen=True, slots=True)
class Classifiers:
    """Classifiers of the user's own: folders that `lapis data fit-quality` wrote, which all processes must see."""

    quality: str = ""
    """The one whose last label is good, asked of documents without pictures; empty leaves quality unknown."""
    least: Share | None = None
    """Quality below which a document is dropped; None takes the classifier's own threshold."""
    subject: str = ""
    """The one whose labels are subjects; empty counts the words of topics (lapis/data/topics.py)."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A model that reads what copies left: how hard a row is, and whether its pictures tell anything."""

    model: str = ""
    """Run or model folder; empty leaves difficulty unknown and pictures unasked."""
    answers: Count = 0
    """Answers sampled for a row whose answer can be checked: the share of wrong ones is its difficulty, instead of the
    model's loss, which all other rows have. 0 takes the loss of all."""
    max_tokens: Positive = 128
    """Of an answer, its thought included."""
    temperature: Annotated[float, Gt(0)] = 1.0


@dataclass(frozen=True, slots=True)
class Near:
    """Near copies of documents by MinHash-LSH (Broder 1997; arXiv 2107.06499), each candidate compared word by word."""

    similar: Annotated[float, Gt(0), Le(1)] = 0.8
    """Jaccard similarity of word n-grams from which a document is a copy of one before it."""
    ngram: Positive = 5
    """Words of an n-gram; a Chinese character counts as a word."""
    bands: Positive = 14
    """Bands of hashes: documents that agree in one are compared. 14 of 5 meet at 0.8 in 99.6%, at 0.7 in 92%."""
    rows: Positive = 5
    """Hashes of a band."""


@dataclass(frozen=True, slots=True)
class Photos:
    """Copies of photographs. Screens are compared by their pixels and elements instead: hashes of looks cannot tell two
    states of one screen apart."""

    distance: Annotated[int, Ge(0), Le(3)] = 3
    """Most bits of 64 in which the perceptual hashes of copies differ."""
    cosine: Annotated[float, Gt(0), Le(1)] = 0.96
    """Least cosine between the embeddings of copies."""
    model: str = ""
    """Run or model folder whose ViT embeds photographs; empty leaves embeddings out."""


@dataclass(frozen=True, slots=True)
class Evaluations:
    """What training must not have read: the run's own held-out sets, and others."""

    ngram: Positive = 13
    """Words of the n-grams that a document may not share with an evaluation sample (GPT-3: arXiv 2005.14165, appendix
    C), two Chinese characters being one (ours). Shorter evaluation samples are compared whole."""
    common: Positive = 10
    """N-grams of more evaluation samples than this do not count where they are a prompt's frame: where more than half
    of a set has them, or a sample no more of them than a frame is long (ours: corpus/contamination.py)."""
    against: tuple[str, ...] = ()
    """Further evaluation sets: Parquet files of samples, JSON lines with `text`, or folders of ScreenSpot."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """How sources become samples."""

    slice_mb: Annotated[float, Gt(0)] = 32.0
    """Megabytes of a source that are worked on, kept and resumed together."""
    skip: tuple[str, ...] = ()
    """Row-wise steps that are left out, by name."""
    languages: tuple[str, ...] = ("en", "zh")
    """BCP 47 codes of what is kept; the language alone decides, so that `zh` keeps `zh-CN`."""
    quality: Quality = field(default_factory=Quality)
    pictures: Pictures = field(default_factory=Pictures)
    near: Near = field(default_factory=Near)
    photos: Photos = field(default_factory=Photos)
    evaluations: Evaluations = field(default_factory=Evaluations)
    classifiers: Classifiers = field(default_factory=Classifiers)
    reader: Reader = field(default_factory=Reader)
    resample: bool = False
    """Take rows as often as the rule of key data says, from not at all to several times; false takes each once."""
    select: Select = field(default_factory=Select)
    """The rule's numbers."""
    examples: Count = 200
    """Most dropped samples that are kept to look at, of each step, reason and source."""
