"""Photographs of landscapes as grounds for composed films: backgrounds of the MATE desktop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from opengato.core.picture import decoded
from opengato.sources import Split, require
from opengato.sources.fetch import Package

PHOTOGRAPHS = Package(
    registry="debian",
    name="mate-backgrounds",
    version="1.26.0-1",
    sha256="7bf4c2209f34b4f61ba6d24c8b58c28b361e82e4b943aae6d42c030169af9e04",
    licence="GPL-2+",
)
HELD_OUT = ("Dune", "Storm")
"""What test films are played over, and no others."""


def photographs(root: Path, source: str, shorter: int) -> dict[Split, list[np.ndarray]]:
    """The photographs (H, W, 3) of each split, their shorter side `shorter` pixels, in the order of their names."""
    folder = require(root / "usr/share/backgrounds/mate/nature", source)
    found: dict[Split, list[np.ndarray]] = {"train": [], "test": []}
    for path in sorted(folder.glob("*.jpg")):
        picture = decoded(path, "a photograph")
        scale = shorter / min(picture.size)
        size = (round(picture.width * scale), round(picture.height * scale))
        small = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
        found["test" if path.stem in HELD_OUT else "train"].append(small)
    if not all(found.values()):
        counts = {split: len(pictures) for split, pictures in found.items()}
        raise ValueError(f"source {source!r}: expected photographs in {folder} for each split, found {counts}")
    return found
