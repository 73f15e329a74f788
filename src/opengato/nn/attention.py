"""Attention: one entry, and the masks that say who sees whom.

Letters: B rows, T query slots, S key slots, H heads, G heads of keys and values, R heads that share one, K head
width.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

from opengato.nn.flex import attend_in_blocks

SHORT = 256
"""Queries up to which a gradient is written out, where that is faster (`benchmarks/attention.py`)."""
STEP = 128
"""Queries of a stair."""
Stairs = tuple[Tensor, ...]
"""Masks (B, T', S') of runs of slots that see nothing after themselves, over the keys up to the last of each run."""


def attend(
    q_BHTK: Tensor,
    k_BGSK: Tensor,
    v_BGSK: Tensor,
    mask_BTS: Tensor | Stairs | BlockMask | None = None,
    bias_BHTS: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """Softmax attention, scaled by 1 / sqrt(K) or by `scale`; `mask_BTS` True = sees, None = all.

    `bias_BHTS` is added to the scaled scores; any of its sizes may be 1. What a query that sees nothing gives is
    undefined: callers let each slot see itself. Each of fewer heads of keys serves the queries of H / G heads that
    follow one another; of one head, all [Shazeer 2019, arXiv:1911.02150, sec. 3]. Instead of a mask there may be blocks
    of one (`nn/flex.py`) or stairs (`stairs`), without a bias and with the usual scale.
    """
    if mask_BTS is not None and not isinstance(mask_BTS, Tensor):
        assert bias_BHTS is None
        assert scale is None
        if isinstance(mask_BTS, BlockMask):
            return attend_in_blocks(q_BHTK, k_BGSK, v_BGSK, mask_BTS)
        return attend_in_stairs(q_BHTK, k_BGSK, v_BGSK, mask_BTS)
    heads, keys = q_BHTK.shape[1], k_BGSK.shape[1]
    if keys < heads and q_BHTK.shape[2] == 1 and bias_BHTS is None:
        # Heads take the place of slots: keys and values, all that writing a text reads, are then read once.
        q_BGRK = q_BHTK.reshape(len(q_BHTK), keys, heads // keys, -1)
        return attend(q_BGRK, k_BGSK, v_BGSK, mask_BTS, None, scale).view(q_BHTK.shape)
    k_BHSK, v_BHSK = shared_by(k_BGSK, heads), shared_by(v_BGSK, heads)
    if bias_BHTS is None and _pays_to_write_out(q_BHTK, v_BHSK):
        q_BHTK, k_BHSK, bias_B1TS = q_BHTK.to(v_BHSK.dtype), k_BHSK.to(v_BHSK.dtype), None
        if mask_BTS is not None:
            bias_B1TS = torch.zeros_like(mask_BTS, dtype=v_BHSK.dtype).masked_fill(~mask_BTS, -torch.inf)[:, None]
        return GradientWrittenOut.apply(q_BHTK, k_BHSK, v_BHSK, bias_B1TS, scale)
    mask = None if mask_BTS is None else mask_BTS[:, None]
    if bias_BHTS is not None:
        mask = bias_BHTS if mask is None else torch.where(mask, bias_BHTS, -torch.inf)
    return F.scaled_dot_product_attention(q_BHTK, k_BHSK, v_BHSK, attn_mask=mask, scale=scale)


class GradientWrittenOut(torch.autograd.Function):
    """torch's kernel for CPUs, whose own gradient is slow: in bfloat16, and beside a compiled one in any format.

    `bias_B1TS`, where there is one, is added to the scaled scores, and is no parameter. The weights are made anew for
    the gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, bias_B1TS: Tensor | None, scale: float | None
    ) -> Tensor:
        ctx.save_for_backward(q_BHTK, k_BHSK, v_BHSK, bias_B1TS)
        ctx.scale = q_BHTK.shape[-1] ** -0.5 if scale is None else scale
        return F.scaled_dot_product_attention(q_BHTK, k_BHSK, v_BHSK, attn_mask=bias_B1TS, scale=scale)

    @staticmethod
    def backward(ctx: Any, *upward: Tensor) -> tuple[Tensor | None, ...]:
        q_BHTK, k_BHSK, v_BHSK, bias_B1TS = ctx.saved_tensors
        [up_BHTK] = upward
        scaled_BHTK = q_BHTK * ctx.scale
        score_BHTS = scaled_BHTK @ k_BHSK.mT
        weight_BHTS = torch.softmax(score_BHTS if bias_B1TS is None else score_BHTS + bias_B1TS, -1)
        of_weight_BHTS = up_BHTK @ v_BHSK.mT
        mean_BHT1 = (weight_BHTS * of_weight_BHTS).sum(-1, keepdim=True)
        of_score_BHTS = weight_BHTS * (of_weight_BHTS - mean_BHT1)
        of_query_BHTK, of_key_BHSK = (of_score_BHTS @ k_BHSK) * ctx.scale, of_score_BHTS.mT @ scaled_BHTK
        return of_query_BHTK, of_key_BHSK, weight_BHTS.mT @ up_BHTK, None, None


def _pays_to_write_out(q_BHTK: Tensor, v_BHSK: Tensor) -> bool:
    """Values have the format of products, as queries and keys, once they are rotated, have that of angles."""
    is_slow = torch.compiler.is_compiling() or v_BHSK.dtype == torch.bfloat16
    return is_slow and torch.is_grad_enabled() and v_BHSK.device.type == "cpu" and q_BHTK.shape[2] <= SHORT


def stairs(mask_BTS: Tensor) -> Tensor | Stairs:
    """A mask of slots in their own past, cut so that a kernel for CPUs passes over keys that are still to come.

    A short mask, one by which some slot sees a later one, and one on a GPU stay whole.
    """
    slots = mask_BTS.shape[1]
    if mask_BTS.device.type != "cpu" or slots <= STEP or bool(mask_BTS.triu(1).any()):
        return mask_BTS
    return tuple(mask_BTS[:, start : start + STEP, : start + STEP].contiguous() for start in range(0, slots, STEP))


def attend_in_stairs(q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, masks: Stairs) -> Tensor:
    """Run by run."""
    parts, start = [], 0
    for mask_BTS in masks:
        end = mask_BTS.shape[2]
        parts.append(attend(q_BHTK[:, :, start:end], k_BGSK[:, :, :end], v_BGSK[:, :, :end], mask_BTS))
        start = end
    return torch.cat(parts, 2)


def shared_by(x_BGSK: Tensor, heads: int) -> Tensor:
    """Keys or values with a view of their head for each of `heads`: (B, H, S, K)."""
    rows, keys, slots, width = x_BGSK.shape
    if keys == heads:
        return x_BGSK
    return x_BGSK[:, :, None].expand(rows, keys, heads // keys, slots, width).reshape(rows, heads, slots, width)


def attention_weights(q_BHTK: Tensor, k_BGSK: Tensor, mask_BTS: Tensor) -> Tensor:
    """The weights (B, H, T, S) by which `attend` sums values; for analysis, as they take much memory."""
    k_BHSK = shared_by(k_BGSK, q_BHTK.shape[1])
    score_BHTS = q_BHTK @ k_BHSK.transpose(-1, -2) / q_BHTK.shape[-1] ** 0.5
    return torch.softmax(score_BHTS.masked_fill(~mask_BTS[:, None], -torch.inf), -1)


def visible(query_BT: Tensor, key_BS: Tensor, kept_BS: Tensor, window: int) -> Tensor:
    """Mask (B, T, S) by absolute positions: the past within `window`, and of the keys that are kept, all of it.

    What is kept is the instruction: it stays in sight while the window rolls, as attention sinks do
    [Xiao et al. 2023, arXiv:2309.17453]. A negative key position is an empty place.
    """
    distance_BTS = query_BT[:, :, None] - key_BS[:, None, :]
    near_BTS = (distance_BTS < window) | kept_BS[:, None, :]
    return (key_BS[:, None, :] >= 0) & (distance_BTS >= 0) & near_BTS


def same_document(document_BT: Tensor) -> Tensor:
    """Mask (B, T, T): both slots in one document. Padding (-1) sees padding, so that no row of a softmax is empty."""
    return document_BT[:, :, None] == document_BT[:, None, :]
