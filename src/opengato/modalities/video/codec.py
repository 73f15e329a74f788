"""Films as rows of space-time patches, frame by frame in raster order, each with its place; numpy only.

[Arnab et al. 2021, arXiv:2103.15691, sec. 3.2, "tubelets"]. Letters: F frames, H height, W width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from einops import rearrange
from PIL import Image

from opengato.core.episode import ArraySpec, is_absent
from opengato.core.film import read_film
from opengato.core.serialize import Codec, Role

PLACE = 5
MOST = 255  # places are bytes


class VideoCodec(Codec):
    """Pixels as rows of patch bytes, then a patch's place: (time, row, column, rows, columns), counted in patches.

    A patch is `frames` frames long and `patch` pixels a side. A film of bytes is read at `fps` frames a second, an
    array has its frames already; of either the first `most_frames` are taken, and the last frame is repeated to fill
    the last patches. A larger film is shrunk until its longer side is `max_side` pixels.
    """

    payload_dtype = "uint8"

    def __init__(self, *, frames: int, patch: int, max_side: int, fps: float, most_frames: int):
        if most_frames > MOST * frames or max_side > MOST * patch:
            raise ValueError(
                f"{most_frames} frames of {max_side} pixels are more than {MOST} patches of {frames} frames and "
                f"{patch} pixels along an axis; raise `frames` or `patch`"
            )
        self.frames, self.patch, self.max_side, self.fps, self.most_frames = frames, patch, max_side, fps, most_frames
        self.payload_shape = (frames * patch * patch * 3 + PLACE,)

    def num_positions(self, spec: ArraySpec) -> int | None:
        if -1 in spec.shape:
            return None
        rows, columns = self._grid(spec.shape[1], spec.shape[2])
        return -(-min(spec.shape[0], self.most_frames) // self.frames) * rows * columns

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        nothing = np.zeros((0, *self.payload_shape), np.uint8)
        patches = [nothing if is_absent(value) else self._patches(self._pixels(value)) for value in values]
        return np.concatenate(patches), np.array([len(p) for p in patches], np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
        rows, columns = payload[0, -2:].tolist()
        film = rearrange(
            payload[:, :-PLACE], "(t r c) (f h w k) -> (t f) (r h) (c w) k",
            r=rows, c=columns, f=self.frames, h=self.patch, w=self.patch,
        )  # fmt: skip
        return film[: spec.shape[0]] if spec.shape[0] != -1 else film

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        scale = min(1.0, self.max_side / max(height, width))
        return max(1, round(height * scale / self.patch)), max(1, round(width * scale / self.patch))

    def _pixels(self, value: Any) -> np.ndarray:
        if isinstance(value, bytes):
            film = read_film(value, self.fps, self.most_frames)
        else:
            film = np.asarray(value)[: self.most_frames]
            if film.ndim != 4 or film.shape[3] != 3 or film.dtype != np.uint8 or not len(film):
                raise ValueError(
                    f"film is {film.dtype}{film.shape}, expected uint8 (frames, height, width, 3), at least one frame"
                )
        rows, columns = self._grid(film.shape[1], film.shape[2])
        size = (columns * self.patch, rows * self.patch)
        if size != (film.shape[2], film.shape[1]):
            film = np.stack([np.asarray(Image.fromarray(f).resize(size, Image.Resampling.LANCZOS)) for f in film])
        missing = -len(film) % self.frames
        return np.concatenate([film, np.repeat(film[-1:], missing, axis=0)])

    def _patches(self, film: np.ndarray) -> np.ndarray:
        times, rows, columns = len(film) // self.frames, film.shape[1] // self.patch, film.shape[2] // self.patch
        patches = rearrange(film, "(t f) (r h) (c w) k -> (t r c) (f h w k)", f=self.frames, h=self.patch, w=self.patch)
        index = np.indices((times, rows, columns)).reshape(3, -1).T
        size = np.broadcast_to([rows, columns], (len(index), 2))
        return np.concatenate([patches, np.concatenate([index, size], axis=1).astype(np.uint8)], axis=1)
