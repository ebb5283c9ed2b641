"""The job by Polars and rensa: source folder workers."""

import os
import sys
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = sys.argv[3]

import polars as pl  # noqa: E402
from rensa import RMinHash, RMinHashLSH  # noqa: E402

SIMILAR, HASHES, BANDS, NGRAM = 0.8, 112, 14, 5
STOPS = ("the", "be", "to", "of", "and", "that", "have", "with")


def rules() -> pl.Expr:
    """Gopher's rules on words and lines: true where a document is dropped."""
    text = pl.col("text")
    words, lines = text.str.count_matches(r"\S+").cast(pl.Float64), text.str.count_matches(r"[^\n]+")
    mean = text.str.count_matches(r"\S") / words
    stops = pl.sum_horizontal([text.str.contains(rf"(?i)\b{stop}\b").cast(pl.Int32) for stop in STOPS])
    symbols = pl.max_horizontal(text.str.count_matches("#"), text.str.count_matches(r"\.\.\.|…"))
    lettered = text.str.count_matches(r"\S*\p{L}\S*")
    bullets = text.str.count_matches(r"(?m)^\s*[-*•●◦]")
    ellipses = text.str.count_matches(r"(?m)(\.\.\.|…)\s*$")
    return (
        (words < 50) | (words > 100_000) | (mean < 3) | (mean > 10) | (symbols > words * 0.1)
        | (lettered < words * 0.8) | (stops < 2) | (bullets > lines * 0.9) | (ellipses > lines * 0.3)
    )  # fmt: skip


def near(texts: list[str]) -> list[int]:
    """Places of the texts that no earlier kept one is like."""
    lsh = RMinHashLSH(threshold=SIMILAR, num_perm=HASHES, num_bands=BANDS)
    hashes: list[RMinHash] = []
    kept = []
    for at, text in enumerate(texts):
        words = text.split()
        one = RMinHash(num_perm=HASHES, seed=1)
        one.update([" ".join(words[start : start + NGRAM]) for start in range(max(len(words) - NGRAM + 1, 1))])
        hashes.append(one)
        if not any(hashes[other].jaccard(one) >= SIMILAR for other in lsh.query(one)):
            kept.append(at)
            lsh.insert(at, one)
    return kept


def main() -> None:
    source, out = sys.argv[1], Path(sys.argv[2])
    frame = pl.read_ndjson(source).with_columns(pl.col("text").str.normalize("NFC")).filter(~rules())
    key = pl.col("text").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\s+", " ")
    frame = frame.with_columns(key.alias("key")).unique("key", keep="first", maintain_order=True)
    frame = frame[near(frame["key"].to_list())]
    frame.drop("key").write_parquet(out / "kept.parquet")
    (out / "kept.txt").write_text("\n".join(frame["url"].to_list()), encoding="utf-8")


if __name__ == "__main__":
    main()
