"""Pictures of any proportions as the square ones that `render()` gives."""

from __future__ import annotations

import numpy as np
from PIL import Image


def square(frame: np.ndarray, size: int) -> np.ndarray:
    """Pixels (height, width, 3) as (size, size, 3) uint8: whole, in the middle, black where they are not square."""
    height, width = frame.shape[:2]
    side = max(height, width)
    if height != width:
        padded = np.zeros((side, side, 3), np.uint8)
        top, left = (side - height) // 2, (side - width) // 2
        padded[top : top + height, left : left + width] = frame
        frame = padded
    return frame if side == size else np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BOX))
