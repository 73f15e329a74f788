"""Attention of queries to inputs of another width, and the module of Perceiver IO made of it.

Letters: B rows, T queries, S inputs, D width of queries, C width of inputs, H heads, K head width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
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
    """Out(softmax(Q K^T / sqrt(K)) V), each a linear layer; `key_bias` shifts all scores of a query alike.

    With one head the layers may change sides: (x W_q) (y W_k)^T = ((x W_q) W_k^T) y^T, and likewise for what is summed.
    Of two arrays the long one is then multiplied once, as it is, and needs neither keys nor queries of its own.
    """

    def __init__(self, widths: Widths, bias: bool = True, key_bias: bool = True):
        super().__init__()
        self.widths = widths
        self.query = nn.Linear(widths.query, widths.qk, bias=bias)
        self.key = nn.Linear(widths.inputs, widths.qk, bias=key_bias)
        self.value = nn.Linear(widths.inputs, widths.value, bias=bias)
        self.out = nn.Linear(widths.value, widths.query, bias=bias)

    def forward(
        self,
        query_BTD: Tensor,
        input_BSC: Tensor,
        mask_BTS: Tensor | None = None,
        bias_BHTS: Tensor | None = None,
    ) -> Tensor:
        """What each query (B, T, D) reads from the inputs that it sees."""
        if self.widths.heads == 1 and bias_BHTS is None:
            at_once, by_queries, by_inputs = self.products(query_BTD.shape[1], input_BSC.shape[1])
            if by_queries < min(at_once, by_inputs):
                return self._by_queries(query_BTD, input_BSC, mask_BTS)
            # A number for each input that wants a gradient would make attention keep all scores.
            if by_inputs < at_once and not torch.is_grad_enabled():
                return self._by_inputs(query_BTD, input_BSC, mask_BTS)
        q, k, v = self.query(query_BTD), self.key(input_BSC), self.value(input_BSC)
        q, k, v = (rearrange(x, "b t (h k) -> b h t k", h=self.widths.heads) for x in (q, k, v))
        return self.out(rearrange(attend(q, k, v, mask_BTS, bias_BHTS), "b h t k -> b t (h k)"))

    def products(self, queries: int, inputs: int) -> tuple[int, int, int]:
        """How many numbers each way multiplies: all layers first, all on the queries' side, all on the inputs' side."""
        w = self.widths
        both = w.qk + w.value
        at_once = both * (queries * w.query + inputs * w.inputs + queries * inputs)
        by_queries = queries * both * (w.query + w.inputs) + 2 * queries * inputs * w.inputs
        by_inputs = inputs * both * (w.query + w.inputs) + 2 * queries * inputs * w.query
        return at_once, by_queries, by_inputs

    def _by_queries(self, query_BTD: Tensor, input_BSC: Tensor, mask_BTS: Tensor | None) -> Tensor:
        """Few queries: they come to the inputs. What a bias of keys adds is the same for all inputs, and leaves."""
        q_BTC = self.query(query_BTD) @ self.key.weight
        input_BSC = input_BSC.to(q_BTC.dtype)  # under autocast a norm gives float32, products do not
        read_BTC = self._single(q_BTC, input_BSC, input_BSC, mask_BTS)
        return self.out(self.value(read_BTC))

    def _by_inputs(self, query_BTD: Tensor, input_BSC: Tensor, mask_BTS: Tensor | None) -> Tensor:
        """Few inputs: they come to the queries, whose bias then adds to each input's score a number of its own."""
        key = self.key(input_BSC)
        bias = None
        if self.query.bias is not None:
            bias = (key @ self.query.bias)[:, None, None] * self.widths.qk**-0.5
        value_BSD = F.linear(self.value(input_BSC), self.out.weight)
        read_BTD = self._single(query_BTD, key @ self.query.weight, value_BSD, mask_BTS, bias)
        return read_BTD if self.out.bias is None else read_BTD + self.out.bias

    def _single(
        self, q_BTK: Tensor, k_BSK: Tensor, v_BSK: Tensor, mask_BTS: Tensor | None, bias: Tensor | None = None
    ) -> Tensor:
        """One head, scaled as its own width says."""
        heads = (x[:, None] for x in (q_BTK, k_BSK, v_BSK))
        return attend(*heads, mask_BTS, bias, self.widths.qk**-0.5)[:, 0]


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
