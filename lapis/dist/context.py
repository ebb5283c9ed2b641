"""Context parallelism from outside the model: a row's tokens over several processes, and its tiles over them too.

Every rank of a row holds all of its token numbers, which are small, and takes two slices of tokens, one from the
front and the mirrored one from the back, so that causal attention costs each the same. Tiles are dealt out whole,
encoded and projected where they lie, and gathered as image tokens before the sequence is split (vision data
parallelism). Keys and values are gathered, or heads are exchanged for tokens. A batch without tiles takes the
same path.

Shape legend: B rows, T tokens of a row, t tokens of this rank, H query heads, G key-value heads, D head dimension,
V image tokens, W width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import Protocol

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from lapis.dist.exchange import Group, gather_lines, gather_tokens, heads_for_tokens, tokens_for_heads
from lapis.dist.mesh import Mesh
from lapis.model.attention import Documents, Layout, layout
from lapis.model.decoder import Decoder, Tap
from lapis.model.flex import Flex
from lapis.model.vlm import Lapis, text_of
from lapis.types import Batch


class Context(Protocol):
    """How a process shares the rows of a micro-batch with others."""

    def local(self, batch: Batch) -> Batch:
        """This process's tokens and tiles of it; what the model is called with next."""
        ...

    def whole(self, passed: tuple[Tap, ...]) -> tuple[Tap, ...]:
        """Taps of all tokens of the rows."""
        ...

    def looks(self, batch: Batch) -> Batch:
        """The whole batch with the looks that this process answers for."""
        ...


class Alone:
    """All of a row is here."""

    def local(self, batch: Batch) -> Batch:
        return batch

    def whole(self, passed: tuple[Tap, ...]) -> tuple[Tap, ...]:
        return passed

    def looks(self, batch: Batch) -> Batch:
        return batch


def slices(length: int, ranks: int) -> list[list[slice]]:
    """The two slices of a row that each rank takes."""
    part = length // (2 * ranks)
    return [[slice(at * part, (at + 1) * part) for at in (rank, 2 * ranks - 1 - rank)] for rank in range(ranks)]


def places(length: int, ranks: int) -> Tensor:
    """Places in the row of the ranks' tokens, put behind each other; int64 [T]."""
    row_T = torch.arange(length)
    return torch.cat([row_T[one] for pair in slices(length, ranks) for one in pair])


def deal(tiles: int, ranks: int) -> list[int]:
    """How many tiles each rank encodes; all cost the same."""
    return [tiles * (rank + 1) // ranks - tiles * rank // ranks for rank in range(ranks)]


class Spread:
    """Rows spread over the ranks of a mesh: what stands behind a model's two seams. Knows the present micro-batch."""

    def __init__(self, mesh: Mesh, image_token: int = -1):
        assert mesh.context is not None and mesh.row is not None
        self.mesh, self.group, self.tile_group = mesh, mesh.context, mesh.row
        self.image_token = image_token
        self.batch: Batch | None = None

    def attach(self, module: Lapis | Decoder) -> None:
        """Have a model see its documents and its image tokens through this."""
        if isinstance(module, Lapis):
            module.deliver = self._deliver
        decoder = text_of(module)
        decoder.arrange = self._arrange

    def local(self, batch: Batch) -> Batch:
        self.batch = batch
        shape = self.mesh.shape
        self.places_T = places(batch.tokens_BT.shape[1], shape.cp).to(batch.tokens_BT.device)
        self.order_T = self.places_T.argsort()
        self.own_T = self.places_T.chunk(shape.cp)[self.mesh.context_rank]
        rows = {field.name: getattr(batch, field.name)[:, self.own_T] for field in fields(batch) if "_BT" in field.name}
        return replace(self._own_tiles(self.looks(batch)), **rows)

    def _own_tiles(self, batch: Batch) -> Batch:
        self.sizes = deal(len(batch.tiles_NSS3), self.mesh.shape.cp * self.mesh.shape.tp)
        rank = dist.get_rank(self.tile_group)
        tokens = len(batch.cells_VK) // max(len(batch.tiles_NSS3), 1)
        first, last = sum(self.sizes[:rank]), sum(self.sizes[: rank + 1])
        cells_VK = batch.cells_VK[first * tokens : last * tokens]
        return replace(batch, tiles_NSS3=batch.tiles_NSS3[first:last], cells_VK=cells_VK)

    def looks(self, batch: Batch) -> Batch:
        turn_L = batch.looks_L5[:, 0] * batch.tokens_BT.shape[1] + batch.looks_L5[:, 1]
        own_L = turn_L % self.mesh.shape.cp == self.mesh.context_rank
        return replace(batch, looks_L5=batch.looks_L5[own_L])

    def whole(self, passed: tuple[Tap, ...]) -> tuple[Tap, ...]:
        gather = partial(gather_tokens, order_T=self.order_T, group=self.group)
        return tuple(
            Tap(gather(tap.x_BTD), tap.heads and (gather(tap.heads[0]), gather(tap.heads[1]))) for tap in passed
        )

    def _arrange(self, documents_Bt: Tensor) -> Documents:
        assert self.batch is not None
        kind = Exchanged if self.mesh.shape.context == "ulysses" else Gathered
        return kind(self.batch.documents_BT, self.places_T, self.order_T, self.own_T, self.group)

    def _deliver(self, tokens_Bt: Tensor, features_VW: Tensor) -> Tensor:
        """Features of this rank's image tokens, from all ranks' tiles."""
        assert self.batch is not None
        tokens = len(self.batch.cells_VK) // max(len(self.batch.tiles_NSS3), 1)
        share = 1 / self.mesh.shape.tp  # tensor ranks bring the same gradient each
        all_VW = gather_lines(features_VW, [size * tokens for size in self.sizes], self.tile_group, share)
        here_BT = self.batch.tokens_BT == self.image_token
        number_BT = (here_BT.flatten().cumsum(0) - 1).view_as(here_BT)
        return all_VW[number_BT[:, self.own_T][here_BT[:, self.own_T]]]


@dataclass(frozen=True)
class Gathered:
    """Attention of this rank's queries to the gathered keys and values of the whole row."""

    documents_BT: Tensor
    places_T: Tensor
    order_T: Tensor
    own_T: Tensor
    group: Group

    def attend(self, q_BtHD: Tensor, k_BtGD: Tensor, v_BtGD: Tensor) -> Tensor:
        both_BtGD = torch.cat((k_BtGD, v_BtGD), -1)
        k_BTGD, v_BTGD = gather_tokens(both_BtGD, self.order_T, self.group).chunk(2, -1)
        if q_BtHD.is_cuda:
            return self.flex.attend(q_BtHD, k_BTGD, v_BTGD, self.documents_BT[:, self.own_T] < 0)
        rows = [self._row(row, q_BtHD[row], k_BTGD[row], v_BTGD[row]) for row in range(len(q_BtHD))]
        return torch.stack(rows)

    def _row(self, row: int, q_tHD: Tensor, k_TGD: Tensor, v_TGD: Tensor) -> Tensor:
        """One call per piece of a document among this rank's tokens; `cat` keeps the backward one pass."""
        found = []
        for first, count, start, document in self._pieces(row):
            piece_LHD = q_tHD[first : first + count]
            if document < 0:
                found.append(_nothing(piece_LHD, k_TGD, v_TGD))
                continue
            end = int(self.own_T[first]) + count
            found.append(_behind(piece_LHD, k_TGD[start:end], v_TGD[start:end]))
        return torch.cat(found)

    def _pieces(self, row: int) -> Iterator[tuple[int, int, int, int]]:
        """(first own token, how many, where its document begins in the row, document) of each piece."""
        plan = layout(self.documents_BT[row : row + 1])
        half, at = len(self.own_T) // 2, 0
        bounds = [(int(self.own_T[0]), 0), (int(self.own_T[half]), half)]
        for first, offset in bounds:
            at = 0
            for length, document in zip(plan.lengths, plan.documents, strict=True):
                low, high = max(at, first), min(at + length, first + half)
                if low < high:
                    yield low - first + offset, high - low, at, document
                at += length

    def _visible(self, b: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        place = self.own_T[query]
        return (self.documents_BT[b, place] == self.documents_BT[b, key]) & (place >= key)

    @cached_property
    def flex(self) -> Flex:
        """The same attention as one call with a mask."""
        rows, length = self.documents_BT.shape
        return Flex(self._visible, rows, len(self.own_T), length, self.documents_BT.device)


def _nothing(q_LHD: Tensor, k_TGD: Tensor, v_TGD: Tensor) -> Tensor:
    """Zeros of padding, which still ask for every gradient: a rank with nothing but padding must run the backward of
    its gathered keys, since the others wait for it."""
    return q_LHD * 0 + (k_TGD.sum() + v_TGD.sum()) * 0


def _behind(q_LHD: Tensor, k_MGD: Tensor, v_MGD: Tensor) -> Tensor:
    """Causal attention of the last L of M tokens to all of them, [L, H, D]."""
    count, keys = len(q_LHD), len(k_MGD)
    seen_LM = torch.ones(count, keys, dtype=torch.bool, device=q_LHD.device).tril(keys - count)
    q, k, v = (x.transpose(0, 1)[None] for x in (q_LHD, k_MGD, v_MGD))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen_LM, enable_gqa=True)[0].transpose(0, 1)


@dataclass(frozen=True)
class Exchanged(Gathered):
    """Attention of all tokens, with this rank's share of the heads."""

    def attend(self, q_BtHD: Tensor, k_BtGD: Tensor, v_BtGD: Tensor) -> Tensor:
        parts = (heads_for_tokens(x, self.order_T, self.group) for x in (q_BtHD, k_BtGD, v_BtGD))
        return tokens_for_heads(self.whole.attend(*parts), self.places_T, self.group)

    @cached_property
    def whole(self) -> Layout:
        """Where documents lie in the whole rows."""
        return layout(self.documents_BT)
