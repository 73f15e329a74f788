"""Texts as bytes: six marks, then the 256 bytes [Jaegle et al. 2021, arXiv:2107.14795, app. E].

Letters: B rows, T slots.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

PADDING, MASK, FIRST = 0, 3, 6  # 1, 2, 4 and 5 are begin, end, class and separator: published, and not used here
NUM_IDS = FIRST + 256
GAP = "_"


def ids_of(text: str) -> np.ndarray:
    """UTF-8 bytes as ids."""
    return np.frombuffer(text.encode(), np.uint8).astype(np.int64) + FIRST


def text_of(ids: Sequence[int]) -> str:
    """The text of ids; marks are left out, and what is no UTF-8 is shown as such."""
    return bytes(number - FIRST for number in ids if number >= FIRST).decode(errors="replace")


def rows(texts: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Ids (B, T) of texts side by side, padded on the right, and where they are real."""
    longest = max(1, *(len(ids) for ids in texts))
    ids_BT = np.full((len(texts), longest), PADDING)
    for row, ids in enumerate(texts):
        ids_BT[row, : len(ids)] = ids
    return torch.from_numpy(ids_BT), torch.from_numpy(ids_BT != PADDING)


def words(ids: np.ndarray) -> list[tuple[int, int]]:
    """Where each word begins and ends: runs of bytes that are no white space."""
    plain = bytes(np.where(ids >= FIRST, ids - FIRST, ord("x")).astype(np.uint8))
    return [found.span() for found in re.finditer(rb"\S+", plain)]


def with_gaps(text: str) -> np.ndarray:
    """Ids of a text in which each underscore is a byte to be found."""
    ids = ids_of(text)
    return np.where(ids == ord(GAP) + FIRST, MASK, ids)
