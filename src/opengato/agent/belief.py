"""Which task an agent takes an episode for. Letters: B rows, T slots, D width, N predicted positions, V tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from opengato.agent.slots import slots_of
from opengato.core.episode import Episode

if TYPE_CHECKING:
    from opengato.agent.model import Agent


@torch.inference_mode()
def which_task(agent: Agent, episode: Episode) -> dict[str, float]:
    """The probability of each task that the agent knows, the likeliest first.

    f_task is asked before each position that is predicted, as in training, and its answers are averaged. ValueError
    for an agent without it, and for an episode in which nothing is predicted.
    """
    if agent.decision is None:
        raise ValueError(
            "this agent has no head that names tasks; train one with `decision` in its config (objective `decision`), "
            "such as the recipe decision-tiny"
        )
    sequence = agent.serializer.episode(episode)
    before_N = np.flatnonzero(sequence.predict_T) - 1
    if not len(before_N):
        raise ValueError(f"an episode of {episode.task!r} predicts nothing, so there is nothing to name its task from")
    slots = slots_of([sequence], agent.device)
    x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
    h_ND = agent.backbone(x_BTD, *slots.places)[0, torch.from_numpy(before_N).to(agent.device)]
    share_V = agent.decision.tasks(h_ND).float().softmax(-1).mean(0).tolist()
    return dict(sorted(zip(agent.config.tasks, share_V, strict=True), key=lambda found: -found[1]))
