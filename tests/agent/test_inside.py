"""Looking into the trunk: what comes out is what the forward pass goes through.

Letters: H heads, T slots, D width.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from opengato.agent.inside import attention, hidden_states
from opengato.agent.slots import slots_of
from tests.agent.test_acting import forward
from tests.tiny import documents_of_all_kinds, tiny_agent, trunk


def test_the_states_of_each_layer_are_those_of_a_trunk_that_ends_there() -> None:
    """Each sequence as it is alone, also beside longer ones."""
    agent = tiny_agent()
    sequences = [agent.serializer.episode(episode) for episode in documents_of_all_kinds()]
    assert len({len(sequence) for sequence in sequences}) > 2
    for layer in (1, 2):
        shorter = replace(agent.config, backbone=replace(trunk(), depth=layer)).build().eval()
        shorter.load_state_dict({k: v for k, v in agent.state_dict().items() if k in shorter.state_dict()})
        norm = agent.backbone.norm
        assert isinstance(norm, torch.nn.LayerNorm)
        for sequence, h_TD in zip(sequences, hidden_states(agent, sequences, layer), strict=True):
            with torch.inference_mode():
                received = norm(torch.from_numpy(h_TD)).numpy()
            np.testing.assert_allclose(received, forward(shorter, sequence).numpy(), atol=1e-4, rtol=1e-4)


def test_attention_rows_are_shares_of_the_past() -> None:
    agent = tiny_agent()
    sequence = agent.serializer.episode(documents_of_all_kinds()[0])
    for layer in (1, 2):
        weight_HTT = attention(agent, sequence, layer)
        assert weight_HTT.shape == (4, len(sequence), len(sequence))
        np.testing.assert_allclose(weight_HTT.sum(-1), 1, atol=1e-5)
        assert (np.triu(weight_HTT, 1) == 0).all()
    slots = slots_of([sequence], agent.device)
    assert slots.places[0].tolist() == [[0] * len(sequence)]


def test_a_layer_that_is_not_there_is_refused() -> None:
    agent = tiny_agent()
    sequence = agent.serializer.prompt("go")
    for layer in (0, 3):
        with pytest.raises(ValueError, match=rf"received layer {layer}, expected one from 1 to 2"):
            hidden_states(agent, [sequence], layer)
