"""Attention: one entry, and the masks that say who sees whom.

Letters: B rows, T query slots, S key slots, H heads, G heads of keys and values, R heads that share one, K head
width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

from opengato.nn.flex import attend_in_blocks

SHORT = 256
"""Keys up to which attention is written out where that is faster (`benchmarks/attention.py`)."""


def attend(
    q_BHTK: Tensor,
    k_BGSK: Tensor,
    v_BGSK: Tensor,
    mask_BTS: Tensor | BlockMask | None = None,
    bias_BHTS: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """Softmax attention, scaled by 1 / sqrt(K) or by `scale`; `mask_BTS` True = sees, None = all.

    `bias_BHTS` is added to the scaled scores; any of its sizes may be 1. What a query that sees nothing gives is
    undefined: callers let each slot see itself. Each of fewer heads of keys serves the queries of H / G heads that
    follow one another; of one head, all [Shazeer 2019, arXiv:1911.02150, sec. 3]. Instead of a mask there may be blocks
    of one (`nn/flex.py`), without a bias and with the usual scale.
    """
    if isinstance(mask_BTS, BlockMask):
        assert bias_BHTS is None
        assert scale is None
        return attend_in_blocks(q_BHTK, k_BGSK, v_BGSK, mask_BTS)
    heads, keys = q_BHTK.shape[1], k_BGSK.shape[1]
    if keys < heads and q_BHTK.shape[2] == 1 and bias_BHTS is None:
        # Heads take the place of slots: keys and values, all that writing a text reads, are then read once.
        q_BGRK = q_BHTK.reshape(len(q_BHTK), keys, heads // keys, -1)
        return attend(q_BGRK, k_BGSK, v_BGSK, mask_BTS, None, scale).view(q_BHTK.shape)
    k_BHSK, v_BHSK = shared_by(k_BGSK, heads), shared_by(v_BGSK, heads)
    is_plain = mask_BTS is not None and bias_BHTS is None and scale is None
    is_short = k_BHSK.shape[2] <= SHORT and q_BHTK.dtype == torch.bfloat16 and q_BHTK.device.type == "cpu"
    if is_plain and is_short and torch.compiler.is_compiling():
        return plain_attention(q_BHTK, k_BHSK, v_BHSK, mask_BTS)
    mask = None if mask_BTS is None else mask_BTS[:, None]
    if bias_BHTS is not None:
        mask = bias_BHTS if mask is None else torch.where(mask, bias_BHTS, -torch.inf)
    return F.scaled_dot_product_attention(q_BHTK, k_BHSK, v_BHSK, attn_mask=mask, scale=scale)


def shared_by(x_BGSK: Tensor, heads: int) -> Tensor:
    """Keys or values with a view of their head for each of `heads`: (B, H, S, K)."""
    rows, keys, slots, width = x_BGSK.shape
    if keys == heads:
        return x_BGSK
    return x_BGSK[:, :, None].expand(rows, keys, heads // keys, slots, width).reshape(rows, heads, slots, width)


def plain_attention(q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, mask_BTS: Tensor) -> Tensor:
    """The same, written out. torch's kernel for CPUs is slow for short rows of bfloat16, in its gradient above all."""
    nothing = torch.zeros(mask_BTS.shape, dtype=q_BHTK.dtype, device=q_BHTK.device)
    bias_B1TS = nothing.masked_fill(~mask_BTS, -torch.inf)[:, None]
    score_BHTS = (q_BHTK * q_BHTK.shape[-1] ** -0.5) @ k_BHSK.transpose(-1, -2)
    return torch.softmax(score_BHTS + bias_B1TS, -1) @ v_BHSK


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
