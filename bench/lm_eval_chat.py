"""lm-eval's chat endpoint against the server: the share of its answers that are those of a plain request.

The task is one of ours (questions that are made, a YAML and a file of lines); lm-eval has an environment of its own,
and asks four at a time. Without a run the model is pocket's with fresh weights, whose answers are noise, but the same.

python -m bench.lm_eval_chat [run=FOLDER]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench.parts import peer, served
from bench.parts.line import run_of, say
from lapis.data.synth import questions

PACKAGES = (
    "lm_eval==0.4.13", "DataProperty==1.1.1", "chardet==6.0.0.post1", "colorama==0.4.6", "datasets==5.2.0",
    "dill==0.4.1", "evaluate==0.4.6", "joblib==1.6.0", "lxml==6.1.3", "mbstrdecoder==1.1.5", "more-itertools==11.2.1",
    "multiprocess==0.70.19", "narwhals==2.29.0", "nltk==3.10.4", "pandas==3.1.1", "pathvalidate==3.3.1",
    "portalocker==4.4.2", "pytablewriter==1.2.1", "pytz==2026.6", "rouge_score==0.1.2", "sacrebleu==2.6.0",
    "scikit-learn==1.9.1", "scipy==1.17.1", "sqlitedict==2.1.0", "tabledata==1.3.5", "tabulate==0.10.0",
    "tcolorpy==0.1.7", "tenacity==9.2.1", "threadpoolctl==3.8.0", "typepy==1.3.5", "word2number==1.1", "xxhash==4.1.0",
)  # fmt: skip
COUNT, MOST = 60, 32
"""Questions, and tokens of an answer."""
TASK = """task: lapis_questions
dataset_path: json
dataset_kwargs: {{data_files: {{test: {lines}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["\\n\\n"], max_gen_toks: {most}, temperature: 0}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""


def write(folder: Path) -> None:
    """lm-eval's task."""
    lines = [
        {"question": sample.turns[0].text, "answer": str(sample.meta["answer"])}
        for sample in questions.generate(COUNT, 0, "held")
    ]
    (folder / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    task = TASK.format(lines=folder / "lines.jsonl", most=MOST)
    (folder / "task.yaml").write_text(task, encoding="utf-8")


def measured(python: Path, url: str, folder: Path) -> tuple[dict[str, str], float]:
    """lm-eval's answer to each question, and its score."""
    endpoint = f"model={served.NAME},base_url={url}/v1/chat/completions,num_concurrent=4,max_retries=1"
    words = ["run", "--model", "local-chat-completions", "--model_args", endpoint, "--tasks", "lapis_questions"]
    words += ["--include_path", str(folder), "--apply_chat_template", "--log_samples", "--output_path", str(folder)]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(folder / "datasets")}
    subprocess.run([str(python), "-m", "lm_eval", *words], check=True, env=offline, stdout=sys.stderr)
    samples = next(folder.rglob("samples_*.jsonl"))
    rows = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    answers = {row["doc"]["question"]: row["resps"][0][0] for row in rows}
    return answers, sum(row["exact_match"] for row in rows) / len(rows)


def plain(url: str, question: str) -> str:
    """The answer to a request of our own."""
    body = {"model": served.NAME, "messages": [{"role": "user", "content": question}], "max_tokens": MOST}
    answer = httpx.post(url + "/v1/chat/completions", json={**body, "stop": ["\n\n"]}, timeout=120).json()
    return str(answer["choices"][0]["message"]["content"])


def main() -> None:
    python = peer.environment("lm_eval", PACKAGES)
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        with served.serving(served.folder_of(run_of(sys.argv[1:]), folder / "served")) as (url, _):
            answers, score = measured(python, url, folder)
            same = sum(plain(url, question) == answer for question, answer in answers.items())
    print(f"{len(answers)} answers, {score:.0%} of them right without thinking")
    say("lm_eval_chat", same / len(answers), 1.0, "share of lm-eval's answers equal to plain requests'", 1.0)


if __name__ == "__main__":
    main()
