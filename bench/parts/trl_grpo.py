"""TRL's GRPOTrainer on a model folder, run by the Python of TRL's own environment: prints its samples and seconds.

python bench/parts/trl_grpo.py MODEL PROMPTS.json OUT, with the sizes in PROMPTS.json.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


class Clock(TrainerCallback):
    """The time of every step's end."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *args: Any, **words: Any) -> None:
        """A step is over."""
        self.ends.append(time.perf_counter())


def main(model: str, prompts: Path, out: str) -> None:
    torch.set_num_threads(2)
    given = json.loads(prompts.read_text())
    lengths: list[int] = []

    def reward(completions: list[str], completion_ids: list[list[int]], **words: Any) -> list[float]:
        lengths.extend(len(one) for one in completion_ids)
        return [float(bool(ids) and ids[0] < given["middle"]) for ids in completion_ids]

    how = GRPOConfig(
        output_dir=out,
        per_device_train_batch_size=given["prompts"] * given["group"],
        num_generations=given["group"],
        max_completion_length=given["max_tokens"],
        max_steps=given["steps"],
        learning_rate=given["lr"],
        beta=0.0,
        temperature=1.0,
        use_cpu=True,
        bf16=False,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        gradient_checkpointing=False,
    )
    clock = Clock()
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(model),
        reward_funcs=reward,
        args=how,
        train_dataset=Dataset.from_list([{"prompt": text} for text in given["texts"]]),
        callbacks=[clock],
    )
    trainer.train()
    steps = len(clock.ends) - 1
    samples = steps * given["prompts"] * given["group"]
    said = {"samples": samples, "seconds": clock.ends[-1] - clock.ends[0], "tokens": sum(lengths) / len(lengths)}
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
