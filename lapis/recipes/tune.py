"""From public weights to a model that reads screens and thinks: adapter, everything together, SFT. No pre-training.

`lapis run tune start=FOLDER` begins with a model of `lapis init`, or with any run's export;
`start=DECODER stages.start.vision=TOWER` composes it in the run. Shapes are those of the weights
(lapis/model/source.py); what stands here is SigLIP2 so400m with Qwen3-1.7B. Sizes and rates are ours, and untried at
that size: they are what is usual for tuning on some ten thousand samples.
"""

from __future__ import annotations

from dataclasses import replace

from lapis.config import Adapter, Data, Decoder, Eval, Export, Model, Optim, Pack, Recipe, Start, Train, ViT

PACK = Pack(row_tokens=4096, rows=8, tiles=144)
RATES = Optim(lr=2e-5, lr_vit=1e-5, lr_adapter=1e-4, vit_layer_decay=0.9)
"""Peaks of everything together; the predecessor's 1e-4 is for batches a thousand times as large."""


def model() -> Model:
    """2.2B parameters, 1.7B of them the decoder's."""
    vit = ViT(width=1152, layers=27, heads=16, mlp=4304, patch=14, tile=392)
    decoder = Decoder(
        width=2048, layers=28, heads=16, kv_heads=8, head_dim=128, mlp=6144, vocab=151936, max_positions=40960
    )
    return Model(vit, Adapter(hidden=2048), decoder, image_token=151677)


def stages() -> tuple[Start | Train, ...]:
    """One schedule over `joint-b` and `sft`; the adapter, which is drawn, learns alone before."""
    alone = Train(
        "joint-a",
        "start",
        {"caption": 0.5, "screen/ocr": 0.5},
        300,
        PACK,
        Optim(lr_adapter=1e-3, end=0.3),
        trains=("adapter",),
    )
    mixed = {"prose": 0.1, "caption": 0.05, "long": 0.05, "math": 0.2, "screen": 0.6}
    whole = Train("joint-b", "joint-a", mixed, 2000, PACK, replace(RATES, end=0.5))
    asked = {"math": 0.35, "screen/math": 0.25, "screen": 0.4}
    epochs = {"screen/math": 9, "math": 9, "screen": 3}
    answers = Train("sft", "joint-b", asked, 1000, PACK, replace(RATES, start=0.5, end=0.02), epochs=epochs)
    return (Start("start"), alone, whole, answers)


def recipe() -> Recipe:
    """The recipe behind `lapis run tune`."""
    data = Data(screens=16000, questions=40000, fresh=1)
    ends = Eval(parent="sft", max_tokens=512), Export(parent="sft")
    return Recipe("tune", model(), model().decoder, data, stages(), *ends)


def smoke() -> Recipe:
    """The same road in a few steps, for weights of any size."""
    full = recipe()
    data = Data(
        prose_mb=0.2,
        packages=False,
        screens=24,
        held_screens=4,
        questions=120,
        held_questions=8,
        fresh=1,
        captions=8,
        needles=3,
        minutes=0.5,
    )
    pack = replace(PACK, rows=1, tiles=24)
    short = (
        replace(one, steps=3, pack=pack, checkpoint_every=2) if isinstance(one, Train) else one for one in full.stages
    )
    ends = replace(full.eval, samples=4, budgets=(0, 16), max_tokens=48, pictures=4, minutes=0.3)
    return replace(full, data=data, stages=tuple(short), eval=ends)
