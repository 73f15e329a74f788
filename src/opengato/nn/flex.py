"""Attention by blocks for a GPU: which blocks of slots hold anything to see is told beforehand, the rest is left out.

A kernel of FlexAttention [Dong et al. 2024, arXiv:2412.05496] visits those blocks alone, and asks slot by slot only in
blocks of which a part is seen, so that no mask (B, T, S) is made or read. It computes what attention with that mask
does.

Letters: B rows, T query slots, S key slots, U blocks of queries, W blocks of keys, L slots of a block, H heads, G heads
of keys and values, K head width.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

BLOCK = 128
"""Slots of a block: a row must be made of whole ones."""
LONGEST = 2**31
"""Positions of a document, at most."""


class Blockwise(nn.Module):
    """A trunk whose sight may be blocks. Whoever trains it says with `in_blocks` whether it is, in training mode.

    `head_shape` are heads, heads of keys and head width, or None where it needs a mask after all.
    """

    in_blocks = False
    head_shape: tuple[int, int, int] | None = None


def blocks_seen(document_BT: Tensor, position_BT: Tensor, kept_BT: Tensor, window: int) -> BlockMask:
    """The sight of slots in the past of their document within `window`, and in what is kept of it, as blocks.

    Slot by slot it is `same_document` and `visible`, and each slot sees itself. Documents are numbered as they come.
    """
    slots = document_BT.shape[1]
    assert slots % BLOCK == 0, f"rows of {slots} slots are not made of whole blocks of {BLOCK}"
    # Documents one after the other on one line, padding last: a slot is in sight from its own place up to `until`.
    start_BT = torch.where(document_BT < 0, slots, document_BT).long() * LONGEST
    place_BT = start_BT + position_BT
    until_BT = torch.where(kept_BT, start_BT + (LONGEST - 1), place_BT + (min(window, LONGEST) - 1))
    until_BT = torch.minimum(until_BT, start_BT + (LONGEST - 1))

    def sees(b: Tensor, _: Tensor, query: Tensor, key: Tensor) -> Tensor:
        here = place_BT[b, query]
        return ((place_BT[b, key] <= here) & (here <= until_BT[b, key])) | (query == key)

    some_BUW, all_BUW = _reached(place_BT, until_BT)
    return BlockMask.from_kv_blocks(*_listed(some_BUW & ~all_BUW), *_listed(all_BUW), BLOCK_SIZE=BLOCK, mask_mod=sees)


def documents_seen(document_BT: Tensor) -> BlockMask:
    """The sight of slots in all of their document, as blocks."""
    alike_BT = torch.zeros_like(document_BT)
    return blocks_seen(document_BT, alike_BT, alike_BT == 0, window=1)


def _reached(place_BT: Tensor, until_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Of which blocks (B, U, W) some slots may be seen by some, and of which all are by all.

    By the ends of a block: the first may be too many, where the kernel then finds nothing to see.
    """
    place_BUL, until_BWL = place_BT.unflatten(1, (-1, BLOCK)), until_BT.unflatten(1, (-1, BLOCK))
    (low_BU, high_BU), (least_BW, most_BW) = (x.aminmax(dim=-1) for x in (place_BUL, until_BWL))
    low_BU1, high_BU1, low_B1W, high_B1W = low_BU[..., None], high_BU[..., None], low_BU[:, None], high_BU[:, None]
    some_BUW = (low_B1W <= high_BU1) & (low_BU1 <= most_BW[:, None])
    all_BUW = (high_B1W <= low_BU1) & (high_BU1 <= least_BW[:, None])
    itself_UW = torch.eye(low_BU.shape[1], dtype=torch.bool, device=place_BT.device)
    return some_BUW | itself_UW, all_BUW


def _listed(chosen_BUW: Tensor) -> tuple[Tensor, Tensor]:
    """How many blocks of keys each block of queries has, (B, 1, U), and their numbers, those first (B, 1, U, W)."""
    number_BUW = chosen_BUW.int().argsort(dim=-1, descending=True, stable=True)
    return chosen_BUW.sum(-1, dtype=torch.int32)[:, None], number_BUW.int()[:, None]


@functools.cache
def _fused() -> Callable[..., Tensor]:
    """The kernel by itself; torch loads its compiler when it is first asked to compile."""
    return torch.compile(flex_attention, dynamic=False)  # ty: ignore[invalid-explicit-return]


def attend_in_blocks(q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, blocks: BlockMask) -> Tensor:
    """Softmax attention within what blocks say, in the number format of the values.

    On a CPU it is written out, and has no gradient: it is there to be tested.
    """
    is_alone = q_BHTK.is_cuda and not torch.compiler.is_compiling()
    kernel: Callable[..., Tensor] = _fused() if is_alone else flex_attention
    dtype = v_BGSK.dtype  # under autocast that of a product, while rotated queries and keys are float32
    is_grouped = k_BGSK.shape[1] < q_BHTK.shape[1]
    return kernel(q_BHTK.to(dtype), k_BGSK.to(dtype), v_BGSK, block_mask=blocks, enable_gqa=is_grouped)
