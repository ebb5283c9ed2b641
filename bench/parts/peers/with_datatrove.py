"""The job by datatrove: source folder workers. Its MinHash finds exact copies too.

Of a cluster datatrove keeps whichever document its union-find has for a root. The others keep the first in order, so
here the first of each of its clusters is told as kept in the root's place: what is compared is which documents count
as copies, not whom they are copies of.
"""

import struct
import sys
import unicodedata
from collections import defaultdict
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


class List(PipelineStep):
    """Writes down the address of each document, in the order in which MinHash numbers them."""

    name = "list"

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:
        with (self.folder / f"{rank:06d}.addresses").open("w", encoding="utf-8") as out:
            for document in data:
                out.write(document.metadata["url"] + "\n")
                yield document


def first_ones(folder: Path) -> dict[str, str]:
    """Of each clustered document's address that of its cluster's first in the source, whose addresses are numbered."""
    clusters: dict[int, list[str]] = defaultdict(list)
    for path in folder.glob("*.clusters"):
        addresses = path.with_suffix(".addresses").read_text(encoding="utf-8").split("\n")
        for document, cluster in struct.iter_unpack("<2I", path.read_bytes()):
            clusters[cluster].append(addresses[document])
    number = {address: int(address.rpartition("/")[2]) for each in clusters.values() for address in each}
    return {address: min(each, key=number.__getitem__) for each in clusters.values() for address in each}


def main() -> None:
    source, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    parts = out / "in"
    parts.mkdir()
    lines = source.read_bytes().splitlines(keepends=True)  # a task reads whole files
    for number in range(workers):
        (parts / f"{number}.jsonl").write_bytes(b"".join(lines[number::workers]))
    first = [JsonlReader(str(parts)), Normalise(), LambdaFilter(lambda document: good(document.text))]
    (out / "remove").mkdir()
    last = [List(out / "remove"), MinhashDedupFilter(str(out / "remove")), ParquetWriter(str(out / "kept"))]
    steps = (
        ([*first, MinhashDedupSignature(str(out / "sigs"), config=CONFIG)], workers),
        ([MinhashDedupBuckets(str(out / "sigs"), str(out / "buckets"), config=CONFIG)], CONFIG.num_buckets),
        ([MinhashDedupCluster(str(out / "buckets"), str(out / "remove"), config=CONFIG, save_cluster_id=True)], 1),
        ([*first, *last], workers),
    )
    for number, (pipeline, tasks) in enumerate(steps):
        logs = str(out / "logs" / str(number))
        LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=workers, logging_dir=logs).run()
    import pyarrow.parquet as pq

    kept = [pq.read_table(path)["metadata"].to_pylist() for path in (out / "kept").glob("*.parquet")]
    first = first_ones(out / "remove")
    addresses = [first.get(row["url"], row["url"]) for rows in kept for row in rows]
    (out / "kept.txt").write_text("\n".join(addresses), encoding="utf-8")


if __name__ == "__main__":
    main()
