"""Small corpora in every form, good records and broken ones mixed by a seed; what is good of them is told beside."""

from __future__ import annotations

from tests.data.sources import pictures, texts
from tests.data.sources.basics import Maker

CORPORA: dict[str, tuple[str, Maker]] = {
    "jsonl": ("jsonl", texts.jsonl),
    "jsonl.gz": ("jsonl", lambda folder, rng: texts.jsonl(folder, rng, ".gz")),
    "jsonl.zst": ("jsonl", lambda folder, rng: texts.jsonl(folder, rng, ".zst")),
    "array": ("jsonl", texts.array),
    "csv": ("csv", texts.csv),
    "parquet": ("parquet", texts.parquet),
    "arrow": ("huggingface", lambda folder, rng: texts.parquet(folder, rng, arrow=True)),
    "text": ("text", lambda folder, rng: texts.files(folder, rng, ".txt")),
    "markdown": ("markdown", lambda folder, rng: texts.files(folder, rng, ".md")),
    "html": ("html", texts.html),
    "html_quality": ("html_quality", texts.html),
    "warc": ("warc", texts.warc),
    "warc.gz": ("warc", lambda folder, rng: texts.warc(folder, rng, ".gz")),
    "warc.zst": ("warc", lambda folder, rng: texts.warc(folder, rng, ".zst")),
    "images": ("images", pictures.images),
    "metadata.csv": ("images", lambda folder, rng: pictures.images(folder, rng, "metadata.csv")),
    "captions.jsonl": ("images", lambda folder, rng: pictures.images(folder, rng, "captions.jsonl")),
    "webdataset": ("webdataset", pictures.webdataset),
    "webdataset.gz": ("webdataset", lambda folder, rng: pictures.webdataset(folder, rng, ".gz")),
    "webdataset.zst": ("webdataset", lambda folder, rng: pictures.webdataset(folder, rng, ".zst")),
    "chat": ("chat", pictures.chat),
    "grounding": ("grounding", pictures.grounding),
    "screens": ("screens", pictures.screens),
    "made": ("made", pictures.made),
    "pdf": ("pdf", texts.pdf),
}
"""Name of a corpus to the name of its form and its maker."""
