"""Documents that begin alike, as a picture with each of many captions does: what is alike is read once.

Letters: B rows, T slots, S all slots, N last positions of each row, D width.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from opengato.agent.generate import Decoding
from opengato.core.backbone import CachedBackbone
from opengato.core.sequence import TokenSequence

if TYPE_CHECKING:
    from opengato.agent.model import Agent

PLACES_AT_ONCE = 4096  # of a cache; bounds memory
WORTHWHILE: float = 0.25  # share of all positions that need not be read; below, a cache costs more than it saves


def alike(agent: Agent, sequences: list[TokenSequence]) -> list[list[int]]:
    """Indices of sequences whose positions before the first that is predicted are the same, where that is much of them.

    Left out are sequences with a gap, which a cache does not read; nothing is alike for a trunk without one.
    """
    if not isinstance(agent.backbone, CachedBackbone):
        return []
    found: dict[bytes, list[int]] = {}
    for index, sequence in enumerate(sequences):
        if bool((sequence.position_T == np.arange(len(sequence))).all()) and bool(sequence.predict_T.any()):
            found.setdefault(_digest(_cut(sequence)[0]), []).append(index)

    def share_saved(members: list[int]) -> float:
        begins = int(np.argmax(sequences[members[0]].predict_T))
        return (len(members) - 1) * begins / sum(len(sequences[i]) for i in members)

    return [members for members in found.values() if share_saved(members) >= WORTHWHILE]


@torch.inference_mode()
def states_before(agent: Agent, sequences: list[TokenSequence]) -> list[tuple[list[TokenSequence], Tensor]]:
    """What follows the beginning that all sequences have, in blocks, and the hidden states (B, T, D) before each slot.

    In order; the beginning is read once, and its keys and values are copied.
    """
    beginning = _cut(sequences[0])[0]
    endings = [_cut(sequence)[1] for sequence in sequences]
    backbone, longest = agent.backbone, max(map(len, sequences))
    assert isinstance(backbone, CachedBackbone)
    one = backbone.new_cache(1)
    window = min(one.window, longest)
    rows = min(len(endings), max(1, PLACES_AT_ONCE // (one.sinks + 2 * window)))
    found, decoding = [], Decoding(agent, rows, window)
    last_1D = decoding.feed([0], [beginning])
    begun = decoding.row(0)
    for start in range(0, len(endings), rows):
        block = endings[start : start + rows]
        decoding.begin_as(begun)
        count = max(map(len, block))
        h_BND = decoding.feed_for(list(range(len(block))), block, count)
        before_BTD = h_BND.new_zeros(h_BND.shape)
        before_BTD[:, 0] = last_1D
        for b, ending in enumerate(block):
            before_BTD[b, 1 : len(ending)] = h_BND[b, count - len(ending) : count - 1]
        found.append((block, before_BTD))
    return found


def _cut(sequence: TokenSequence) -> tuple[TokenSequence, TokenSequence]:
    """The positions before the first that is predicted, and the others."""
    begins_T = np.arange(len(sequence)) < np.argmax(sequence.predict_T)
    return sequence.take(begins_T), sequence.take(~begins_T)


def _digest(sequence: TokenSequence) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for values in (sequence.modality_T, sequence.step_T, sequence.local_T):
        found.update(values.tobytes())
    for name in sequence.names:
        if name in sequence.payload:
            found.update(name.encode() + str(sequence.payload[name].dtype).encode() + sequence.payload[name].tobytes())
    return found.digest()
