"""A quality between 0 and 1 by a classifier fitted on labelled examples, and what lies under its threshold dropped.

`lapis data fit-quality` fits it (lapis/data/linear.py); no labels ship with Lapis, since what is good is the user's.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lapis.data.linear import Linear


def change(rows: pa.Table, classifier: Linear) -> pa.Table:
    """The same rows with `quality`, float32: the chance that a text (column `text`) is of the good label, the last."""
    quality = classifier.probabilities(rows["text"])[:, -1].astype(np.float32)
    return rows.append_column("quality", pa.array(quality))


def judge(rows: pa.Table, least: float) -> pa.Array:
    """`low quality` where `quality` is under `least`, null where the row stays."""
    low = pc.less(rows["quality"], least)
    reasons = pc.if_else(low, "low quality", pa.scalar(None, pa.string()))
    return reasons.combine_chunks() if isinstance(reasons, pa.ChunkedArray) else reasons
