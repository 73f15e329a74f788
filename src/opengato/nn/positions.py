"""Rotary positions. Letters: B rows, T slots, H heads, K head width.

[Su et al. 2021, arXiv:2104.09864, eq. 34], halves rotated rather than neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rotary_angles(position_BT: Tensor, head_width: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines (B, 1, T, K/2) of each position, to be shared by all layers."""
    frequency = base ** -(torch.arange(0, head_width, 2, device=position_BT.device) / head_width)
    angle = position_BT[:, None, :, None] * frequency
    return angle.cos(), angle.sin()


def rotate(x_BHTK: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Each pair (x_i, x_{i + K/2}) turned by its angle: scores then depend on position differences alone."""
    cos, sin = angles
    first, second = x_BHTK.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
