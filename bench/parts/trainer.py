"""Hugging Face's Trainer on a folder's model and ids: `trainer.py FOLDER padded|grouped|packed STEPS`; prints useful
tokens a second. Runs in the peer's environment and imports nothing of ours."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    DataCollatorWithFlattening,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

TOKENS = 2048
"""Of a step, about."""


class Clock(TrainerCallback):
    """Times all steps but the first."""

    began = ended = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        self.ended = time.perf_counter()
        self.began = self.began or self.ended


def padded(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """A batch as long as its longest row."""
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for at, row in enumerate(rows):
        length = len(row["input_ids"])
        ids[at, :length] = labels[at, :length] = torch.tensor(row["input_ids"])
        mask[at, :length] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def main() -> None:
    folder, way, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    every = json.loads((folder / "ids.json").read_text())
    rows = [{"input_ids": ids, "length": len(ids)} for ids in every]
    size = max(1, round(TOKENS * len(rows) / sum(row["length"] for row in rows)))
    counted: list[int] = []

    def collate(batch: list[dict[str, Any]]) -> dict[str, Any]:
        counted.append(sum(row["length"] for row in batch))
        plain = [{"input_ids": row["input_ids"]} for row in batch]
        return DataCollatorWithFlattening()(plain) if way == "packed" else padded(plain)

    arguments = TrainingArguments(
        output_dir=str(folder / "out"),
        max_steps=steps,
        per_device_train_batch_size=size,
        learning_rate=1e-3,
        bf16=True,
        use_cpu=True,
        optim="adamw_torch_fused",
        train_sampling_strategy="group_by_length" if way == "grouped" else "random",
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    clock = Clock()
    model = AutoModelForCausalLM.from_pretrained(folder / "model", attn_implementation="sdpa")
    Trainer(model, arguments, data_collator=collate, train_dataset=rows, callbacks=[clock]).train()
    print(sum(counted[1:steps]) / (clock.ended - clock.began))


if __name__ == "__main__":
    main()
