"""The smallest recipe that holds together, for tests that need one."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from lapis import chat, config
from lapis.rl_fleet import Fleet

TEXTS = (
    "What does the cheapest one cost? It costs 42.",
    "最便宜的多少钱?42 元。",
    "The sky is blue and the grass is green.",
)


def tiny_tokenizer(tokens_per_tile: int = 4) -> chat.Tokenizer:
    """A byte-level BPE with the template's special tokens first, trained on three sentences."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(chat.SPECIALS), initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(TEXTS, trainer)
    return chat.Tokenizer(raw, tokens_per_tile)


def tiny_recipe() -> config.Recipe:
    """Two training stages, one of RL; sizes that nobody would train."""
    decoder = config.Decoder(width=32, layers=2, heads=2, kv_heads=1, head_dim=16, mlp=64, vocab=512)
    vit = config.ViT(width=32, layers=2, heads=2, mlp=64, tile=56)
    pack = config.Pack(row_tokens=64, rows=2, tiles=4)
    return config.Recipe(
        name="tiny",
        model=config.Model(vit, config.Adapter(hidden=32), decoder),
        teacher=decoder,
        data=config.Data(vocab=512, screens=4, held_screens=2, questions=8, held_questions=4, fresh=4, minutes=1.0),
        stages=(
            config.Train("text", None, {"prose": 1.0}, steps=2, pack=pack, shape="student", minutes=2.0),
            config.Join("join", "text"),
            config.Train("sft", "join", {"prose": 1.0}, steps=2, pack=pack),
            config.RL("rl", "sft", {"math": 1.0}, steps=1, fleet=Fleet("inline")),
        ),
        eval=config.Eval(samples=2),
        export=config.Export(),
    )
