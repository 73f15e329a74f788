"""Positions of a sequence as a page shows them. Letters: A numbers of a position, V values of a number."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from opengato.agent.inputs import TEXT
from opengato.agent.model import Agent
from opengato.core.episode import MEDIA_SPECS
from opengato.core.sequence import TokenSequence

PICTURE = MEDIA_SPECS["image"]
MOST_CELLS = 600
MOST_BARS = 64


def cells(agent: Agent, sequence: TokenSequence) -> list[dict[str, Any]]:
    """A map a position, the first ones: its modality, step, what it carries in a word or a number, or a colour."""
    serializer = agent.serializer
    words, pictures = (serializer.layout.routes.get(route) for route in ("instruction", "observation/image"))
    found = []
    for _, name, row, predict, step in islice(sequence.rows(), MOST_CELLS):
        if name == words:
            value = serializer.codecs[name].decode(row[None], TEXT) or ("</s>" if predict else "<s>")
        elif row.ndim == 0:
            value = str(int(row))
        else:
            value = "×".join(map(str, row.shape))
        cell = {"modality": name, "step": step, "predict": predict, "value": value}
        if name == pictures and row.ndim:
            cell["colour"] = (
                np.asarray(serializer.codecs[name].decode(row[None], PICTURE)).mean((0, 1)).round().tolist()
            )
        found.append(cell)
    return found


def bars(probability_AV: np.ndarray) -> list[list[float]]:
    """Probabilities of each number; many values are summed to `MOST_BARS` or fewer, neighbours together."""
    values = probability_AV.shape[-1]
    width = -(-values // MOST_BARS)
    padded = np.pad(probability_AV.astype(np.float64), ((0, 0), (0, -values % width)))
    return padded.reshape(len(padded), -1, width).sum(-1).round(4).tolist()
