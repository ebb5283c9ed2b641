"""The job by data-juicer: source folder workers. Its own operators, but for the rules, which are a function of ours."""

import json
import subprocess
import sys
from pathlib import Path

OPS = [
    {"python_file_mapper": {"file_path": str(Path(__file__).with_name("gopher.py")), "function_name": "judged"}},
    {"specified_field_filter": {"field_key": "good", "target_value": ["yes"]}},
    {"document_deduplicator": {"lowercase": True, "ignore_non_character": False}},
    {"document_minhash_deduplicator": {
        "tokenization": "space", "window_size": 5, "lowercase": True, "num_permutations": 112, "jaccard_threshold": 0.8,
        "num_bands": 14, "num_rows_per_band": 8,
    }},
]  # fmt: skip


def main() -> None:
    source, out, workers = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    settings = {"project_name": "bench", "dataset_path": source, "np": workers, "process": OPS, "use_cache": False}
    settings |= {"export_path": str(out / "kept.jsonl"), "open_tracer": False, "text_keys": "text"}
    (out / "job.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    tool = Path(sys.executable).with_name("dj-process")
    subprocess.run([str(tool), "--config", str(out / "job.yaml")], check=True)
    with (out / "kept.jsonl").open(encoding="utf-8") as lines:
        addresses = [json.loads(line)["url"] for line in lines]
    (out / "kept.txt").write_text("\n".join(addresses), encoding="utf-8")


if __name__ == "__main__":
    main()
