"""Positions of a sequence as a page shows them. Letters: A numbers of a position, V values of a number."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from opengato.agent.inputs import TEXT
from opengato.agent.model import Agent
from opengato.core.sequence import TokenSequence

MOST_CELLS = 600
MOST_BARS = 64


def cells(agent: Agent, sequence: TokenSequence) -> list[dict[str, Any]]:
    """A map a position, the first ones: its modality, step, and what it carries in a word or a number."""
    serializer = agent.serializer
    words = serializer.layout.routes.get("instruction")
    found = []
    for _, name, row, predict, step in islice(sequence.rows(), MOST_CELLS):
        if name == words:
            value = serializer.codecs[name].decode(row[None], TEXT) or ("␃" if predict else "␂")
        elif row.ndim == 0:
            value = str(int(row))
        else:
            value = "×".join(map(str, row.shape))
        found.append({"modality": name, "step": step, "predict": predict, "value": value})
    return found


def bars(probability_AV: np.ndarray) -> list[list[float]]:
    """Probabilities of each number; many values are summed to `MOST_BARS` or fewer, neighbours together."""
    values = probability_AV.shape[-1]
    width = -(-values // MOST_BARS)
    padded = np.pad(probability_AV.astype(np.float64), ((0, 0), (0, -values % width)))
    return padded.reshape(len(padded), -1, width).sum(-1).round(4).tolist()
