"""Optical flow measured, drawn, estimated in tiles, and estimated by others.

Flow is (H, W, 2): pixels to the right and down. Letters: H and W pixels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from opengato.sources.moving import between

Estimate = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Flow from two frames (H, W, 3) uint8."""


def end_point_error(flow: np.ndarray, truth: np.ndarray, mask_HW: np.ndarray | None = None) -> float:
    """Mean distance in pixels between where a pixel is said to go and where it goes, where `mask_HW` is True.

    [Baker et al. 2011, "A database and evaluation methodology for optical flow", sec. 4.1].
    """
    error_HW = np.sqrt(np.square(flow.astype(np.float64) - truth).sum(-1))
    return float(error_HW.mean() if mask_HW is None else error_HW[mask_HW].mean())


def warping_error(first: np.ndarray, second: np.ndarray, flow: np.ndarray) -> float:
    """Mean difference, in grey values from 0 to 255, of the first frame from the second one drawn back along the flow.

    Pixels that leave the frame do not count. It needs no truth, and sees no error where nothing has a texture.
    """
    height, width = first.shape[:2]
    row_HW, column_HW = np.mgrid[:height, :width]
    x_HW, y_HW = column_HW + flow[..., 0], row_HW + flow[..., 1]
    inside_HW = (x_HW >= 0) & (x_HW <= width - 1) & (y_HW >= 0) & (y_HW <= height - 1)
    if not inside_HW.any():
        return math.nan
    back = between(second, x_HW, y_HW, endless=True)
    return float(np.abs(back - first)[inside_HW].mean())


def starts(size: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin, evenly spread, so that neighbours share `overlap` pixels at least and none goes beyond."""
    if tile > size or not 0 <= overlap < tile:
        raise ValueError(f"tiles of {tile} pixels that share {overlap} cannot cover {size}")
    count = 1 if tile == size else 1 + math.ceil((size - tile) / (tile - overlap))
    return [round(i * (size - tile) / max(1, count - 1)) for i in range(count)]


def in_tiles(
    estimate: Estimate, first: np.ndarray, second: np.ndarray, tile: tuple[int, int], overlap: int
) -> np.ndarray:
    """Flow of frames of any size by an estimate for `tile` (height, width), blended where tiles overlap.

    A tile counts by the distance to its nearest edge [Jaegle et al. 2021, arXiv:2107.14795, app. H]. A frame smaller
    than a tile is continued by its edge.
    """
    height, width = first.shape[:2]
    missing = [(0, max(0, wanted - size)) for wanted, size in zip(tile, (height, width), strict=True)]
    first, second = (np.pad(frame, (*missing, (0, 0)), mode="edge") for frame in (first, second))
    down, across = (np.minimum(np.arange(size) + 1, size - np.arange(size)) for size in tile)
    weight_HW = np.minimum(down[:, None], across[None]).astype(np.float64)
    total, sum_HW = np.zeros((*first.shape[:2], 2)), np.zeros(first.shape[:2])
    for top, left in itertools.product(*(starts(n, t, overlap) for n, t in zip(sum_HW.shape, tile, strict=True))):
        part = np.s_[top : top + tile[0], left : left + tile[1]]
        total[part] += weight_HW[..., None] * estimate(first[part], second[part])
        sum_HW[part] += weight_HW
    return (total / sum_HW[..., None])[:height, :width].astype(np.float32)


def colours(flow: np.ndarray, fastest: float | None = None) -> np.ndarray:
    """Flow as colours (H, W, 3) uint8: the hue is the way, white is rest, full colour the `fastest` (default: here)."""
    x_HW, y_HW = flow[..., 0].astype(np.float64), flow[..., 1].astype(np.float64)
    speed_HW = np.hypot(x_HW, y_HW)
    top = max(float(speed_HW.max()) if fastest is None else fastest, 1e-6)
    hue_HW = np.arctan2(y_HW, x_HW) / (2 * np.pi) % 1
    hsv = np.stack([hue_HW, np.minimum(speed_HW / top, 1), np.ones_like(hue_HW)], -1)
    return np.array(Image.fromarray(np.round(255 * hsv).astype(np.uint8), "HSV").convert("RGB"))


def wheel(side: int = 64) -> np.ndarray:
    """The colours of all ways (side, side, 3): the way from its middle is the way of the motion."""
    line = np.linspace(-1, 1, side)
    flow = np.stack(np.meshgrid(line, line), -1)
    drawn = colours(flow, 1.0)
    drawn[np.hypot(flow[..., 0], flow[..., 1]) > 1] = 255
    return drawn


def picture(first: np.ndarray, second: np.ndarray, flows: Sequence[tuple[str, np.ndarray]]) -> Image.Image:
    """Both frames and flows by name beside one another, in one scale of colours, with the wheel that explains it."""
    fastest = max(float(np.hypot(flow[..., 0], flow[..., 1]).max()) for _, flow in flows)
    panels = [("first", first), ("second", second), *((name, colours(flow, fastest)) for name, flow in flows)]
    height, width, head = first.shape[0], first.shape[1], 14
    side = max(8, min(height, width) // 3)
    sheet = Image.new("RGB", (len(panels) * (width + 4) + max(side, 66), max(height, side + head) + head), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (name, pixels) in enumerate(panels):
        sheet.paste(Image.fromarray(pixels), (number * (width + 4), head))
        pen.text((number * (width + 4) + 2, 1), name, fill="black")
    corner = len(panels) * (width + 4)
    sheet.paste(Image.fromarray(wheel(side)), (corner, head))
    pen.text((corner, 1), f"{fastest:.1f} pixels", fill="black")
    return sheet


def simple_methods() -> dict[str, Estimate]:
    """OpenCV's DIS and Farneback; ImportError names the extra that brings it."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError("DIS and Farneback are OpenCV's; run: pip install 'opengato[flow]'") from error

    library: Any = cv2  # whose types know no call without a place for the result

    def grey(frame: np.ndarray) -> np.ndarray:
        return library.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)

    def dis(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return library.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(grey(first), grey(second), None)

    def farneback(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        settings = {"pyr_scale": 0.5, "levels": 4, "winsize": 15, "iterations": 3, "poly_n": 5, "poly_sigma": 1.2}
        return library.calcOpticalFlowFarneback(grey(first), grey(second), None, flags=0, **settings)

    return {"DIS": dis, "Farneback": farneback}
