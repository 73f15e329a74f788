"""Blocks of a transformer: who sees whom is their caller's business.

Letters: B rows, T slots, S key slots, D width, H heads, G heads of keys and values, K head width, F hidden units.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import torch
from einops import rearrange
from torch import Tensor, nn

from opengato.nn.attention import attend
from opengato.nn.layers import ACTIVATIONS, Activation, DropPath, FeedForward, GatedFeedForward
from opengato.nn.positions import rotate

Look = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From queries (B, H, T, K), keys and values (B, G, T, K) of new slots to what each of them reads, (B, H, T, K)."""


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


class FewKeysConfig(Protocol):
    """What blocks with fewer heads of keys than of queries ask of a config; heads may be of any width."""

    @property
    def width(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def key_heads(self) -> int: ...
    @property
    def head_width(self) -> int: ...
    @property
    def hidden(self) -> int: ...
    @property
    def drop_path(self) -> float: ...


class StreamBlock(nn.Module, ABC):
    """From the residual stream to the residual stream, with attention in between."""

    @abstractmethod
    def through(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], look: Look) -> Tensor:
        """The stream after this block, in which `look` is asked once for each attention."""

    def forward(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], sight: Tensor) -> Tensor:
        """The same where nothing is cached; the sight is a mask (B, T, S), unless a block knows more of it."""
        return self.through(x_BTD, angles, lambda q, k, v: attend(q, k, v, sight))


class Block(StreamBlock):
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

    def through(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], look: Look) -> Tensor:
        return self.finish(x_BTD, look(*self.project(x_BTD, angles)))

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


class ParallelBlock(StreamBlock):
    """x + attention(norm(x)) + feed-forward(norm(x)): both read one norm, so they share two products, in and out.

    [Chowdhery et al. 2022, arXiv:2204.02311, sec. 2]. The feed-forward is SwiGLU, no layer and no norm has a bias, and
    weights are drawn with the deviation 1 / sqrt(inputs).
    """

    def __init__(self, config: FewKeysConfig):
        super().__init__()
        self.heads, self.key_heads, self.head_width = config.heads, config.key_heads, config.head_width
        queries, keys = config.heads * config.head_width, config.key_heads * config.head_width
        self.parts = queries, keys, keys, 2 * config.hidden
        self.norm = nn.LayerNorm(config.width, bias=False)
        self.inward = nn.Linear(config.width, sum(self.parts), bias=False)
        self.outward = nn.Linear(queries + config.hidden, config.width, bias=False)
        self.activation = ACTIVATIONS["silu"]
        self.drop_path = DropPath(config.drop_path)
        for weight in (self.inward.weight, *self.outward.weight.detach().split((queries, config.hidden), 1)):
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5)

    def through(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], look: Look) -> Tensor:
        *qkv, gate_and_value = self.inward(self.norm(x_BTD)).split(self.parts, -1)
        gate_BTF, value_BTF = gate_and_value.chunk(2, -1)
        q, k, v = (rearrange(part, "b t (h k) -> b h t k", k=self.head_width) for part in qkv)
        seen_BHTK = look(rotate(q, angles), rotate(k, angles), v)
        both = rearrange(seen_BHTK, "b h t k -> b t (h k)"), self.activation(gate_BTF) * value_BTF
        return x_BTD + self.drop_path(self.outward(torch.cat(both, -1)))


class NormAfterBlock(StreamBlock):
    """norm(x + attention(x)), then norm(x + feed-forward(x)), of the parts of a `ParallelBlock`.

    [Vaswani et al. 2017, arXiv:1706.03762, sec. 3.1].
    """

    def __init__(self, config: FewKeysConfig):
        super().__init__()
        self.head_width = config.head_width
        queries, keys = config.heads * config.head_width, config.key_heads * config.head_width
        self.parts = queries, keys, keys
        self.qkv = nn.Linear(config.width, sum(self.parts), bias=False)
        self.out = nn.Linear(queries, config.width, bias=False)
        self.norm_attention = nn.LayerNorm(config.width, bias=False)
        self.feed_forward = GatedFeedForward(config.width, config.hidden, "silu")
        self.norm_hidden = nn.LayerNorm(config.width, bias=False)
        self.drop_path = DropPath(config.drop_path)
        for layer in (self.qkv, self.out, self.feed_forward.gate_and_value, self.feed_forward.out):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)

    def through(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], look: Look) -> Tensor:
        parts = self.qkv(x_BTD).split(self.parts, -1)
        q, k, v = (rearrange(part, "b t (h k) -> b h t k", k=self.head_width) for part in parts)
        seen_BTD = self.out(rearrange(look(rotate(q, angles), rotate(k, angles), v), "b h t k -> b t (h k)"))
        x_BTD = self.norm_attention(x_BTD + self.drop_path(seen_BTD))
        return self.norm_hidden(x_BTD + self.drop_path(self.feed_forward(x_BTD)))
