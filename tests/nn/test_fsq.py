"""Rounding to a few levels: every id has its vector, the grid is that of the paper, gradients pass straight through.

Letters: N vectors, C numbers of a vector.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from opengato.nn.fsq import FiniteScalarQuantizer
from tests.close import assert_close

LEVELS = [(8, 5, 5, 5), (3,), (3, 4), (7, 5)]


@pytest.mark.parametrize("levels", LEVELS)
def test_every_id_is_a_vector_of_the_grid_and_back(levels: tuple[int, ...]) -> None:
    quantizer = FiniteScalarQuantizer(levels)
    assert quantizer.num_ids == math.prod(levels)
    values_NC = quantizer.values(torch.arange(quantizer.num_ids))
    # L levels are -(L // 2) .. over L // 2 [Mentzer et al. 2023, app. A.1]
    grid = [[(k - n // 2) / (n // 2) for k in range(n)] for n in levels]
    expected = {tuple(round(x, 6) for x in point) for point in itertools.product(*grid)}
    assert {tuple(round(float(x), 6) for x in row) for row in values_NC} == expected
    assert values_NC.abs().max() <= 1


@pytest.mark.parametrize("levels", LEVELS)
def test_large_numbers_reach_every_level_and_none_beyond(levels: tuple[int, ...]) -> None:
    quantizer = FiniteScalarQuantizer(levels)
    z_NC = torch.linspace(-20, 20, 4001)[:, None].repeat(1, len(levels))
    assert_close(quantizer.values(quantizer.ids(z_NC)), quantizer(z_NC))
    for c, count in enumerate(levels):
        assert len(quantizer(z_NC)[:, c].unique()) == count
        assert (quantizer(z_NC)[1:, c] >= quantizer(z_NC)[:-1, c]).all(), "order is kept"
    ids = quantizer.ids(torch.randn(5000, len(levels)) * 5)
    assert ids.min() >= 0
    assert ids.max() < quantizer.num_ids


def test_gradients_are_those_of_the_bound_without_rounding() -> None:
    """d/dz tanh(z + shift) * half / (L // 2), by hand for L = 5, and not 0 as rounding has it."""
    quantizer = FiniteScalarQuantizer((5, 5))
    z_NC = torch.tensor([[0.3, -1.2]], requires_grad=True)
    quantizer(z_NC).sum().backward()
    half = (5 - 1) * (1 - 1e-3) / 2
    expected = [half * (1 - math.tanh(z) ** 2) / 2 for z in (0.3, -1.2)]
    assert z_NC.grad is not None
    np.testing.assert_allclose(z_NC.grad[0].numpy(), expected, rtol=1e-5)


def test_a_mean_of_zero_is_a_middle_level() -> None:
    assert quantized_zero((5,)) == 0
    assert abs(quantized_zero((8,))) <= 1 / 4


def quantized_zero(levels: tuple[int, ...]) -> float:
    return float(FiniteScalarQuantizer(levels)(torch.zeros(1, len(levels))))


def test_levels_must_be_levels() -> None:
    with pytest.raises(ValueError, match=r"`levels` are \(8, 1\)"):
        FiniteScalarQuantizer((8, 1))
