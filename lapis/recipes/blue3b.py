"""The 3B recipe: BlueLM-2.5-3B's published sizes, and ours where it published none.

Decoder and teacher shapes are ours: the original gives only totals (2.9B in all, a 7B teacher).
"""

from __future__ import annotations

from lapis import config


def model() -> config.Model:
    """SigLIP2 so400m-patch14 at 392 px tiles, a 2x2 adapter and a 2.5B Qwen3-style decoder: 2.91B parameters."""
    vit = config.ViT(width=1152, layers=27, heads=16, mlp=4304, patch=14, tile=392)
    decoder = config.Decoder(
        width=2560,
        layers=32,
        heads=20,
        kv_heads=5,
        head_dim=128,
        mlp=6912,
        vocab=100352,
        max_positions=4096,
    )
    return config.Model(vit, config.Adapter(hidden=2560), decoder, config.AnyRes(4, 4, 0.1, "always"))


def teacher() -> config.Decoder:
    """The 7B text teacher: the student's shape, wider, so that pruning takes whole groups and channels (6.99B)."""
    return config.Decoder(
        width=4096,
        layers=32,
        heads=32,
        kv_heads=8,
        head_dim=128,
        mlp=13312,
        vocab=100352,
        max_positions=4096,
    )


def recipe() -> config.Recipe:
    """The stages of BlueLM-2.5-3B at its published token counts: text 6T + 3.3T, joint 4T, reason 2.5T, long 1.3T.

    Batches of 64M tokens (16,384 rows of 4,096) are the original's; steps follow from tokens. Learning rates are its
    predecessor's (1e-3 for the adapter, 1e-4 for the rest), rates of the text stages are ours. So is the mesh: a row's
    tokens over four GPUs of 80 GB (`lapis plan blue3b --gpus 1024` tells the memory).
    """
    return config.Recipe(
        "blue3b",
        model(),
        teacher(),
        config.Data(vocab=100352, prose_mb=1e6, screens=10_000_000, questions=100_000_000, minutes=1e5),
        (*_text(), *_joint(), *_post()),
        config.Eval(samples=2000, budgets=(0, 1024, 2048, 4096, 8192, 16384), max_tokens=32768),
        config.Export(),
        dist=config.Dist(nproc=8, cp=4),
    )


BATCH_TOKENS = 16384 * 4096
TOWER = "google/siglip2-so400m-patch14-384"
"""Its positions are resized to tiles of 392 px."""


def _steps(tokens: float) -> int:
    """Steps of 64M tokens (2**26)."""
    return round(tokens / BATCH_TOKENS)


def _optim(rate: float, start: float, end: float, warmup: float = 0.0) -> config.Optim:
    return config.Optim(
        lr=rate,
        lr_vit=rate,
        lr_adapter=rate,
        vit_layer_decay=0.9,
        eps=1e-6,
        warmup=warmup,
        start=start,
        end=end,
    )


def _text() -> tuple[config.Train | config.Prune, ...]:
    pack = config.Pack(row_tokens=4096, rows=16384, tiles=0)
    text = {"prose": 0.9, "math": 0.1}
    first = config.Train(
        "teacher", None, text, _steps(6e12), pack, _optim(3e-4, 1.0, 0.3, 0.001), shape="teacher", trains=("decoder",)
    )
    learn = config.Train(
        "distil",
        "prune",
        text,
        _steps(3e12),
        pack,
        _optim(2e-4, 1.0, 0.5, 0.001),
        trains=("decoder",),
        distil=config.Distil("teacher"),
    )
    decay = config.Train(
        "distil-decay",
        "distil",
        text,
        _steps(3e11),
        pack,
        _optim(2e-4, 0.5, 0.02),
        trains=("decoder",),
        distil=config.Distil("teacher"),
    )
    tune = config.Train(
        "text-sft", "distil-decay", {"math": 1.0}, 200, pack, _optim(2e-5, 1.0, 0.1), trains=("decoder",)
    )
    return (first, config.Prune("prune", "teacher", samples=1024, row_tokens=4096), learn, decay, tune)


def _joint() -> tuple[config.Join | config.Train, ...]:
    """Joint-b, reason and long share one schedule planned over their tokens together."""
    pack = config.Pack(row_tokens=4096, rows=16384, tiles=200_000)
    pairs = {"caption": 0.4, "screen": 0.6}
    adapter = config.Train("joint-a", "join", pairs, 40, pack, _optim(1e-3, 1.0, 1.0, 0.1), trains=("adapter",))
    mixed = {"prose": 0.35, "math": 0.05, **{kind: 0.6 * share for kind, share in pairs.items()}}
    whole = config.Train("joint-b", "joint-a", mixed, _steps(4e12), pack, _optim(1e-4, 1.0, 0.6, 0.001))
    thoughts = {"math": 0.6, "screen/math": 0.2, "prose": 0.2}
    reason = config.Train("reason", "joint-b", thoughts, _steps(2.5e12), pack, _optim(1e-4, 0.6, 0.25))
    long = config.Train(
        "long",
        "reason",
        {"long": 0.8, "math": 0.1, "screen": 0.1},
        _steps(1.3e12),
        config.Pack(row_tokens=32768, rows=2048, tiles=200_000),
        _optim(1e-4, 0.25, 0.02),
        yarn=config.Yarn(8.0, 4096),
    )
    return (config.Join("join", "text-sft", TOWER), adapter, whole, reason, long)


def _post() -> tuple[config.Train | config.RL, ...]:
    tune = config.Train(
        "sft",
        "long",
        {"math": 0.6, "screen": 0.4},
        2000,
        config.Pack(row_tokens=32768, rows=128, tiles=12_500),
        _optim(2e-5, 1.0, 0.1, 0.03),
        epochs={"math": 9, "screen": 3},
    )
    grpo = config.RL(
        "rl",
        "sft",
        {"math": 0.7, "screen": 0.3},
        500,
        prompts=256,
        group=16,
        max_tokens=16384,
        row_tokens=32768,
        optim=config.Optim(lr=1e-6, weight_decay=0.0),
    )
    return (tune, grpo)
