"""Codes of places by hand. Letters: N places."""

from __future__ import annotations

import math

import pytest
import torch

from opengato.nn.fourier import Fourier, grid, places


def test_a_code_by_hand() -> None:
    """Two bands of a resolution of 8: frequencies 1 and 4; three of 6: 1, 2 and 3, would be 9 numbers more."""
    fourier = Fourier(resolution=(8, 4), bands=2)
    (code,) = fourier.codes(torch.tensor([[0.25, -0.5]])).tolist()
    angles = [math.pi * 0.25 * 1, math.pi * 0.25 * 4, math.pi * -0.5 * 1, math.pi * -0.5 * 2]
    expected = [0.25, -0.5, *map(math.sin, angles), *map(math.cos, angles)]
    assert code == pytest.approx(expected, abs=1e-6)
    assert fourier.width == len(expected) == 10


def test_widths_of_the_paper() -> None:
    """258 numbers for pictures with 64 bands, 195 for films with 32, 385 for sounds with 192."""
    assert Fourier(resolution=(224, 224), bands=64).width == 258
    assert Fourier(resolution=(16, 56, 56), bands=32).width == 195
    assert Fourier(resolution=(30720,), bands=192).width == 385


def test_grids_are_in_raster_order_with_both_ends() -> None:
    assert grid((2, 3)).tolist() == [[-1, -1], [-1, 0], [-1, 1], [1, -1], [1, 0], [1, 1]]


def test_places_of_parts_leave_out_the_far_end() -> None:
    assert places(torch.tensor([0, 5, 4]), (2, 4)).tolist() == [[-1, -1], [0, -0.5], [0, -1]]


def test_a_place_of_another_grid_is_an_error() -> None:
    with pytest.raises(ValueError, match="3 coordinates, expected 2"):
        Fourier(resolution=(8, 8), bands=2).codes(torch.zeros(1, 3))
