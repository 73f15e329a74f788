"""How unlikely the right one of many ids is, without an array in float32 as large as all scores.

Letters: N rows, V ids.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PIECE = 2**18
"""Scores that are looked at together: in float32 they stay in the cache of a core."""


def negative_log_likelihood(score_NV: Tensor, ids_N: Tensor) -> Tensor:
    """Cross-entropy (nats) of each id, in float32 at least: (N,)."""
    if score_NV.device.type != "cpu" or score_NV.numel() <= PIECE:
        return F.cross_entropy(score_NV.to(_exact(score_NV)), ids_N, reduction="none")
    return InPieces.apply(score_NV, ids_N)


class InPieces(torch.autograd.Function):
    """The same, rows after rows; of all of them it keeps the scores alone, in their own format."""

    @staticmethod
    def forward(ctx: Any, score_NV: Tensor, ids_N: Tensor) -> Tensor:
        ctx.save_for_backward(score_NV, ids_N)
        pieces = score_NV.split(_rows(score_NV))
        log_sum_N = torch.cat([piece_NV.to(_exact(score_NV)).logsumexp(-1) for piece_NV in pieces])
        return log_sum_N - score_NV.gather(1, ids_N[:, None])[:, 0]

    @staticmethod
    def backward(ctx: Any, *upward: Tensor) -> tuple[Tensor | None, ...]:
        score_NV, ids_N = ctx.saved_tensors
        [up_N] = upward
        if torch.is_grad_enabled():  # somebody asks for the derivative of this
            right_NV = F.one_hot(ids_N, score_NV.shape[1])
            slope_NV = (torch.softmax(score_NV, -1, dtype=up_N.dtype) - right_NV) * up_N[:, None]
            return slope_NV.to(score_NV.dtype), None
        slope_NV, rows = torch.empty_like(score_NV), _rows(score_NV)
        for start in range(0, len(ids_N), rows):
            piece = slice(start, start + rows)
            piece_NV = torch.softmax(score_NV[piece], -1, dtype=up_N.dtype)
            piece_NV[torch.arange(len(piece_NV)), ids_N[piece]] -= 1
            slope_NV[piece] = piece_NV.mul_(up_N[piece, None])
        return slope_NV, None


def _exact(score_NV: Tensor) -> torch.dtype:
    """What sums are made in."""
    return torch.promote_types(score_NV.dtype, torch.float32)


def _rows(score_NV: Tensor) -> int:
    """Of a piece."""
    return max(1, PIECE // score_NV.shape[1])
