"""Weights of 8 bits: within the rounding that they must have, and the agent decides nearly always the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from opengato.agent.files import in_int8, load_agent, save_agent
from opengato.nn.int8 import Int8Linear, Int8Table, int8_product, quantised
from opengato.nn.layers import TiedTable
from tests.tiny import documents_of_all_kinds, tiny_agent


def test_each_weight_is_within_half_a_step() -> None:
    weight = torch.randn(24, 32, generator=torch.Generator().manual_seed(0))
    weight[3] = 0
    whole, scale = quantised(weight)
    assert whole.dtype == torch.int8
    step = scale.float()[:, None]
    # half a step, and where the scale was rounded down to bfloat16 the largest weights are clipped by 127 * 2^-9 of it
    assert ((whole.float() * step - weight).abs() <= 0.76 * step).all()
    assert (whole[3] == 0).all()


def test_a_product_by_hand() -> None:
    """Powers of two are exact in every format: 2 * 1 + 4 * (-1) = -2 and 2 * 64 + 4 * 127 = 636, scales 1 and 0.5."""
    x = torch.tensor([[2.0, 4.0] + [0.0] * 14])
    weight = torch.zeros(2, 16, dtype=torch.int8)
    weight[0, :2] = torch.tensor([1, -1])
    weight[1, :2] = torch.tensor([64, 127])
    scale = torch.tensor([1.0, 0.5], dtype=torch.bfloat16)
    assert int8_product(x, weight, scale).tolist() == [[-2.0, 318.0]]


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_layers_agree_with_whole_weights(rows: int) -> None:
    torch.manual_seed(1)
    x = torch.randn(2, rows, 64)
    linear, table = nn.Linear(64, 48), TiedTable(50, 64)
    nn.init.normal_(table.weight)
    with torch.no_grad():
        wanted, received = linear(x), Int8Linear(linear)(x)
        assert received.dtype == torch.float32
        assert (received - wanted).abs().max() < 0.03 * wanted.abs().max()
        scores, small = table.logits(x[0], slice(3, 20)), Int8Table(table).logits(x[0], slice(3, 20))
        assert small.shape == (rows, 17)
        assert (small - scores).abs().max() < 0.03 * scores.abs().max()
        ids = torch.tensor([0, 7, 49])
        assert (Int8Table(table).embed(ids) - table.embed(ids)).abs().max() < 0.01 * table.embed(ids).abs().max()


@pytest.mark.parametrize("encoding", ["vector", "tokens"])
def test_an_agent_in_int8_is_nearly_the_same(encoding: str, tmp_path: Path) -> None:
    save_agent(tiny_agent(encoding), tmp_path)
    whole, small = load_agent(tmp_path), load_agent(tmp_path, weights="int8")
    assert small.num_parameters == whole.num_parameters
    assert small.card["weights"] == "int8"
    for before, after in zip(
        whole.log_likelihood(documents_of_all_kinds()), small.log_likelihood(documents_of_all_kinds()), strict=True
    ):
        assert np.abs(after - before).mean() < 0.1 * max(1.0, np.abs(before).mean())
    assert all(not parameter.requires_grad for parameter in small.parameters())


def test_another_format_is_told(tmp_path: Path) -> None:
    save_agent(tiny_agent(), tmp_path)
    with pytest.raises(ValueError, match="unknown format of weights 'int4'"):
        load_agent(tmp_path, weights="int4")  # ty: ignore[invalid-argument-type]


def test_writing_goes_on_in_int8() -> None:
    agent = in_int8(tiny_agent())
    assert agent.generate("Once", max_new_tokens=8) == agent.generate("Once", max_new_tokens=8)
