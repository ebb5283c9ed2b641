"""The job by datatrove: source folder workers. Its MinHash finds exact copies too."""

import sys
import unicodedata
from pathlib import Path

from datatrove.data import DocumentsPipeline
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import ParquetWriter
from gopher import good

CONFIG = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)


class Normalise(PipelineStep):
    """NFC."""

    name = "normalise"

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        for document in data:
            document.text = unicodedata.normalize("NFC", document.text)
            yield document


def main() -> None:
    source, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    parts = out / "in"
    parts.mkdir()
    lines = source.read_bytes().splitlines(keepends=True)  # a task reads whole files
    for number in range(workers):
        (parts / f"{number}.jsonl").write_bytes(b"".join(lines[number::workers]))
    first = [JsonlReader(str(parts)), Normalise(), LambdaFilter(lambda document: good(document.text))]
    last = [MinhashDedupFilter(str(out / "remove")), ParquetWriter(str(out / "kept"))]
    steps = (
        ([*first, MinhashDedupSignature(str(out / "sigs"), config=CONFIG)], workers),
        ([MinhashDedupBuckets(str(out / "sigs"), str(out / "buckets"), config=CONFIG)], CONFIG.num_buckets),
        ([MinhashDedupCluster(str(out / "buckets"), str(out / "remove"), config=CONFIG)], 1),
        ([*first, *last], workers),
    )
    for number, (pipeline, tasks) in enumerate(steps):
        logs = str(out / "logs" / str(number))
        LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=workers, logging_dir=logs).run()
    import pyarrow.parquet as pq

    kept = [pq.read_table(path)["metadata"].to_pylist() for path in (out / "kept").glob("*.parquet")]
    addresses = [row["url"] for rows in kept for row in rows]
    (out / "kept.txt").write_text("\n".join(addresses), encoding="utf-8")


if __name__ == "__main__":
    main()
