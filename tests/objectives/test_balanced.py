"""Learnt weights against their equations by hand, and where they come to rest."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from opengato.core.batch import PackedBatch
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.objectives import balanced
from opengato.objectives.balanced import gradnorm, uncertain
from opengato.train import distributed, loop, optim
from opengato.train.distributed import ALONE, Layout
from tests.tiny import caption_episode, tiny_agent, toy_episode

TASKS = ("toy/task", "caption/toy", "toy/absent")


def batch_of(agent: Any) -> PackedBatch:
    episodes = [toy_episode(0, steps=3), caption_episode(1), replace(toy_episode(2, steps=1), task="toy/unknown")]
    documents = [
        Document(sequence=agent.serializer.episode(e), source=0, episode=i, task=agent.task_number(e.task))
        for i, e in enumerate(episodes)
    ]
    return pack_documents(documents, max(map(len, documents)))


def begun(agent: Any, **settings: Any) -> balanced.Balanced:
    objective = balanced.Config(**settings).build()
    objective.begin(agent)
    return objective


def test_equal_weights_are_the_mean_over_tasks_of_the_mean_over_their_rows() -> None:
    agent = tiny_agent(tasks=TASKS)
    loss, _ = begun(agent, by="task", weighing="equal")(agent, batch_of(agent))
    of_each = [
        nll.mean()
        for nll in agent.log_likelihood(
            [toy_episode(0, steps=3), caption_episode(1), replace(toy_episode(2, steps=1), task="toy/unknown")]
        )
    ]
    assert float(loss.detach()) == pytest.approx(float(np.mean(of_each)), rel=1e-5)


def test_by_modality_each_modality_counts_the_same() -> None:
    agent = tiny_agent()
    batch = batch_of(agent)
    losses = agent.losses(batch)
    loss, figures = begun(agent, weighing="equal")(agent, batch)
    assert float(loss.detach()) == pytest.approx(
        float(torch.stack([x.detach().mean() for x in losses.values()]).mean())
    )
    assert {name for name in figures if name.startswith("weight/")} == {f"weight/{name}" for name in losses}


def test_uncertainty_by_hand_and_where_it_rests() -> None:
    """L / s^2 + log s with s^2 = e^0.5 and e^-1; it is least where s^2 = 2 L."""
    loss = torch.tensor([2.0, 0.3])
    found = uncertain(loss, torch.tensor([0.5, -1.0]))
    assert float(found) == pytest.approx((2 * math.exp(-0.5) + 0.25 + 0.3 * math.e - 0.5) / 2)
    rest = (2 * loss).log().requires_grad_(True)
    uncertain(loss, rest).backward()
    assert rest.grad is not None
    assert rest.grad.tolist() == pytest.approx([0.0, 0.0], abs=1e-7)


def test_gradnorm_by_hand() -> None:
    """Norms 1 and 3 at equal weights, equal speed: both are to pull with 2. A task twice as slow pulls harder."""
    weight = torch.ones(2, requires_grad=True)
    loss = gradnorm(torch.tensor([1.0, 3.0]), weight, torch.tensor([0.5, 0.5]), 1.5)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2.0)
    assert weight.grad is not None
    assert weight.grad.tolist() == [-1.0, 3.0], "the norms, with the sign of what is too much"
    slow = gradnorm(torch.tensor([1.0, 1.0]), torch.ones(2), torch.tensor([1.0, 0.5]), 1.5)
    assert float(slow) == pytest.approx(((4 / 3) ** 1.5 - 1) + (1 - (2 / 3) ** 1.5))


def test_gradnorm_looks_at_the_last_shared_layer_and_moves_the_weights_alone() -> None:
    agent = tiny_agent(tasks=TASKS)
    batch = batch_of(agent)
    objective = begun(agent, by="task", weighing="gradnorm")
    equal, _ = begun(agent, by="task", weighing="equal")(agent, batch)
    equal.backward()
    theirs = [None if p.grad is None else p.grad.clone() for p in agent.parameters()]
    agent.zero_grad()
    loss, _ = objective(agent, batch)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(equal.detach()))
    for parameter, other in zip(agent.parameters(), theirs, strict=True):
        assert (parameter.grad is None) == (other is None)
        if other is not None:
            torch.testing.assert_close(parameter.grad, other)
    norms = []
    for name, episode in (("toy/task", toy_episode(0, steps=3)), ("caption/toy", caption_episode(1))):
        agent.zero_grad()
        document = Document(
            sequence=agent.serializer.episode(episode), source=0, episode=0, task=agent.task_number(name)
        )
        torch.cat(list(agent.losses(pack_documents([document], len(document))).values())).mean().backward()
        [shared] = agent.backbone.final_parameters()
        assert shared.grad is not None
        norms.append(float(shared.grad.norm()))
    found = objective.beside.weight_K.grad
    assert found is not None
    assert found[:2].abs().tolist() == pytest.approx(norms, rel=1e-4)
    assert found[2] == 0, "a task that is not there has nothing to pull with"


@pytest.mark.parametrize("weighing", ["uncertainty", "gradnorm"])
def test_weights_are_learnt_with_the_agent(weighing: Any) -> None:
    agent = tiny_agent(tasks=TASKS).train()
    objective = balanced.Config(by="task", weighing=weighing).build()
    network = distributed.connect(agent, objective, ALONE, Layout(1, 1))
    optimizers = optim.build(agent, optim.Config(), beside=network.beside)
    for _ in range(3):
        figures = loop.train_step(network, optimizers, [batch_of(agent)], 1.0, 1.0)
    weights = {name: value for name, value in figures.items() if name.startswith("weight/")}
    assert set(weights) == {"weight/toy/task", "weight/caption/toy", "weight/others"}
    assert len({round(value, 6) for value in weights.values()}) > 1
    if weighing == "gradnorm":
        assert float(objective.beside.weight_K.detach().sum()) == pytest.approx(4.0, rel=1e-5)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        balanced.Config(by="family")  # ty: ignore[invalid-argument-type]
