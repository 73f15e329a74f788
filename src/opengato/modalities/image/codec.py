"""Pictures as rows of patches in raster order, each with its place; numpy only.

[Reed et al. 2022, arXiv:2205.06175, sec. 2.1, app. C.3].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from einops import rearrange
from PIL import Image as Pillow

from opengato.core.episode import ArraySpec, is_absent
from opengato.core.picture import decoded
from opengato.core.serialize import Codec, Role

PLACES = 128  # patch intervals are quantised to this many places along rows and columns (app. C.3)


class ImageCodec(Codec):
    """Pixels as rows of patch bytes, followed by its place: (top, bottom, left, right) in 1/128 of the image."""

    payload_dtype = "uint8"

    def __init__(self, patch: int, max_side: int):
        self.patch, self.max_side = patch, max_side
        self.payload_shape = (patch * patch * 3 + 4,)

    def num_positions(self, spec: ArraySpec) -> int | None:
        if -1 in spec.shape:
            return None
        rows, columns = self._grid(spec.shape[0], spec.shape[1])
        return rows * columns

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        nothing = np.zeros((0, *self.payload_shape), np.uint8)
        patches = [nothing if is_absent(value) else self._patches(self._pixels(value)) for value in values]
        return np.concatenate(patches), np.array([len(p) for p in patches], np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
        columns = int((payload[:, -4] == payload[0, -4]).sum())
        pixels = payload[:, :-4]
        return rearrange(pixels, "(r c) (h w k) -> (r h) (c w) k", c=columns, h=self.patch, w=self.patch)

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        scale = min(1.0, self.max_side / max(height, width))
        return max(1, round(height * scale / self.patch)), max(1, round(width * scale / self.patch))

    def _pixels(self, value: Any) -> np.ndarray:
        if isinstance(value, bytes):
            picture = decoded(value)
        else:
            array = np.asarray(value)
            if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
                raise ValueError(f"picture is {array.dtype}{array.shape}, expected uint8 (height, width, 3)")
            picture = Pillow.fromarray(array)
        rows, columns = self._grid(picture.height, picture.width)
        size = (columns * self.patch, rows * self.patch)
        return np.asarray(picture if picture.size == size else picture.resize(size, Pillow.Resampling.LANCZOS))

    def _patches(self, pixels: np.ndarray) -> np.ndarray:
        rows, columns = pixels.shape[0] // self.patch, pixels.shape[1] // self.patch
        patches = rearrange(pixels, "(r h) (c w) k -> (r c) (h w k)", h=self.patch, w=self.patch)
        row, column = np.divmod(np.arange(rows * columns), columns)
        place = np.stack([row / rows, (row + 1) / rows, column / columns, (column + 1) / columns], axis=1)
        return np.concatenate([patches, np.round(place * PLACES).astype(np.uint8)], axis=1)
