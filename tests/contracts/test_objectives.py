"""What every objective owes the loop; a new folder under `opengato/objectives` is tested the moment it exists."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.core.config import plugins
from opengato.core.objective import Objective
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.nn import decision, spaces
from tests.contracts.found import assert_survives_json, config_of, variants
from tests.tiny import documents_of_all_kinds, tiny_agent, tiny_encoder, vector_config

VARIANTS = variants("objectives")
# Heads of the agent that an objective asks for.
HEADS = {"contrastive/vatt": spaces.Config(video="image", audio="state", text="text", fine=8, coarse=4)}
TASKS = tuple(dict.fromkeys(episode.task for episode in documents_of_all_kinds()))


def agent_for(variant: str, objective: Objective) -> Agent:
    """An agent whose trunk the objective can train, with the head that it needs."""
    if objective.names_tasks:
        return tiny_agent(tasks=TASKS, decision=decision.Config())
    return tiny_agent() if objective.causal is not False else tiny_encoder(contrast=HEADS.get(variant))


def packed(rows: int = 1) -> PackedBatch:
    """Control, captions and text, a document in so many rows."""
    serializer = vector_config().serializer()
    documents = [
        Document(sequence=serializer.episode(episode), source=0, episode=i, task=TASKS.index(episode.task))
        for i, episode in enumerate(documents_of_all_kinds())
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
    agent, batch = agent_for(variant, objective).train(), packed(objective.rows_per_task)
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


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_it_has_of_its_own_goes_through_a_file(variant: str) -> None:
    """Another one that takes its state goes on the same; so the loss and what follows a step depend on nothing else."""
    objectives = [config_of("objectives", variant).build() for _ in range(2)]
    agent, batch = agent_for(variant, objectives[0]).train(), packed(objectives[0].rows_per_task)
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
    agent, batch = agent_for(variant, objective), packed(objective.rows_per_task)
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
