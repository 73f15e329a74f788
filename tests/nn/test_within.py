"""Rows of a value see one another and nothing else: against a dense mask, and each value by itself.

Letters: N rows, D width, S rows in sight.
"""

from __future__ import annotations

import pytest
import torch

from opengato.nn.attention import attend
from opengato.nn.blocks import Block
from opengato.nn.positions import rotary_angles
from opengato.nn.within import Shape, WithinValues, beside, groups
from tests.close import assert_close
from tests.tiny import sharpen

LENGTHS = (5, 1, 9, 3)
PLACE = torch.cat([torch.arange(length) for length in LENGTHS])


def made(reach: int) -> WithinValues:
    torch.manual_seed(0)
    module = WithinValues(Shape(width=16, depth=2, heads=2, hidden=24, reach=reach))
    sharpen(module)
    return module.eval()


def dense(module: WithinValues, x_ND: torch.Tensor) -> torch.Tensor:
    """The same blocks over all rows at once, with the definition as a mask."""
    value_N = torch.repeat_interleave(torch.arange(len(LENGTHS)), torch.tensor(LENGTHS))
    near_NS = (torch.arange(len(x_ND))[:, None] - torch.arange(len(x_ND))).abs() <= module.shape.reach
    mask_1NS = (near_NS & (value_N[:, None] == value_N))[None]
    x_1ND, angles = x_ND[None], rotary_angles(PLACE[None], 8, 10_000.0)
    for block in module.blocks:
        assert isinstance(block, Block)
        q, k, v = block.project(x_1ND, angles)
        x_1ND = block.finish(x_1ND, attend(q, k, v, mask_1NS))
    return module.norm(x_1ND[0])


@pytest.mark.parametrize("reach", [1, 2, 4, 7, 50])
@torch.inference_mode()
def test_groups_are_but_a_way_to_compute(reach: int) -> None:
    module, x_ND = made(reach), torch.randn(sum(LENGTHS), 16)
    assert_close(module(x_ND, PLACE), dense(module, x_ND))


@torch.inference_mode()
def test_a_value_alone_is_the_same_as_among_others() -> None:
    module, x_ND = made(reach=4), torch.randn(sum(LENGTHS), 16)
    together = module(x_ND, PLACE).split(LENGTHS)
    for x, place, expected in zip(x_ND.split(LENGTHS), PLACE.split(LENGTHS), together, strict=True):
        assert_close(module(x, place), expected)
    assert module(x_ND[:0], PLACE[:0]).shape == (0, 16)


def test_sight_goes_both_ways_and_ends_with_the_value() -> None:
    """Two blocks with a reach of 2 carry 4 rows far."""
    module, x_ND = made(reach=2), torch.randn(sum(LENGTHS), 16, requires_grad=True)
    module(x_ND, PLACE)[6 + 4].square().sum().backward()  # row 4 of the value of nine
    assert x_ND.grad is not None
    touched = x_ND.grad.abs().sum(1) > 0
    assert touched.nonzero().flatten().tolist() == list(range(6, 15))


def test_groups_and_their_neighbours() -> None:
    x_GL = groups(torch.arange(1, 6), 2)
    assert x_GL.tolist() == [[1, 2], [3, 4], [5, 0]]
    assert beside(x_GL).tolist() == [[0, 0, 1, 2, 3, 4], [1, 2, 3, 4, 5, 0], [3, 4, 5, 0, 0, 0]]
