"""Cut-outs that move over a ground: drawn at any place, size and turn, with the exact motion of every pixel.

A placement is a matrix (3, 3) from a cut-out's own coordinates to those of the frame, in pixels, x to the right and y
down, counted between the middles of pixels: (0, 0) is the middle of the cut-out, and of the frame's first pixel.
Letters: H height, W width, C channels (red, green, blue, alpha).
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

GROUND = 0
"""In `owner_HW`: the pixel belongs to no cut-out. Cut-out k has number k + 1."""


def placed(x: float, y: float, *, turn: float = 0.0, scale: float = 1.0) -> np.ndarray:
    """A cut-out with its middle at (x, y), `turn` radians clockwise, `scale` times its size."""
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    return np.array([[cos, -sin, x], [sin, cos, y], [0.0, 0.0, 1.0]])


def cut_out(picture: Image.Image, side: int) -> np.ndarray | None:
    """A picture with alpha as (H, W, C) uint8, cut to what is drawn, its longer side `side`; None if it has no shape.

    A shape is something between next to nothing and the whole rectangle.
    """
    rgba = picture.convert("RGBA")
    drawn = rgba.getchannel("A").point(lambda alpha: 255 * (alpha > 127)).getbbox()
    if drawn is None:
        return None
    rgba = rgba.crop(drawn)
    scale = side / max(rgba.size)
    size = (max(1, round(rgba.width * scale)), max(1, round(rgba.height * scale)))
    # Colours behind what is transparent must not bleed into the edge: Pillow weighs them by alpha in this mode.
    pixels = np.asarray(rgba.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA"))
    share = (pixels[..., 3] > 127).mean()
    return pixels if 0.1 < share < 0.98 else None


def draw(
    ground: np.ndarray, cutouts: Sequence[np.ndarray], placements: Sequence[np.ndarray], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A frame (H, W, 3) uint8 of `size` (H, W), and whose pixel each is: `owner_HW`.

    `placements` are those of the ground, which goes on for ever as at its edge, and of the cut-outs, the nearest last.
    """
    frame = sample(ground, placements[0], size, endless=True)[..., :3].astype(np.float64)
    owner_HW = np.zeros(size, np.int16)
    for number, (cutout, placement) in enumerate(zip(cutouts, placements[1:], strict=True), 1):
        window, corner = _window(cutout, placement, size)
        moved = placed(-corner[0], -corner[1]) @ placement
        drawn = sample(cutout, moved, frame[window].shape[:2])
        alpha = drawn[..., 3:] / 255
        frame[window] = frame[window] * (1 - alpha) + drawn[..., :3] * alpha
        owner_HW[window][alpha[..., 0] >= 0.5] = number
    return np.round(frame).clip(0, 255).astype(np.uint8), owner_HW


def _window(cutout: np.ndarray, placement: np.ndarray, size: tuple[int, int]) -> tuple[tuple[slice, slice], np.ndarray]:
    """The part of a frame outside of which nothing of a cut-out can be, and its first pixel (x, y)."""
    half_y, half_x = (np.array(cutout.shape[:2]) + 1) / 2
    corners = placement @ [[-half_x, half_x, -half_x, half_x], [-half_y, -half_y, half_y, half_y], [1, 1, 1, 1]]
    limits = np.array([[size[1]], [size[0]]])
    low_x, low_y = np.floor(corners[:2]).clip(0, limits).min(1).astype(int)
    high_x, high_y = (np.ceil(corners[:2]) + 1).clip(0, limits).max(1).astype(int)
    return (slice(low_y, high_y), slice(low_x, high_x)), np.array([low_x, low_y])


def sample(picture: np.ndarray, placement: np.ndarray, size: tuple[int, int], *, endless: bool = False) -> np.ndarray:
    """What is seen of a picture (h, w, C) in a frame of `size`, between pixels bilinear: (H, W, C) float64.

    Outside of it nothing is seen, or, if it is `endless`, its edge.
    """
    height, width = picture.shape[:2]
    if picture.shape[:2] == size and np.array_equal(placement, placed((width - 1) / 2, (height - 1) / 2)):
        return picture.astype(np.float64)  # a ground that lies still and fits
    at = grid(size) @ np.linalg.inv(placement).T
    x_HW, y_HW = at[..., 0] + (width - 1) / 2, at[..., 1] + (height - 1) / 2
    return between(picture, x_HW, y_HW, endless=endless)


def between(picture: np.ndarray, x_HW: np.ndarray, y_HW: np.ndarray, *, endless: bool = False) -> np.ndarray:
    """A picture (h, w, C) at places between its pixels (column, row), bilinear; colours are weighed by alpha."""
    height, width, channels = picture.shape
    has_alpha = channels == 4
    values = picture.astype(np.float64)
    if has_alpha:
        values[..., :3] *= values[..., 3:] / 255
    left_HW, top_HW = np.floor(x_HW).astype(np.int64), np.floor(y_HW).astype(np.int64)
    total = np.zeros((*x_HW.shape, channels))
    for down in (0, 1):
        for right in (0, 1):
            row_HW, column_HW = top_HW + down, left_HW + right
            weight_HW = np.abs(1 - down - (y_HW - top_HW)) * np.abs(1 - right - (x_HW - left_HW))
            if not endless:
                weight_HW = weight_HW * ((row_HW >= 0) & (row_HW < height) & (column_HW >= 0) & (column_HW < width))
            total += weight_HW[..., None] * values[row_HW.clip(0, height - 1), column_HW.clip(0, width - 1)]
    if has_alpha:
        total[..., :3] *= 255 / np.maximum(total[..., 3:], 1e-6)
    return total


def flow_between(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray], owner_HW: np.ndarray, next_owner_HW: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far each pixel of a frame moves until the next one, (H, W, 2) float32 (x, y), and whether it is seen there.

    `first` and `second` are the placements of ground and cut-outs in either. A pixel at p moves by B A^-1 p - p, where
    A and B are the placements of what it belongs to. It is seen (bool, (H, W)) if it stays within the frame, and all
    pixels around the place that it comes to belong to the same thing.
    """
    points = grid(owner_HW.shape)
    flow = np.zeros((*owner_HW.shape, 2))
    for number, (before, after) in enumerate(zip(first, second, strict=True)):
        mine = owner_HW == number
        flow[mine] = (points[mine] @ (after @ np.linalg.inv(before)).T - points[mine])[:, :2]
    height, width = owner_HW.shape
    x_HW, y_HW = points[..., 0] + flow[..., 0], points[..., 1] + flow[..., 1]
    seen_HW = (x_HW >= 0) & (x_HW <= width - 1) & (y_HW >= 0) & (y_HW <= height - 1)
    for row_HW in (np.floor(y_HW), np.ceil(y_HW)):
        for column_HW in (np.floor(x_HW), np.ceil(x_HW)):
            place = (row_HW.clip(0, height - 1).astype(int), column_HW.clip(0, width - 1).astype(int))
            seen_HW &= next_owner_HW[place] == owner_HW
    return flow.astype(np.float32), seen_HW


def as_png(pixels: np.ndarray) -> bytes:
    """A frame as the bytes of a PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def grid(size: tuple[int, ...]) -> np.ndarray:
    """The pixels of a frame as points (H, W, 3): (x, y, 1)."""
    y_HW, x_HW = np.mgrid[: size[0], : size[1]].astype(np.float64)
    return np.stack([x_HW, y_HW, np.ones(size)], axis=-1)


def soft_ground(generator: np.random.Generator, side: int) -> np.ndarray:
    """A ground (side, side, 3) of colours that flow into one another."""
    few = generator.integers(60, 230, (3, 3, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(few).resize((side, side), Image.Resampling.BICUBIC))
