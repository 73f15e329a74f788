"""The first word after a picture is trained, in all encodings: elsewhere a slice off by one leaves it out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from opengato.agent.model import Agent
from opengato.core.sequence import TokenSequence
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from tests.tiny import ENCODINGS, caption_episode, tiny_agent


def hidden_and_losses(agent: Agent, sequence: TokenSequence) -> tuple[Tensor, Tensor]:
    """The trunk's states (T, D), with room for their gradients, and the loss of each predicted row, in order."""
    states: list[Tensor] = []

    def keep(_: object, __: object, h_BTD: Tensor) -> None:
        h_BTD.retain_grad()
        states.append(h_BTD)

    hook = agent.backbone.register_forward_hook(keep)
    batch = pack_documents([Document(sequence=sequence, source=0, episode=0)], len(sequence))
    (loss_N,) = agent.losses(batch).values()
    hook.remove()
    return states[0], loss_N


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("caption", ["panda", "a very blue whale"])
def test_gradients_begin_at_what_stands_before_the_first_word(encoding: str, caption: str) -> None:
    """States of all positions but the last that stand before a word, or before the end, get one; no other does."""
    agent = tiny_agent(encoding).train()
    sequence = agent.serializer.episode(caption_episode(caption=caption))
    h_BTD, loss_N = hidden_and_losses(agent, sequence)
    loss_N.sum().backward()
    assert h_BTD.grad is not None
    reached = np.flatnonzero(h_BTD.grad[0].abs().sum(-1).numpy() > 0)
    words = np.flatnonzero(sequence.predict_T)
    assert torch.isfinite(loss_N).all()
    assert len(words) == len(loss_N) > 1
    np.testing.assert_array_equal(reached, words - 1)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_first_word_alone_teaches_to_look(encoding: str) -> None:
    agent = tiny_agent(encoding).train()
    _, loss_N = hidden_and_losses(agent, agent.serializer.episode(caption_episode()))
    loss_N[0].backward()
    grads = [parameter.grad for parameter in agent.modality("image").parameters()]
    assert any(grad is not None and grad.abs().max() > 1e-6 for grad in grads)
