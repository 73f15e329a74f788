"""Flow measured and drawn, by hand and on frames whose motion is known. Letters: H and W pixels."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from PIL import Image

from opengato.evaluators import optical_flow
from opengato.evaluators.optical_flow import colours, end_point_error, in_tiles, starts, warping_error, wheel


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    few = np.random.default_rng(seed).integers(0, 256, (height // 6, width // 6, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC))


def test_end_point_errors_by_hand() -> None:
    truth = np.zeros((2, 2, 2))
    flow = np.array([[[3.0, 4.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, -2.0]]])
    assert end_point_error(flow, truth) == (5 + 0 + 1 + 2) / 4
    assert end_point_error(flow, truth, np.array([[True, False], [True, False]])) == 3


def test_frames_drawn_back_along_the_true_flow_are_the_first_frame() -> None:
    wide = smooth(60, 90)
    first, second = wide[10:50, 10:70], wide[7:47, 14:74]  # what is at (x, y) goes to (x - 4, y + 3)
    flow = np.broadcast_to(np.array([-4.0, 3.0]), (40, 60, 2))
    assert warping_error(first, second, flow) == 0
    assert warping_error(first, second, np.zeros_like(flow)) > 3
    assert math.isnan(warping_error(first, second, flow + 1000)), "nothing is left in the frame"


@pytest.mark.parametrize(
    ("size", "tile", "overlap", "expected"),
    [(96, 48, 20, [0, 24, 48]), (48, 48, 20, [0]), (436, 368, 20, [0, 68]), (1024, 496, 20, [0, 264, 528])],
)
def test_tiles_are_evenly_spread_and_share_enough(size: int, tile: int, overlap: int, expected: list[int]) -> None:
    """436 x 1024 pixels of Sintel take the six tiles of the paper."""
    found = starts(size, tile, overlap)
    assert found == expected
    assert found[-1] + tile == size
    assert all(later - earlier <= tile - overlap for earlier, later in itertools.pairwise(found))


def test_tiles_that_agree_give_what_each_of_them_says() -> None:
    """An estimate that depends on the pixel alone is the same in tiles as at once, whatever their weights."""
    first, second = smooth(50, 70), smooth(50, 70, 1)

    def estimate(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.stack([one[..., 0] / 7.0, other[..., 1] / 5.0], -1)

    np.testing.assert_allclose(in_tiles(estimate, first, second, (24, 32), 8), estimate(first, second), rtol=1e-5)
    small = in_tiles(estimate, first[:10, :9], second[:10, :9], (24, 32), 8)
    np.testing.assert_allclose(small, estimate(first[:10, :9], second[:10, :9]), rtol=1e-5)


def test_a_pixel_near_the_edge_of_a_tile_believes_the_other() -> None:
    """Two tiles of 4 that share 2 columns: weights 1 2 2 1 each, so that those hold (2 a + b) / 3 and (a + 2 b) / 3."""
    said = iter([0.0, 3.0])
    flow = in_tiles(lambda one, _: np.full((*one.shape[:2], 2), next(said)), *np.zeros((2, 4, 6, 3)), (4, 4), 2)
    assert flow[1, :, 0].tolist() == pytest.approx([0, 0, 1, 2, 3, 3])


def test_tiles_that_cannot_cover_are_an_error() -> None:
    with pytest.raises(ValueError, match="tiles of 48 pixels that share 48 cannot cover 96"):
        starts(96, 48, 48)


def test_colours_tell_the_way_and_the_speed() -> None:
    flow = np.array([[[2.0, 0.0], [0.0, 2.0], [0.0, 0.0], [1.0, 0.0]]])
    right, down, rest, slow = colours(flow)[0].tolist()
    assert right == [255, 0, 0]
    assert rest == [255, 255, 255]
    assert down[1] > 200 > down[2], "a quarter of the circle of hues from red is a yellowish green"
    assert slow[0] == 255
    assert slow[1] == slow[2] == pytest.approx(127, abs=2)
    drawn = wheel(33)
    assert drawn[16, 32].tolist() == [255, 0, 0]
    assert drawn[16, 16].tolist() == drawn[0, 0].tolist() == [255, 255, 255]
    assert drawn[32, 16].tolist() == down


def test_the_picture_holds_all_panels() -> None:
    first = smooth(24, 30)
    sheet = np.asarray(optical_flow.picture(first, first, [("truth", np.ones((24, 30, 2)))]))
    assert (sheet[14 : 14 + 24, :30] == first).all()
    assert (sheet[14 : 14 + 24, 34:64] == first).all()
    assert len(np.unique(sheet[14 : 14 + 24, 68:98].reshape(-1, 3), axis=0)) == 1


def test_simple_methods_find_a_motion() -> None:
    pytest.importorskip("cv2")
    wide = smooth(90, 120)
    first, second = wide[10:74, 10:106], wide[8:72, 13:109]
    truth = np.broadcast_to(np.array([-3.0, 2.0]), (64, 96, 2))
    middle = np.zeros((64, 96), bool)
    middle[12:-12, 12:-12] = True
    for name, method in optical_flow.simple_methods().items():
        assert end_point_error(method(first, second), truth, middle) < 0.7, name
