"""Where slots lie, by hand; and an agent whose trunk asks for it reads the same packed, alone and piece by piece.

Letters: T slots, N rows of one modality, A axes of a value, X axes (kind, moment, spot).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from opengato.agent.axes import SPAN, axes_of
from opengato.agent.generate import Decoding
from opengato.agent.model import Agent
from opengato.agent.slots import Slots, slots_of
from opengato.backbones import factored
from opengato.data.documents import Document
from opengato.data.packing import collate, pack
from tests.close import assert_close
from tests.tiny import documents_of_all_kinds, sharpen, toy_episode, vector_config


def agent_of(**changes: Any) -> Agent:
    trunk = factored.Config(width=32, depth=2, heads=4, hidden=48, kinds=6, window=48, sinks=8, **changes)
    torch.manual_seed(0)
    agent = replace(vector_config(), backbone=trunk).build()
    sharpen(agent.backbone)
    return agent.eval()


class Places:
    """A modality that knows of its rows where in their value they lie, and nothing else."""

    def __init__(self, where_NA: list[list[int]] | None):
        self.where_NA = where_NA

    def coordinates(self, payload_NP: Tensor) -> Tensor | None:
        return None if self.where_NA is None else torch.tensor(self.where_NA)


class Reader:
    """As much of an agent as is asked for axes."""

    def __init__(self, modalities: dict[str, Places]):
        self.config, self.modalities = self, modalities

    def modality(self, name: str) -> Places:
        return self.modalities[name]


def test_kind_moment_and_spot_by_hand() -> None:
    """An instruction, then a step with a film of two frames of two patches, a number, a sound, and an action."""
    reader = Reader(
        {
            "words": Places(None),
            "film": Places([[0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 1]]),
            "number": Places(None),
            "sound": Places([[0], [1]]),
            "picture": Places([[0, 0], [0, 1]]),
        }
    )
    slot_N = {"words": [0, 1, 10], "film": [2, 3, 4, 5], "number": [6], "sound": [7, 8], "picture": [9, 11]}
    none = torch.zeros(1, 12, dtype=torch.int64)
    slots = Slots(
        payload={name: torch.zeros(len(slots), 1) for name, slots in slot_N.items()},
        slot_N={name: torch.tensor(slots) for name, slots in slot_N.items()},
        local_BT=torch.tensor([[-1, -1, *range(8), -2, 0]]),
        position_BT=none,
        prompt_BT=none > 0,
        mask_BT=none == 0,
        predict_BT=none > 0,
        step_BT=torch.tensor([[-1, -1, *[3] * 9, 4]]),
    )
    kind, moment, spot = axes_of(cast(Agent, reader), slots)[0].unbind(-1)
    assert kind.tolist() == [0, 0, 1, 1, 1, 1, 2, 3, 3, 4, 0, 4]
    step = 3 * SPAN
    frames = [step, step, step + 1, step + 1]
    assert moment.tolist() == [-SPAN, -SPAN, *frames, step, step, step + 1, step, step, 4 * SPAN]
    assert spot.tolist() == [-1, -1, 0, 1, 0, 1, 4, 0, 0, 7, -1, 0]


@pytest.mark.parametrize("within", ["whole", "divided"])
@torch.inference_mode()
def test_packed_alone_and_piece_by_piece_are_the_same(within: str) -> None:
    agent = agent_of(within=within)
    sequences = [agent.serializer.episode(episode) for episode in documents_of_all_kinds()]
    row = [Document(sequence=sequence, source=0, episode=i) for i, sequence in enumerate(sequences)]
    packed = agent(collate([pack([row], sum(map(len, sequences)))]))[0]
    start = 0
    for sequence in sequences:
        slots = slots_of([sequence], agent.device)
        x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
        alone = agent.backbone(x_BTD, *agent.places(slots))[0]
        assert_close(packed[start : start + len(sequence)], alone, atol=1e-4, rtol=1e-4)
        start += len(sequence)
        decoding = Decoding(agent, 1)
        for first in range(0, len(sequence), 5):
            place_T = np.arange(len(sequence))
            piece = sequence.take((place_T >= first) & (place_T < first + 5))
            last = min(first + 5, len(sequence)) - 1
            assert_close(decoding.feed([0], [piece])[0], alone[last], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_the_trunk_is_told() -> None:
    """Without the axes of its slots it would give something else."""
    agent = agent_of()
    slots = slots_of([agent.serializer.episode(toy_episode())], agent.device)
    x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
    told, untold = agent.backbone(x_BTD, *agent.places(slots)), agent.backbone(x_BTD, *slots.places)
    assert (told - untold).abs().max() > 0.1


def test_a_trunk_that_tells_too_few_kinds_apart_is_refused() -> None:
    trunk = factored.Config(width=32, depth=1, heads=4, hidden=48, kinds=5)
    with pytest.raises(ValueError, match="the agent has 6 modalities, but its trunk tells 5 kinds apart"):
        replace(vector_config(), backbone=trunk).build()


def test_a_batch_without_steps_is_refused() -> None:
    agent = agent_of()
    row = [Document(sequence=agent.serializer.episode(toy_episode()), source=0, episode=0)]
    batch = replace(collate([pack([row], 64)]), step_BT=None)
    with pytest.raises(ValueError, match="does not know the steps of its slots"):
        agent(batch)
