"""Every form of source by its name."""

from __future__ import annotations

from lapis.data.sources import (
    chat,
    csv,
    grounding,
    html,
    html_quality,
    huggingface,
    images,
    jsonl,
    made,
    markdown,
    parquet,
    pdf,
    screens,
    text,
    warc,
    warc_quality,
    webdataset,
)
from lapis.data.sources.base import Form

_MODULES = (
    jsonl, parquet, csv, text, markdown, html, html_quality, warc, warc_quality, images, webdataset, huggingface, chat,
    grounding, screens, made, pdf,
)  # fmt: skip
FORMS: dict[str, Form] = {module.FORM.name: module.FORM for module in _MODULES}
