"""Cut-outs on their paths: drawn where they are said to be, and moving as the flow says.

Letters: H height, W width.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from opengato.sources.moving import between, cut_out, draw, flow_between, grid, placed, sample, soft_ground

SIZE = (40, 60)
MIDDLE = placed(29.5, 19.5)


def smooth(height: int, width: int, seed: int) -> np.ndarray:
    """Colours that change by a few levels from pixel to pixel, so that between pixels they are known well."""
    few = np.random.default_rng(seed).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC))


def opaque(height: int, width: int, seed: int) -> np.ndarray:
    return np.concatenate([smooth(height, width, seed), np.full((height, width, 1), 255, np.uint8)], axis=2)


def test_a_picture_in_the_middle_is_itself() -> None:
    ground = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    frame, owner = draw(ground, [], [MIDDLE], SIZE)
    np.testing.assert_array_equal(frame, ground)
    assert not owner.any()


def test_a_cut_out_lies_where_it_is_placed() -> None:
    cutout = np.random.default_rng(1).integers(0, 256, (5, 7, 4)).astype(np.uint8)
    cutout[..., 3] = 255
    frame, owner = draw(np.zeros((*SIZE, 3), np.uint8), [cutout], [MIDDLE, placed(10, 20)], SIZE)
    np.testing.assert_array_equal(frame[18:23, 7:14], cutout[..., :3])
    assert owner.sum() == 35
    assert owner[18:23, 7:14].all()
    quarter, _ = draw(np.zeros((*SIZE, 3), np.uint8), [cutout], [MIDDLE, placed(10, 20, turn=math.pi / 2)], SIZE)
    np.testing.assert_array_equal(quarter[17:24, 8:13], np.rot90(cutout[..., :3], -1))


def test_points_of_a_placement_by_hand() -> None:
    """Turned clockwise by 90 degrees, what lay 2 to the right lies 2 below; twice as large, 4 below."""
    point = placed(5, 7, turn=math.pi / 2, scale=2) @ [2, 0, 1]
    np.testing.assert_allclose(point, [5, 11, 1], atol=1e-12)


def test_between_pixels_is_bilinear_and_transparent_colours_do_not_bleed() -> None:
    picture = np.array([[[10.0], [20.0]], [[30.0], [60.0]]])
    x, y = np.array([[0.25]]), np.array([[0.5]])
    assert between(picture, x, y)[0, 0, 0] == pytest.approx(0.5 * (12.5 + 37.5))
    red_beside_hidden_green = np.array([[[255, 0, 0, 255], [0, 255, 0, 0]]], np.uint8)
    np.testing.assert_allclose(
        between(red_beside_hidden_green, np.array([[0.5]]), np.array([[0.0]]))[0, 0], [255, 0, 0, 127.5]
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_next_frame_warped_by_the_flow_is_this_frame_where_seen(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def somewhere() -> np.ndarray:
        return placed(
            29.5 + rng.uniform(-9, 9),
            19.5 + rng.uniform(-5, 5),
            turn=rng.uniform(-0.5, 0.5),
            scale=rng.uniform(0.9, 1.2),
        )

    ground, cutouts = smooth(60, 80, seed), [opaque(15, 19, seed + 1), opaque(12, 9, seed + 2)]
    first, second = [[somewhere() for _ in range(3)] for _ in range(2)]
    before, owner = draw(ground, cutouts, first, SIZE)
    after, next_owner = draw(ground, cutouts, second, SIZE)
    flow, seen = flow_between(first, second, owner, next_owner)
    assert flow.dtype == np.float32
    assert 0.3 < seen.mean() < 1
    points = grid(SIZE)
    warped = between(after, points[..., 0] + flow[..., 0], points[..., 1] + flow[..., 1])
    error = np.abs(warped - before)[seen].mean(-1)
    assert np.quantile(error, 0.5) < 1
    assert np.quantile(error, 0.9) < 6, "a frame is interpolated twice on the way, and edges are mixed colours"
    assert np.abs(after.astype(float) - before)[seen].mean() > 10, "the frames do differ"


def test_whole_steps_are_exact() -> None:
    """A cut-out of noise that moves by whole pixels over noise that moves otherwise: every seen pixel comes back."""
    rng = np.random.default_rng(3)
    ground = rng.integers(0, 256, (60, 80, 3)).astype(np.uint8)
    cutout = rng.integers(0, 256, (9, 11, 4)).astype(np.uint8)
    cutout[..., 3] = 255
    first, second = [placed(29.5, 19.5), placed(20, 15)], [placed(31.5, 18.5), placed(26, 18)]
    before, owner = draw(ground, [cutout], first, SIZE)
    after, next_owner = draw(ground, [cutout], second, SIZE)
    flow, seen = flow_between(first, second, owner, next_owner)
    assert np.unique(flow[owner == 1], axis=0).tolist() == [[6, 3]]
    assert np.unique(flow[owner == 0], axis=0).tolist() == [[2, -1]]
    rows, columns = np.nonzero(seen)
    there = (rows + flow[seen][:, 1]).astype(int), (columns + flow[seen][:, 0]).astype(int)
    np.testing.assert_array_equal(after[there], before[seen])
    assert not seen[:, 58:].any(), "gone over the edge"
    assert not seen[0].any()
    # Of the ground, the cut-out hides what comes to lie under it: its size, less what it hid before.
    assert ((owner == 0) & ~seen)[1:, :58].sum() == 99 - _hidden_before(first, second)


def _hidden_before(first: list[np.ndarray], second: list[np.ndarray]) -> int:
    """Pixels of the cut-out's new place, moved back with the ground, that it covered already."""
    step = second[1][:2, 2] - first[1][:2, 2] - (second[0][:2, 2] - first[0][:2, 2])
    return int((11 - abs(step[0])) * (9 - abs(step[1])))


def test_a_cut_out_has_a_shape() -> None:
    picture = Image.new("RGBA", (60, 60), (0, 255, 0, 0))
    assert cut_out(picture, 20) is None
    picture.paste((255, 0, 0, 255), (10, 10, 30, 50))
    assert cut_out(picture, 20) is None, "a full rectangle is no shape"
    picture.paste((0, 0, 0, 0), (10, 10, 20, 20))
    made = cut_out(picture, 20)
    assert made is not None
    assert made.shape == (20, 10, 4)
    assert made[15, 5].tolist() == [255, 0, 0, 255]
    assert made[1, 1, 3] == 0
    edge = made[made[..., 3] > 8]
    assert edge[:, 1].max() < 40, "the green behind what is transparent does not show"


def test_a_soft_ground_follows_its_generator() -> None:
    made = [soft_ground(np.random.default_rng(seed), 32) for seed in (0, 0, 1)]
    assert made[0].shape == (32, 32, 3)
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()
    assert sample(made[0], placed(15.5, 15.5), (32, 32), endless=True).shape == (32, 32, 3)
