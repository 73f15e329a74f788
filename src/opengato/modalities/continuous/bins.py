"""Uniform bins on [-1, 1] and mu-law companding.

[Reed et al. 2022, arXiv:2205.06175, sec. 2.1, app. B]: F(x) = sgn(x) log(|x| mu + 1) / log(M mu + 1).
"""

from __future__ import annotations

import numpy as np


def to_bins(x: np.ndarray, num_bins: int) -> np.ndarray:
    """Bin of each value, clipped to [-1, 1]: int64 in [0, num_bins). The edge 1.0 belongs to the last bin."""
    scaled = (np.clip(np.asarray(x, np.float64), -1, 1) + 1) / 2 * num_bins
    return np.minimum(scaled.astype(np.int64), num_bins - 1)


def from_bins(ids: np.ndarray, num_bins: int) -> np.ndarray:
    """Centre of each bin, in (-1, 1)."""
    return (np.asarray(ids, np.float64) + 0.5) / num_bins * 2 - 1


def compand(x: np.ndarray, mu: float, maximum: float) -> np.ndarray:
    """mu-law: [-maximum, maximum] to [-1, 1], fine near zero."""
    x = np.asarray(x, np.float64)
    return np.sign(x) * np.log(np.abs(x) * mu + 1) / np.log(maximum * mu + 1)


def expand(y: np.ndarray, mu: float, maximum: float) -> np.ndarray:
    """Inverse of `compand`."""
    y = np.asarray(y, np.float64)
    return np.sign(y) * ((1 + maximum * mu) ** np.abs(y) - 1) / mu
