"""What every objective owes the loop; a new folder under `opengato/objectives` is tested the moment it exists."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from opengato.agent.model import Agent
from opengato.backbones.pathways import sparse
from opengato.core.batch import PackedBatch
from opengato.core.config import plugins
from opengato.core.objective import Objective
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.nn import ctc, decision, spaces
from tests.contracts.found import assert_survives_json, config_of, variants
from tests.objectives.test_ctc import heard_by_an_encoder, recording
from tests.tiny import documents_of_all_kinds, tiny_agent, tiny_encoder, vector_config

VARIANTS = variants("objectives")
OF_SPEECH = ("ctc",)  # what has nothing to learn from other documents
PREDICTING = ("next_token", "next_token/+beside", "decision", "balanced")  # on what a causal trunk says of a batch
TRUNK: dict[str, Any] = {"width": 32, "depth": 2, "heads": 4, "hidden": 24}
# Heads of the agent that an objective asks for.
HEADS = {"contrastive": spaces.Config(video="image", audio="state", text="text", fine=8, coarse=4)}
TASKS = tuple(dict.fromkeys(episode.task for episode in documents_of_all_kinds()))
NUMBERS = {task: number for number, task in enumerate(TASKS)}


def agent_for(variant: str, objective: Objective) -> Agent:
    """An agent whose trunk the objective can train, with the head that it needs."""
    if variant in OF_SPEECH:
        return heard_by_an_encoder()
    if objective.names_tasks:
        return tiny_agent(tasks=TASKS, decision=decision.Config())
    return tiny_agent() if objective.causal is not False else tiny_encoder(contrast=HEADS.get(variant))


def packed(variant: str = "next_token", rows: int = 1) -> PackedBatch:
    """Control, captions and text, or recordings for an objective of speech, a document in so many rows."""
    serializer, episodes = vector_config().serializer(), documents_of_all_kinds()
    if variant in OF_SPEECH:
        serializer, episodes = heard_by_an_encoder().serializer, [recording("hello"), recording("so be it")]
    documents = [
        Document(sequence=serializer.episode(episode), source=0, episode=i, task=NUMBERS.get(episode.task, -1))
        for i, episode in enumerate(episodes)
        for _ in range(max(1, rows))
    ]
    return pack_documents(documents, max(map(len, documents)))


def content(batch: PackedBatch) -> list[torch.Tensor]:
    """Copies of all tensors of a batch."""
    tensors = []
    for field in dataclasses.fields(batch):
        value = getattr(batch, field.name)
        tensors += value.values() if isinstance(value, dict) else [value]
    return [tensor.clone() for tensor in tensors]


def test_every_folder_has_a_config() -> None:
    assert {variant.split("/")[0] for variant in VARIANTS} == set(plugins("objectives"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_config_survives_json(variant: str) -> None:
    assert_survives_json(config_of("objectives", variant))


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_gives_a_loss_to_minimise_and_figures(variant: str) -> None:
    objective = config_of("objectives", variant).build()
    assert isinstance(objective, Objective)
    agent, batch = agent_for(variant, objective).train(), packed(variant, objective.rows_per_task)
    objective.begin(agent)
    before = content(batch)
    torch.manual_seed(0)
    loss, figures = objective(agent, batch)
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert figures
    assert objective.terms(batch) > 0
    assert all(type(value) is float and value == value for value in figures.values())
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(content(batch), before, strict=True))
    loss.backward()
    reached = {name.split(".")[0] for name, p in agent.named_parameters() if p.grad is not None and p.grad.any()}
    assert "backbone" in reached
    torch.manual_seed(0)
    again, _ = objective(agent, batch)
    assert torch.equal(again, loss)


@pytest.mark.parametrize("variant", PREDICTING)
def test_what_the_trunk_asks_to_be_kept_small_is_added_to_the_loss(variant: str) -> None:
    """A trunk of the same weights that asks for nothing loses less by just that."""
    found = []
    for balance in (0.0, 0.5):
        torch.manual_seed(0)
        objective, trunk = config_of("objectives", variant).build(), sparse.Config(**TRUNK, balance=balance)
        heads: dict[str, Any] = {"tasks": TASKS, "decision": decision.Config()} if objective.names_tasks else {}
        agent = tiny_agent(backbone=trunk, ctc=ctc.Config(), **heads)
        objective.begin(agent)
        loss, figures = objective(agent, packed())
        found.append((float(loss.detach()), figures["trunk/balance"]))
    (without, nothing), (total, cost) = found
    assert nothing == 0
    assert 0.4 < cost < 2
    assert total == pytest.approx(without + cost, rel=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_it_has_of_its_own_goes_through_a_file(variant: str) -> None:
    """Another one that takes its state goes on the same; so the loss and what follows a step depend on nothing else."""
    objectives = [config_of("objectives", variant).build() for _ in range(2)]
    agent, batch = agent_for(variant, objectives[0]).train(), packed(variant, objectives[0].rows_per_task)
    beside = []
    for seed, objective in enumerate(objectives):
        torch.manual_seed(seed)
        beside.append(objective.begin(agent))
    if beside[0] is None:
        assert beside[1] is None
        return
    with torch.no_grad():
        for parameter in agent.parameters():
            parameter.add_(0.01)
    assert all(type(value) is float for value in objectives[0].stepped(agent).values())
    beside[1].load_state_dict(beside[0].state_dict())
    losses = []
    for objective in objectives:
        torch.manual_seed(5)
        losses.append(objective(agent, batch)[0])
    assert torch.equal(*losses)
    assert objectives[0].stepped(agent) == objectives[1].stepped(agent)
    state = beside[1].state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in beside[0].state_dict().items())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_down_the_gradient_lowers_the_loss(variant: str) -> None:
    objective = config_of("objectives", variant).build()
    agent, batch = agent_for(variant, objective), packed(variant, objective.rows_per_task)
    objective.begin(agent)
    torch.manual_seed(0)
    loss, _ = objective(agent, batch)
    loss.backward()
    with torch.no_grad():
        for parameter in agent.parameters():
            if parameter.grad is not None:
                parameter -= 1e-3 * parameter.grad
    torch.manual_seed(0)
    better, _ = objective(agent, batch)
    assert better < loss
