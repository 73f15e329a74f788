"""Rotary positions against complex numbers. Letters: B rows, T slots, H heads, K head width."""

from __future__ import annotations

import numpy as np
import torch

from opengato.nn.positions import rotary_angles, rotate
from tests.close import assert_close

BASE = 10_000.0


def test_rotation_is_multiplication_by_a_unit_complex_number() -> None:
    position = torch.tensor([[0, 1, 2, 17, 1000], [5, 5, 0, 3, 1_000_000]])
    x = torch.randn(2, 3, 5, 8)
    received = rotate(x, rotary_angles(position, 8, BASE)).numpy()
    pairs = x[..., :4].numpy() + 1j * x[..., 4:].numpy()
    frequency = BASE ** (-np.arange(4) / 4)
    turned = pairs * np.exp(1j * position.numpy()[:, None, :, None] * frequency)
    np.testing.assert_allclose(received, np.concatenate([turned.real, turned.imag], -1), atol=2e-6)
    np.testing.assert_array_equal(received[0, :, 0], x[0, :, 0].numpy())  # position 0 turns nothing


def test_scores_depend_on_distance_alone() -> None:
    q, k = torch.randn(1, 1, 6, 16), torch.randn(1, 1, 6, 16)
    position = torch.arange(6)[None]

    def scores(shift: int) -> torch.Tensor:
        angles = rotary_angles(position + shift, 16, BASE)
        return rotate(q, angles) @ rotate(k, angles).transpose(-1, -2)

    for shift in (700, 10_000_000):  # an agent acts for days
        assert_close(scores(shift), scores(0), atol=1e-5, rtol=0)
    stretched = rotary_angles(2 * position, 16, BASE)
    other = rotate(q, stretched) @ rotate(k, stretched).transpose(-1, -2)
    assert (other - scores(0)).abs().max() > 0.1, "another distance is another score"
