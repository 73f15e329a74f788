"""Attention of queries to inputs of another width, and the module of Perceiver IO made of it.

Letters: B rows, T queries, S inputs, D width of queries, C width of inputs, H heads, K head width.
"""

from __future__ import annotations

from dataclasses import dataclass

from einops import rearrange
from torch import Tensor, nn

from opengato.nn.attention import attend
from opengato.nn.layers import Activation, FeedForward


@dataclass(frozen=True, kw_only=True, slots=True)
class Widths:
    """Of attention: queries come and go with `query` numbers, inputs come with `inputs`.

    Scores are products of `qk` numbers over all `heads`, and `value` numbers are summed by them.
    """

    query: int
    inputs: int
    qk: int
    value: int
    heads: int

    def __post_init__(self) -> None:
        for name, width in (("qk", self.qk), ("value", self.value)):
            if width % self.heads:
                raise ValueError(f"`{name}` (={width}) must be a multiple of `heads` (={self.heads})")


class Attention(nn.Module):
    """Out(softmax(Q K^T / sqrt(K)) V), each a linear layer; `key_bias` shifts all scores of a query alike."""

    def __init__(self, widths: Widths, bias: bool = True, key_bias: bool = True):
        super().__init__()
        self.heads = widths.heads
        self.query = nn.Linear(widths.query, widths.qk, bias=bias)
        self.key = nn.Linear(widths.inputs, widths.qk, bias=key_bias)
        self.value = nn.Linear(widths.inputs, widths.value, bias=bias)
        self.out = nn.Linear(widths.value, widths.query, bias=bias)

    def forward(
        self,
        query_BTD: Tensor,
        input_BSC: Tensor,
        mask_BTS: Tensor | None = None,
        bias_HTS: Tensor | None = None,
    ) -> Tensor:
        """What each query (B, T, D) reads from the inputs that it sees."""
        q, k, v = self.query(query_BTD), self.key(input_BSC), self.value(input_BSC)
        q, k, v = (rearrange(x, "b t (h k) -> b h t k", h=self.heads) for x in (q, k, v))
        return self.out(rearrange(attend(q, k, v, mask_BTS, bias_HTS), "b h t k -> b t (h k)"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """Settings of a `PerceiverLayer` beside its widths: the feed-forward is `widening` times as wide as the queries."""

    widening: int = 1
    query_residual: bool = True
    activation: Activation = "gelu_tanh"
    key_bias: bool = True


class PerceiverLayer(nn.Module):
    """h = attention(norm(queries), norm(inputs)) [+ queries]; h + feed-forward(norm(h)).

    [Jaegle et al. 2021, arXiv:2107.14795, sec. 3.1 and app. E.1]. Without inputs, queries attend to themselves.
    """

    def __init__(self, widths: Widths, layer: Layer, cross: bool):
        super().__init__()
        self.query_residual = layer.query_residual
        self.norm_query = nn.LayerNorm(widths.query)
        self.norm_input = nn.LayerNorm(widths.inputs) if cross else None
        self.attention = Attention(widths, key_bias=layer.key_bias)
        self.norm_hidden = nn.LayerNorm(widths.query)
        self.feed_forward = FeedForward(widths.query, layer.widening * widths.query, layer.activation, bias=True)

    def forward(self, query_BTD: Tensor, input_BSC: Tensor | None = None, mask_BTS: Tensor | None = None) -> Tensor:
        """The queries after this module; `mask_BTS` (or (B, 1, S), the same for all queries) True = sees."""
        normed_BTD = self.norm_query(query_BTD)
        if self.norm_input is None:
            seen = normed_BTD
        else:
            assert input_BSC is not None
            seen = self.norm_input(input_BSC)
        h_BTD = self.attention(normed_BTD, seen, mask_BTS)
        if self.query_residual:
            h_BTD = h_BTD + query_BTD
        return h_BTD + self.feed_forward(self.norm_hidden(h_BTD))
