"""Where slots lie along the axes that some trunks ask for: what they hold, when, and where in what was there then.

Letters: B rows, T slots, S all slots, N positions of one modality, A axes of a value, X axes (kind, moment, spot).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from opengato.agent.slots import Slots
from opengato.core.batch import PackedBatch

if TYPE_CHECKING:
    from opengato.agent.model import Agent

SPAN = 1 << 20  # more than the moments of a step, and than the rows of a picture


def axes_of(agent: Agent, read: PackedBatch | Slots) -> Tensor:
    """Numbers (B, T, X), compared within a document alone.

    The kind is the modality's number in the layout. A step is a moment; a film or a sound has many. The spot is the
    place in the step's observation, in a film that in its frame; instruction and action are one spot in each step.
    """
    if read.step_BT is None:
        raise ValueError("this batch does not know the steps of its slots; make it with `data.packing.collate`")
    kind_S, frame_S = (torch.zeros_like(read.step_BT).flatten() for _ in range(2))
    spot_S = read.local_BT.flatten().to(torch.int64).clamp(min=-1)
    for number, name in enumerate(agent.config.modalities):
        if name in read.slot_N:
            slot_N = read.slot_N[name]
            kind_S[slot_N] = number
            where_NA = agent.modality(name).coordinates(read.payload[name])
            if where_NA is not None and where_NA.shape[1] != 2:  # time alone, or time before row and column
                frame_S[slot_N] = where_NA[:, 0]
                spot_S[slot_N] = where_NA[:, 1] * SPAN + where_NA[:, 2] if where_NA.shape[1] == 3 else 0
    moment_S = read.step_BT.flatten() * SPAN + frame_S
    return torch.stack([kind_S, moment_S, spot_S], -1).view(*read.step_BT.shape, 3)
