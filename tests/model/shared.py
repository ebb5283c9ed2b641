"""Small shapes and batches that the model's tests share."""

from __future__ import annotations

import torch

from lapis import config, types

DECODER = config.Decoder(width=64, layers=2, heads=4, kv_heads=2, head_dim=16, mlp=96, vocab=420)
VIT = config.ViT(width=32, layers=2, heads=2, mlp=64, tile=56)
MODEL = config.Model(VIT, config.Adapter(hidden=40), DECODER)


def batch_of(
    tokens_BT: torch.Tensor,
    tiles_NSS3: torch.Tensor | None = None,
    documents_BT: torch.Tensor | None = None,
    positions_BT: torch.Tensor | None = None,
) -> types.Batch:
    """A batch with one document a row unless told otherwise; targets and labels are not used here."""
    rows, length = tokens_BT.shape
    zeros = torch.zeros(rows, length, dtype=torch.int32)
    tiles = torch.zeros(0, VIT.tile, VIT.tile, 3, dtype=torch.uint8) if tiles_NSS3 is None else tiles_NSS3
    return types.Batch(
        tokens_BT=tokens_BT,
        targets_BT=tokens_BT,
        weights_BT=zeros.float(),
        documents_BT=zeros if documents_BT is None else documents_BT,
        positions_BT=torch.arange(length).expand(rows, length) if positions_BT is None else positions_BT,
        kinds_BT=zeros.to(torch.int16),
        kinds=("prose",),
        tiles_NSS3=tiles,
        cells_VK=torch.zeros(len(tiles) * MODEL.tokens_per_tile, 0, dtype=torch.int64),
        looks_L5=torch.zeros(0, 5, dtype=torch.int64),
    )


def random_tiles(count: int, side: int = VIT.tile, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=generator)


def random_tokens(rows: int, length: int, vocab: int = DECODER.vocab, seed: int = 0) -> torch.Tensor:
    """Plain tokens, none of the special ones."""
    return torch.randint(20, vocab, (rows, length), generator=torch.Generator().manual_seed(seed))
