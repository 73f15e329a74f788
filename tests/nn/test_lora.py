"""Adapters change nothing before training, are what their equation says, and merge into plain weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from opengato.nn import lora
from opengato.nn.layers import GatedFeedForward
from tests.close import assert_close


def adapted(seed: int = 0, learnt: bool = True) -> GatedFeedForward:
    torch.manual_seed(seed)
    module = GatedFeedForward(6, 10)
    lora.adapt(module, lora.Config(rank=2, alpha=5.0))
    if learnt:
        for parameter in lora.adapters(module):
            nn.init.normal_(parameter)
    return module


def test_nothing_changes_before_training() -> None:
    torch.manual_seed(0)
    plain, x = GatedFeedForward(6, 10), torch.randn(4, 6)
    module = adapted(learnt=False)
    module.load_state_dict(plain.state_dict(), strict=False)
    assert torch.equal(module(x), plain(x))
    downs, ups = lora.adapters(module)[0::2], lora.adapters(module)[1::2]
    assert all(up.abs().max() == 0 for up in ups)
    assert all(0 < down.abs().max() <= down.shape[1] ** -0.5 for down in downs), "as a linear layer's own weight"


@pytest.mark.parametrize("bias", [True, False])
def test_an_adapted_layer_by_hand(bias: bool) -> None:
    linear = nn.Linear(5, 3, bias)
    layer = lora.LoraLinear(linear, lora.Config(rank=2, alpha=7.0))
    for parameter in (layer.down, layer.up):
        nn.init.normal_(parameter)
    x = torch.randn(4, 5)
    weight, down, up = (t.detach().numpy().astype(np.float64) for t in (linear.weight, layer.down, layer.up))
    expected = x.numpy() @ (weight + 7.0 / 2 * up @ down).T + (linear.bias.detach().numpy() if bias else 0)
    assert down.shape == (2, 5)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_merged_is_the_same_function_with_plain_names() -> None:
    module, plain = adapted(), GatedFeedForward(6, 10)
    x = torch.randn(4, 6)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = lora.merged_state(module)
    assert state.keys() == plain.state_dict().keys()
    plain.load_state_dict(state)
    assert_close(plain(x), module(x))
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert not torch.equal(plain.out.weight, module.out.weight)


def test_only_adapters_get_a_gradient_where_the_rest_is_frozen() -> None:
    module = adapted(learnt=False)
    module.requires_grad_(False)
    own = lora.adapters(module)
    for parameter in own:
        parameter.requires_grad_(True)
    module(torch.randn(4, 6)).square().sum().backward()
    with_gradient = {name for name, p in module.named_parameters() if p.grad is not None}
    assert with_gradient == {f"{layer}.{part}" for layer in ("gate_and_value", "out") for part in ("down", "up")}
    assert len(own) == 4


def test_a_rank_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="`rank` is 0, expected 1 or more"):
        lora.Config(rank=0)
