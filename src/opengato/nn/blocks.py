"""The block of a transformer: who sees whom is its caller's business.

Letters: B rows, T slots, S key slots, D width, H heads, K head width.
"""

from __future__ import annotations

import math
from typing import Protocol

from einops import rearrange
from torch import Tensor, nn

from opengato.nn.attention import attend
from opengato.nn.layers import Activation, DropPath, FeedForward, GatedFeedForward
from opengato.nn.positions import rotate


class BlockConfig(Protocol):
    """What a block asks of a config: `depth` is how many of them add to one residual stream."""

    @property
    def width(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def hidden(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def activation(self) -> Activation: ...
    @property
    def gated(self) -> bool: ...
    @property
    def norm_bias(self) -> bool: ...
    @property
    def drop_path(self) -> float: ...


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x))."""

    def __init__(self, config: BlockConfig, *, bias: bool = False):
        """With `bias` the linear layers have one."""
        super().__init__()
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(config.width, bias=config.norm_bias)
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=bias)
        self.out = nn.Linear(config.width, config.width, bias=bias)
        self.norm_hidden = nn.LayerNorm(config.width, bias=config.norm_bias)
        feed_forward = GatedFeedForward if config.gated else FeedForward
        self.feed_forward = feed_forward(config.width, config.hidden, config.activation, bias=bias)
        self.drop_path = DropPath(config.drop_path)
        scale = 0.02 / math.sqrt(2 * config.depth)
        for weight, std in ((self.qkv, 0.04), (self.out, scale), (self.feed_forward.out, scale)):
            nn.init.normal_(weight.weight, std=std)

    def forward(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], mask_BTS: Tensor) -> Tensor:
        """The residual stream after this block, where nothing is cached."""
        q, k, v = self.project(x_BTD, angles)
        return self.finish(x_BTD, attend(q, k, v, mask_BTS))

    def project(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys (both rotated) and values, each (B, H, T, K)."""
        qkv = self.qkv(self.norm_attention(x_BTD))
        q, k, v = rearrange(qkv, "b t (three h k) -> three b h t k", three=3, h=self.heads)
        return rotate(q, angles), rotate(k, angles), v

    def finish(self, x_BTD: Tensor, attended_BHTK: Tensor) -> Tensor:
        """The residual stream after attention and feed-forward."""
        return self.branches(x_BTD, attended_BHTK)[-1]

    def branches(self, x_BTD: Tensor, attended_BHTK: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What attention adds, what the feed-forward adds, and the residual stream after both."""
        attention_BTD = self.drop_path(self.out(rearrange(attended_BHTK, "b h t k -> b t (h k)")))
        x_BTD = x_BTD + attention_BTD
        hidden_BTD = self.drop_path(self.feed_forward(self.norm_hidden(x_BTD)))
        return attention_BTD, hidden_BTD, x_BTD + hidden_BTD
