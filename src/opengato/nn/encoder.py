"""Modules of bidirectional transformers with biases: normed before or after, with scales and relative places.

Letters: B rows, T slots, S seen slots, D width, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from opengato.nn.cross_attention import Attention, Widths
from opengato.nn.layers import Activation, FeedForward


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """`heads` over `width` numbers, a feed-forward of `hidden` units; `epsilon` is added to the variance by norms.

    `bias` is that of queries and values, `key_bias` that of keys. With `scale`, what a sub-layer gives is multiplied by
    learned numbers that begin there [Touvron et al. 2021, arXiv:2103.17239, eq. 2]; of those with a norm before alone.
    """

    width: int
    heads: int
    hidden: int
    activation: Activation = "gelu"
    epsilon: float = 1e-6
    bias: bool = True
    key_bias: bool = True
    scale: float | None = None

    def attention(self) -> Attention:
        """Self-attention; its last layer has a bias whatever the others have."""
        widths = Widths(query=self.width, inputs=self.width, qk=self.width, value=self.width, heads=self.heads)
        made = Attention(widths, bias=self.bias, key_bias=self.key_bias)
        made.out = nn.Linear(self.width, self.width)
        return made

    def feed_forward(self) -> FeedForward:
        return FeedForward(self.width, self.hidden, self.activation, bias=True)

    def norm(self) -> nn.LayerNorm:
        return nn.LayerNorm(self.width, eps=self.epsilon)


class NormBefore(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)) [Dosovitskiy et al. 2020, arXiv:2010.11929, eq. 2, 3]."""

    def __init__(self, layer: Layer):
        super().__init__()
        self.norm_attention, self.norm_hidden = layer.norm(), layer.norm()
        self.attention, self.feed_forward = layer.attention(), layer.feed_forward()
        if layer.scale is not None:
            self.scale_attention = nn.Parameter(torch.full((layer.width,), layer.scale))
            self.scale_hidden = nn.Parameter(torch.full((layer.width,), layer.scale))
        else:
            self.scale_attention = self.scale_hidden = None

    def forward(self, x_BTD: Tensor, mask_BTS: Tensor | None = None, bias_BHTS: Tensor | None = None) -> Tensor:
        normed_BTD = self.norm_attention(x_BTD)
        seen_BTD = self.attention(normed_BTD, normed_BTD, mask_BTS, bias_BHTS)
        x_BTD = x_BTD + (seen_BTD if self.scale_attention is None else self.scale_attention * seen_BTD)
        inner_BTD = self.feed_forward(self.norm_hidden(x_BTD))
        return x_BTD + (inner_BTD if self.scale_hidden is None else self.scale_hidden * inner_BTD)


class NormAfter(nn.Module):
    """norm(x + attention(x)), then norm(x + feed-forward(x)) [Vaswani et al. 2017, arXiv:1706.03762, sec. 3.1]."""

    def __init__(self, layer: Layer):
        super().__init__()
        self.norm_attention, self.norm_hidden = layer.norm(), layer.norm()
        self.attention, self.feed_forward = layer.attention(), layer.feed_forward()

    def forward(self, x_BTD: Tensor, mask_BTS: Tensor | None = None) -> Tensor:
        x_BTD = self.norm_attention(x_BTD + self.attention(x_BTD, x_BTD, mask_BTS))
        return self.norm_hidden(x_BTD + self.feed_forward(x_BTD))


class RelativePlaces(nn.Module):
    """What is added to scores for the way from one patch of a grid to another, and from, to and of a class token.

    [Bao et al. 2021, arXiv:2106.08254, sec. 2.5].
    """

    def __init__(self, grid: tuple[int, int], heads: int):
        super().__init__()
        rows, columns = 2 * grid[0] - 1, 2 * grid[1] - 1
        self.table = nn.Parameter(torch.zeros(rows * columns + 3, heads))
        self.register_buffer("way", self._ways(grid, rows * columns), persistent=False)

    @staticmethod
    def _ways(grid: tuple[int, int], patches: int) -> Tensor:
        """Row of the table for each pair of slots, the class token first."""
        row, column = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
        down = row.flatten()[:, None] - row.flatten() + grid[0] - 1
        right = column.flatten()[:, None] - column.flatten() + grid[1] - 1
        way = torch.full((1 + down.shape[0],) * 2, patches)
        way[1:, 1:] = down * (2 * grid[1] - 1) + right
        way[1:, 0], way[0, 0] = patches + 1, patches + 2
        return way

    def forward(self) -> Tensor:
        """Biases (1, H, T, T) of scores."""
        return self.table[self.get_buffer("way")].permute(2, 0, 1)[None]
