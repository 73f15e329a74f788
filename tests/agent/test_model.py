"""How slots become vectors, and what an agent says of itself.

Letters: B rows, T slots, N positions of one modality, D width.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from opengato.agent.slots import slots_of
from tests.close import assert_close
from tests.tiny import ENCODINGS, documents_of_all_kinds, tiny_agent


@pytest.mark.parametrize("encoding", ENCODINGS)
@torch.inference_mode()
def test_a_slot_is_its_row_plus_its_place_in_the_observation(encoding: str) -> None:
    agent = replace(tiny_agent(encoding).config, num_local=4).build()  # fewer places than positions: the last is shared
    sequences = [agent.serializer.episode(episode) for episode in documents_of_all_kinds()]
    slots = slots_of(sequences, agent.device)
    x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
    assert max(int(sequence.local_T.max()) for sequence in sequences) > 4
    for x_TD, sequence in zip(x_BTD, sequences, strict=True):
        for t, name, row, _, _ in sequence.rows():
            place = min(int(sequence.local_T[t]) + 1, 4)
            expected = agent.modality(name).embed(torch.as_tensor(row)[None])[0] + agent.local.weight[place]
            assert_close(x_TD[t], expected)
        assert (x_TD[len(sequence) :] == agent.local.weight[0]).all(), "padding carries nothing"


def test_slots_say_which_are_real() -> None:
    agent = tiny_agent()
    sequences = [agent.serializer.episode(episode) for episode in documents_of_all_kinds()]
    slots = slots_of(sequences, agent.device)
    assert slots.mask_BT.sum(1).tolist() == [len(sequence) for sequence in sequences]
    assert sum(map(len, slots.payload.values())) == int(slots.mask_BT.sum())
    filled = torch.cat(list(slots.slot_N.values())).sort().values
    assert torch.equal(filled, slots.mask_BT.flatten().nonzero()[:, 0])


def test_the_spec_says_inputs_outputs_size_and_context() -> None:
    agent = tiny_agent()
    agent.card = {"tasks": ["toy/a", "toy/b", "other/c"]}
    spec = agent.spec()
    for route in agent.config.routes:
        assert route in spec
    assert f"context {agent.context} positions" in spec
    assert "toy: 2 tasks (a, b)" in spec
    assert "other: 1 tasks (c)" in spec
