"""Likeness of windows beside OpenCV's, and shifts that are known.

Letters: C channels, H and W pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from opengato.nn.matching import Matching, expected_shift, likeness


def picture(height: int, width: int) -> torch.Tensor:
    torch.manual_seed(0)
    return F.avg_pool2d(2 * torch.rand(1, 3, height + 2, width + 2) - 1, 3, 1)


def test_likeness_is_that_of_opencv() -> None:
    """`matchTemplate` slides one window over the other picture and takes means off both."""
    first, second = picture(24, 28), picture(26, 30)[:, :, 1:25, 2:30]
    like, *_ = likeness(first, second, reach=3)
    for row, column in ((3, 4), (5, 9), (7, 6)):
        # The window of place (i, j) has pixels 2 i - 3 to 2 i + 4.
        top, left = 2 * row - 3, 2 * column - 3
        window = first[0, :, top : top + 8, left : left + 8].permute(1, 2, 0).contiguous().numpy()
        around = second[0, :, top - 3 : top + 11, left - 3 : left + 11].permute(1, 2, 0).contiguous().numpy()
        theirs = cv2.matchTemplate(around, window, cv2.TM_CCOEFF_NORMED)
        np.testing.assert_allclose(like[0, :, row, column].view(7, 7), theirs, atol=2e-3)


def test_a_shift_is_found_whatever_the_light() -> None:
    whole = picture(60, 76)
    down, right = 2, -3
    first = whole[:, :, 6:54, 6:70]
    second = 0.5 * whole[:, :, 6 - down : 54 - down, 6 - right : 70 - right] + 0.3
    like, *_ = likeness(first, second, reach=5)
    inner = (0, slice(None), slice(4, -4), slice(4, -4))
    assert (like[inner].argmax(0) == (down + 5) * 11 + right + 5).all()
    found = expected_shift(like, sharpness=200)[inner]
    assert torch.allclose(found[:2], torch.tensor([right / 5, down / 5])[:, None, None], atol=1e-3)


def test_a_stem_says_what_does_not_fit() -> None:
    stem = Matching(width=16, reach=4).build(6)
    assert stem(torch.rand(2, 8, 12, 6)).shape == (2, 2, 3, 16)
    with pytest.raises(ValueError, match="no whole places"):
        stem(torch.rand(1, 9, 12, 6))
    with pytest.raises(ValueError, match="an even number"):
        Matching(width=16, reach=3)
