"""Layers against their equations. Letters: B rows, N positions, D width."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from opengato.nn.layers import Activation, DropPath, FeedForward, GatedFeedForward
from tests.close import assert_close

EQUATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
}


@pytest.mark.parametrize("activation", EQUATIONS)
def test_a_gated_feed_forward_is_its_equation(activation: Activation) -> None:
    """W_out(activation(W x) * V x), the first half of the joint matrix being W."""
    layer = GatedFeedForward(4, 3, activation)
    x = 3 * torch.randn(5, 4)
    gate, value = x @ layer.gate_and_value.weight[:3].T, x @ layer.gate_and_value.weight[3:].T
    assert_close(layer(x), (EQUATIONS[activation](gate) * value) @ layer.out.weight.T)


@pytest.mark.parametrize("activation", EQUATIONS)
def test_a_feed_forward_is_its_equation(activation: Activation) -> None:
    layer = FeedForward(4, 3, activation)
    x = 3 * torch.randn(5, 4)
    assert_close(layer(x), EQUATIONS[activation](x @ layer.inner.weight.T) @ layer.out.weight.T)


def test_drop_path_leaves_whole_rows_out_and_keeps_the_mean() -> None:
    layer = DropPath(0.25).train()
    f_BND = torch.randn(4000, 2, 3).requires_grad_()
    received = layer(f_BND)
    dropped = (received == 0).flatten(1).all(1)
    assert_close(received[~dropped], f_BND.detach()[~dropped] / 0.75)
    # Three standard deviations of a share of 4000 draws.
    assert abs(float(dropped.float().mean()) - 0.25) < 3 * math.sqrt(0.25 * 0.75 / 4000)
    received.sum().backward()
    assert f_BND.grad is not None
    assert torch.equal(f_BND.grad[dropped], torch.zeros_like(f_BND.grad[dropped]))
    assert not torch.equal(layer(f_BND) == 0, received == 0), "each call draws anew"


def test_drop_path_is_nothing_in_evaluation_and_at_rate_0() -> None:
    f_BND = torch.randn(8, 2, 3)
    assert DropPath(0.9).eval()(f_BND) is f_BND
    state = torch.get_rng_state()
    assert DropPath(0.0).train()(f_BND) is f_BND
    assert torch.equal(torch.get_rng_state(), state), "what drops nothing draws nothing"
