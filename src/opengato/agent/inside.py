"""What goes on inside the trunk: the residual stream layer by layer, and who attends to whom; for analysis.

Letters: B rows, H heads, T slots of one sequence, D width.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from opengato.agent.likelihood import blocks
from opengato.agent.slots import slots_of
from opengato.core.backbone import LayeredBackbone
from opengato.core.sequence import TokenSequence

if TYPE_CHECKING:
    from opengato.agent.model import Agent


def trunk_of(agent: Agent, layer: int) -> LayeredBackbone:
    """The trunk of an agent that has a block `layer`; ValueError if it has not, or shows none."""
    trunk = agent.backbone
    if not isinstance(trunk, LayeredBackbone):
        raise ValueError(f"{type(trunk).__name__} does not show what goes on inside it: it has no layers to look at")
    if not 1 <= layer <= trunk.depth:
        raise ValueError(f"received layer {layer}, expected one from 1 to {trunk.depth}, the depth of this trunk")
    return trunk


@torch.inference_mode()
def hidden_states(agent: Agent, sequences: list[TokenSequence], layer: int) -> list[np.ndarray]:
    """The residual stream h_TD of each sequence after block `layer`, counted from 1."""
    trunk = trunk_of(agent, layer)
    found: list[np.ndarray] = [np.zeros(0)] * len(sequences)
    for members in blocks(sequences):
        slots = slots_of([sequences[i] for i in members], agent.device)
        x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
        h_BTD = next(islice(trunk.residuals(x_BTD, *agent.places(slots)), layer - 1, None)).float().cpu().numpy()
        for i, h_TD in zip(members, h_BTD, strict=True):
            found[i] = h_TD[: len(sequences[i])]
    return found


@torch.inference_mode()
def attention(agent: Agent, sequence: TokenSequence, layer: int) -> np.ndarray:
    """How much (H, T, T) each position of a sequence attends to each in block `layer`, counted from 1."""
    trunk = trunk_of(agent, layer)
    slots = slots_of([sequence], agent.device)
    x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
    return trunk.attention(layer, x_BTD, *agent.places(slots))[0].float().cpu().numpy()
