"""Pictures as a grid of ids that can be predicted, by a small codec trained beforehand, one position a cell.

Finite scalar quantisation [Mentzer et al. 2023, arXiv:2309.15505]; `train_codec` made the shipped weights.
Letters: N cells, H and W pixels.
"""

from __future__ import annotations

import functools
import importlib.resources
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow

from opengato.core.episode import ArraySpec, is_absent
from opengato.core.picture import as_rgb, decoded
from opengato.core.serialize import Role, TokenCodec
from opengato.modalities.image import autoencoder
from opengato.modalities.token_table import TokenTable

SHIPPED = "image_codec.safetensors"
AT_ONCE = 64  # pictures encoded together


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`weights` is the shipped codec's name or the path of a file that `train_codec` wrote."""

    weights: str = SHIPPED

    def codec(self) -> PictureTokens:
        return PictureTokens(self.weights)

    def build(self, width: int) -> TokenTable:
        return TokenTable(self.codec(), width)


@functools.cache
def _load(weights: str) -> autoencoder.PictureAutoencoder:
    shipped = importlib.resources.files("opengato") / "assets" / SHIPPED
    return autoencoder.load(Path(str(shipped)) if weights == SHIPPED else Path(weights))


class PictureTokens(TokenCodec):
    """A picture, made square by white margins and brought to the codec's size, as its ids in raster order.

    What comes back is near the picture, not equal to it, and of the codec's size. A spec of any other fixed size is
    refused.
    """

    def __init__(self, weights: str = SHIPPED):
        self.weights = weights
        self._model = _load(weights)
        self.side, self.cells = self._model.architecture.side, self._model.architecture.grid**2
        self.num_ids = self._model.quantizer.num_ids

    def __reduce__(self) -> tuple:
        return PictureTokens, (self.weights,)

    def num_positions(self, spec: ArraySpec) -> int | None:
        return self.cells

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        self._check(spec)
        counts = np.array([0 if is_absent(value) else self.cells for value in values], np.int64)
        found = [self.square(value) for value in values if not is_absent(value)]
        parts = [np.stack(found[first : first + AT_ONCE]) for first in range(0, len(found), AT_ONCE)]
        ids = [self._model.encode(torch.from_numpy(part)).flatten().numpy() for part in parts]
        return np.concatenate([np.zeros(0, np.int64), *ids]), counts

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
        self._check(spec)
        if len(payload) != self.cells:
            raise ValueError(f"{spec.name!r}: received {len(payload)} ids, expected the {self.cells} of one picture")
        return self._model.decode(torch.from_numpy(np.asarray(payload, np.int64))[None])[0].numpy()

    def allowed(self, spec: ArraySpec) -> np.ndarray:
        """All of them."""
        return np.ones(self.num_ids, bool)

    def _check(self, spec: ArraySpec) -> None:
        fixed = [size for size in spec.shape[:2] if size not in (-1, self.side)]
        if fixed:
            raise ValueError(
                f"{spec.name!r} has pictures of {spec.shape[0]} x {spec.shape[1]} pixels, but what this codec gives "
                f"back has {self.side} x {self.side}; route it to another modality, or leave its size open (-1)"
            )

    def square(self, value: Any) -> np.ndarray:
        """A picture (bytes of a file, or pixels) with white margins, at the size of the codec."""
        picture = decoded(value) if isinstance(value, bytes) else as_rgb(Pillow.fromarray(np.asarray(value)))
        longest = max(picture.size)
        if picture.width != picture.height:
            square = Pillow.new("RGB", (longest, longest), "white")
            square.paste(picture, ((longest - picture.width) // 2, (longest - picture.height) // 2))
            picture = square
        if longest != self.side:
            picture = picture.resize((self.side, self.side), Pillow.Resampling.LANCZOS)
        return np.asarray(picture)
