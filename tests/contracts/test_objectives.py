"""What every objective owes the loop; a new folder under `opengato/objectives` is tested the moment it exists."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from opengato.core.batch import PackedBatch
from opengato.core.config import plugins
from opengato.core.objective import Objective
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from tests.contracts.found import assert_survives_json, config_of, variants
from tests.tiny import documents_of_all_kinds, tiny_agent, vector_config

VARIANTS = variants("objectives")


def packed() -> PackedBatch:
    """Control, captions and text, a document a row."""
    serializer = vector_config().serializer()
    sequences = [serializer.episode(episode) for episode in documents_of_all_kinds()]
    documents = [Document(sequence=sequence, source=0, episode=i) for i, sequence in enumerate(sequences)]
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
    agent, batch = tiny_agent().train(), packed()
    before = content(batch)
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
    again, _ = objective(agent, batch)
    assert torch.equal(again, loss)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_down_the_gradient_lowers_the_loss(variant: str) -> None:
    objective = config_of("objectives", variant).build()
    agent, batch = tiny_agent(), packed()
    loss, _ = objective(agent, batch)
    loss.backward()
    with torch.no_grad():
        for parameter in agent.parameters():
            if parameter.grad is not None:
                parameter -= 1e-3 * parameter.grad
    better, _ = objective(agent, batch)
    assert better < loss
