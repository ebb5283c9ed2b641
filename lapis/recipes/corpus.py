"""Data alone, from sources of your own: samples, a tokenizer that is trained on them, and shards.

`lapis data build corpus data.sources.web.form=jsonl data.sources.web.place=/data/web/*.jsonl out=here`; docs/data.md
tells more. Nothing is fetched, generated or rendered. Its one stage is there to say how long rows are.
"""

from __future__ import annotations

from lapis.config import Data, Eval, Export, Optim, Pack, Recipe, Train
from lapis.recipes import pocket


def recipe() -> Recipe:
    """The recipe behind `lapis data build corpus`."""
    pack = Pack(row_tokens=512, rows=4, tiles=0)
    stage = Train("text", None, {"prose": 1.0}, 200, pack, Optim(), trains=("decoder",))
    ends = Eval(parent="text"), Export(parent="text")
    return Recipe("corpus", pocket.model(), pocket.teacher(), Data(vocab=4096, made=False), (stage,), *ends)


def smoke() -> Recipe:
    """The same: its time is that of the sources."""
    return recipe()
