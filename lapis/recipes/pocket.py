"""The whole recipe on a laptop: every stage at a size for 40 minutes on two CPU cores.

Stages keep the order and the roles of `blue3b`; every number is scaled down. Ours, because a ViT that starts from
nothing has no SigLIP2 behind it: the `vision` stage, in which image tokens learn to name the text that they show.
"""

from __future__ import annotations

from dataclasses import replace

from lapis.config import (
    RL,
    Adapter,
    AnyRes,
    Data,
    Decoder,
    Distil,
    Entry,
    Eval,
    Export,
    Join,
    Model,
    Online,
    Optim,
    Pack,
    Prune,
    Recipe,
    Train,
    ViT,
    Yarn,
)

TEXT = {
    "math/arith": 0.125,
    "math/digit": 0.136,
    "math/logic": 0.248,
    "math/read": 0.0764,
    "math/told": 0.247,
    "math/word": 0.0748,
    "prose": 0.0277,
    "screen/told": 0.0652,
}
"""Found by `lapis data mixture desk mixing.seeds=5`: shares of samples, by which prose is 10% of the tokens and
mathematics 69%. bench/results/desk_mixture.json is what that search told: its runs' errors, and its check."""
THOUGHTS = {"math": 0.75, "screen/math": 0.35}
SCREENS = {
    "screen/ground": 0.36,
    "screen/act": 0.07,
    "screen/ocr": 0.2,
    "screen/list": 0.15,
    "screen/qa": 0.06,
    "screen/describe": 0.02,
}


def model() -> Model:
    """5.0M parameters: the ViT and the decoder have four layers each."""
    vit = ViT(width=192, layers=4, heads=3, mlp=768, tile=252)
    decoder = Decoder(
        width=256, layers=4, heads=4, kv_heads=2, head_dim=64, mlp=768, vocab=4096, rope_theta=1e4, max_positions=512
    )
    return Model(vit, Adapter(hidden=512), decoder, AnyRes(columns=2, rows=2, thumbnail="several"))


def teacher() -> Decoder:
    """The text teacher: wider by half, so that pruning takes one KV group of three and a third of the channels."""
    return replace(model().decoder, width=384, heads=6, kv_heads=3, mlp=1152)


def text() -> tuple[Train | Prune | Join, ...]:
    """Teacher, pruning, distillation with a fast decay, and the same student from scratch at three rates."""
    pack = Pack(row_tokens=512, rows=4, tiles=0)
    distil, decay = 80, 30
    scratch = tuple(
        Train(
            f"scratch-{name}",
            None,
            TEXT,
            distil + decay,
            pack,
            Optim(lr=rate, end=0.02),
            shape="student",
            trains=("decoder",),
            minutes=0.9,
        )
        for name, rate in (("low", 5e-4), ("mid", 1e-3), ("high", 2e-3))
    )
    first = Train(
        "teacher", None, TEXT, 210, pack, Optim(lr=1e-3, end=0.3), shape="teacher", trains=("decoder",), minutes=1.8
    )
    learn = Train(
        "distil",
        "prune",
        TEXT,
        distil,
        pack,
        Optim(lr=1e-3, end=0.5),
        trains=("decoder",),
        distil=Distil("teacher", weight=0.5),
        minutes=0.9,
    )
    fast = replace(learn, name="distil-decay", parent="distil", steps=decay, minutes=0.3)
    fast = replace(fast, optim=Optim(lr=5e-4, warmup=0.0, end=0.04))
    tune = Train(
        "text-sft",
        "distil-decay",
        {"math": 0.85, "screen/told": 0.15},
        650,
        pack,
        Optim(lr=1e-3, muon=2.0, end=0.4),
        trains=("decoder",),
        look_weight=0.5,
        minutes=3.0,
    )
    return (first, Prune("prune", "teacher"), learn, fast, *scratch, tune)


def joint() -> tuple[Join | Train, ...]:
    """ViT warm-up on dense text labels, the adapter alone on captions, then everything together."""
    pack = Pack(row_tokens=512, rows=12, tiles=24)
    vision = Train(
        "vision",
        "join",
        {"screen/page": 1.0},
        1600,
        Pack(row_tokens=256, rows=2, tiles=4),
        Optim(lr_vit=1e-3, lr_adapter=1e-3, muon=4.0, end=0.3),
        trains=("vit", "adapter"),
        lm_weight=0.0,
        cell_weight=0.3,
        patch_weight=1.0,
        place_weight=0.3,
        number_weight=0.3,
        checkpoint_every=300,
        minutes=4.5,
    )
    adapter = Train(
        "joint-a",
        "vision",
        {"caption": 0.5, "screen/ocr": 0.5},
        12,
        pack,
        Optim(lr_adapter=1e-3, end=1.0),
        trains=("adapter",),
        minutes=0.4,
    )
    whole = Train(
        "joint-b",
        "joint-a",
        {"prose": 0.05, "math": 0.3, "caption": 0.02, "screen/page": 0.08, "screen/math": 0.08, **_screens(0.6)},
        1200,
        Pack(row_tokens=512, rows=4, tiles=8),
        Optim(lr=7e-4, lr_vit=6e-4, lr_adapter=1e-3, muon=2.0, vit_layer_decay=0.9, end=0.7),
        cell_weight=0.3,
        patch_weight=0.5,
        place_weight=0.3,
        number_weight=0.3,
        look_weight=0.5,
        minutes=10.0,
    )
    return (Join("join", "text-sft"), vision, adapter, whole)


def _screens(share: float) -> dict[str, float]:
    return {kind: share * part for kind, part in SCREENS.items()}


def later() -> tuple[Train | RL, ...]:
    """Reasoning, long context, SFT with both modes, and GRPO.

    One schedule from `joint-b` on: each stage starts where the one before ended. It still warms up for a moment, since
    its optimizer begins without moments. YaRN leaves alone all pairs that turn twice in 512 positions (ours): at its
    default of 32 turns, made for contexts of thousands, heads that look a sentence back lose their place (LOG.md).
    Of `long`'s samples three fifths are documents with a hidden fact, which are nine tenths of its tokens.
    """
    pack = Pack(row_tokens=512, rows=4, tiles=8)
    rates = Optim(lr=7e-4, lr_vit=6e-4, lr_adapter=1e-3, muon=2.0, vit_layer_decay=0.9, start=0.7, end=0.5)
    reason = Train(
        "reason",
        "joint-b",
        {**THOUGHTS, "prose": 0.05, "screen/ground": 0.26, "screen/act": 0.04, "screen/ocr": 0.1},
        200,
        pack,
        rates,
        cell_weight=0.1,
        patch_weight=0.3,
        place_weight=0.1,
        number_weight=0.1,
        look_weight=0.3,
        minutes=2.4,
    )
    long = Train(
        "long",
        "reason",
        {"long": 0.6, "math": 0.3, "screen/ground": 0.1},
        400,
        Pack(row_tokens=4096, rows=1, tiles=8),
        replace(rates, start=0.5, end=0.4),
        yarn=Yarn(8.0, 512, beta_fast=2.0),
        look_weight=0.3,
        minutes=4.5,
    )
    sft = Train(
        "sft",
        "long",
        {**THOUGHTS, **_screens(0.6)},
        800,
        pack,
        replace(rates, start=0.4, end=0.02),
        cell_weight=0.1,
        patch_weight=0.3,
        place_weight=0.1,
        number_weight=0.1,
        look_weight=0.3,
        epochs={"screen/math": 9, "math": 9, "screen": 3},
        # 2.4 s of one core a snapshot and as much for the start: under 3% of the stage's, were none of it idle.
        online=Online(("ground_seen/direct", "math/think"), every=200, samples=24),
        minutes=5.0,
    )
    asked = {"math/arith": 0.05, "math/word": 0.15, "screen/ground": 0.8}
    rise = Optim(lr=1e-4, weight_decay=0.0, warmup=0.1)
    grpo = RL("rl", "sft", asked, 24, prompts=24, group=8, refill=1, optim=rise, minutes=3.5)
    return (reason, long, sft, grpo)


def recipe() -> Recipe:
    """The recipe behind `make demo`."""
    return Recipe(
        "pocket",
        model(),
        teacher(),
        Data(
            vocab=4096,
            token_bytes=4,
            screens=8000,
            difficulty=0.5,
            han=600,
            pages=5000,
            questions=36000,
            fresh=800,
            needles=2000,
        ),
        (*text(), *joint(), *later()),
        Eval(),
        Export(),
    )


def smoke() -> Recipe:
    """The same road in under three minutes: two layers, a handful of steps, a few screens."""
    full = recipe()
    return replace(
        full,
        model=replace(
            full.model,
            vit=replace(full.model.vit, width=48, layers=2, heads=2, mlp=96),
            adapter=Adapter(hidden=64),
            decoder=small(full.model.decoder, 64, 2, 1),
        ),
        teacher=small(full.teacher, 96, 4, 2),
        data=replace(
            full.data,
            vocab=1024,
            prose_mb=0.2,
            packages=False,
            screens=48,
            pages=12,
            held_screens=12,
            questions=300,
            held_questions=30,
            fresh=24,
            captions=8,
            needles=6,
            minutes=0.5,
        ),
        stages=tuple(_short(entry) for entry in full.stages),
        eval=replace(full.eval, samples=8, budgets=(0, 16), max_tokens=48, pictures=4, minutes=0.3),
        dtype="fp32",
    )


def small(decoder: Decoder, width: int, heads: int, kv_heads: int) -> Decoder:
    """A decoder of two layers for the smoke run."""
    return replace(
        decoder, width=width, layers=2, heads=heads, kv_heads=kv_heads, head_dim=32, mlp=2 * width, vocab=1024
    )


def _short(entry: Entry) -> Entry:
    if isinstance(entry, Train):
        pack = replace(entry.pack, rows=min(entry.pack.rows, 2), tiles=min(entry.pack.tiles, 6))
        online = replace(entry.online, every=2, samples=2, wait=120.0)
        return replace(entry, steps=3, pack=pack, online=online, checkpoint_every=2, minutes=0.05)
    if isinstance(entry, RL):
        # What such a model writes is seldom valid UTF-8, which nobody judges.
        how = replace(entry.rewards, failures=1.0)
        short = replace(entry, steps=2, prompts=2, group=2, max_tokens=24, held_out=4, refill=0, rewards=how)
        return replace(short, checkpoint_every=1, minutes=0.1)
    return replace(entry, samples=4, minutes=0.02) if isinstance(entry, Prune) else replace(entry, minutes=0.02)
