"""Parallel decision training: a step on one task leaves what belongs to others as it was, to the byte."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from opengato.agent.files import load_agent, save_agent
from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.core.episode import Episode
from opengato.data.documents import Document
from opengato.data.loader import LoaderConfig
from opengato.data.packing import pack_documents
from opengato.data.store import StoreWriter
from opengato.nn import private
from opengato.objectives import next_token
from opengato.train import distributed, loop, optim
from opengato.train.distributed import ALONE, Layout
from opengato.train.finetune import Config, Start, constant_adam, finetune, with_parts
from tests.tiny import caption_episode, tiny_agent, toy_episode

TASKS = ("toy/task", "caption/toy", "toy/other")


def batch_of(agent: Agent, *episodes: Episode) -> PackedBatch:
    made = [(agent.serializer.episode(episode), agent.task_number(episode.task)) for episode in episodes]
    documents = [Document(sequence=s, source=0, episode=i, task=task) for i, (s, task) in enumerate(made)]
    return pack_documents(documents, max(map(len, documents)))


def bytes_of(tensors: dict[str, Tensor]) -> dict[str, bytes]:
    return {name: tensor.detach().numpy().tobytes() for name, tensor in tensors.items()}


def remembered(agent: Agent, optimizers: optim.Optimizers) -> dict[str, bytes]:
    """All that the optimisers hold of each weight."""
    names = {id(parameter): name for name, parameter in agent.named_parameters()}
    found = {
        f"{names[id(parameter)]}/{key}": value
        for part in optimizers.parts
        for parameter, state in part.state.items()
        for key, value in state.items()
    }
    return bytes_of(found)


@pytest.mark.parametrize("kind", ["adapter", "head"])
@pytest.mark.parametrize("trunk", ["full", "frozen"])
def test_a_step_on_one_task_touches_nothing_of_the_others(kind: Any, trunk: str) -> None:
    parts = private.Config(task=kind, modality="adapter", units=4)
    agent = tiny_agent(tasks=TASKS, private=parts).train()
    agent.backbone.requires_grad_(trunk == "full")
    network = distributed.connect(agent, next_token.Config().build(), ALONE, Layout(1, 1))
    settings = optim.Config(weight_decay=0.1)
    optimizers = optim.build(agent, settings)

    def step(*episodes: Episode) -> None:
        loop.train_step(network, optimizers, [batch_of(agent, *episodes)], 1.0, settings.clip)

    for seed in range(2):  # so that every weight has a momentum, which would move it on
        step(toy_episode(seed), caption_episode(seed), replace(toy_episode(5 + seed), task="toy/other"))
    before, memory = bytes_of(agent.state_dict()), remembered(agent, optimizers)
    step(caption_episode(9))
    after, later = bytes_of(agent.state_dict()), remembered(agent, optimizers)
    moved = {name for name in before if before[name] != after[name]}
    others = {
        name
        for name in before
        if name.startswith(("private.tasks.0.", "private.tasks.2."))
        or any(f"modalities.{m}." in name for m in ("cells", "choice", "state", "motion"))
    }
    assert any(name.startswith("private.tasks.1.") for name in moved)
    assert any(name.startswith("private.modalities.text.") for name in moved)
    assert any(name.startswith("backbone.") for name in moved) == (trunk == "full")
    assert others
    assert not moved & others
    touched = {name for name in memory if memory[name] != later[name]}
    assert touched
    assert {name.rpartition("/")[0] for name in touched} <= moved
    assert memory.keys() == later.keys()


def test_parts_begin_as_nothing_and_each_document_has_those_of_its_task() -> None:
    """Documents of several tasks in one batch are what they are one by one, computed by hand."""
    agent = tiny_agent(tasks=TASKS, private=private.Config(task="adapter", modality="head", units=4))
    episodes = [toy_episode(0), caption_episode(1), replace(toy_episode(2), task="toy/unknown")]
    plain = tiny_agent().losses(batch_of(agent, *episodes))
    for name, loss_N in agent.losses(batch_of(agent, *episodes)).items():
        assert torch.equal(loss_N, plain[name])
    generator = torch.Generator().manual_seed(0)
    assert agent.private is not None
    for parameter in agent.private.parameters():
        nn.init.normal_(parameter, generator=generator)
    together = agent.losses(batch_of(agent, *episodes))
    alone = [agent.losses(batch_of(agent, episode)) for episode in episodes]
    for name, loss_N in together.items():
        torch.testing.assert_close(loss_N, torch.cat([found[name] for found in alone if name in found]))
    by_likelihood = agent.log_likelihood(episodes)
    for found, nll in zip(alone, by_likelihood, strict=True):
        assert float(torch.cat(list(found.values())).sum().detach()) == pytest.approx(float(nll.sum()), rel=1e-4)

    x, task = torch.randn(3, 32, generator=generator), torch.tensor([1, -1, 0])
    parts: Any = agent.private
    by_hand = []
    for row, number in zip(x, task.tolist(), strict=True):
        row = parts.modalities["text"].weight @ row
        if number >= 0:
            part = parts.tasks[number]
            normal = (row - row.mean()) / (row.var(unbiased=False) + 1e-5).sqrt() * part.norm.weight + part.norm.bias
            hidden = part.down.weight @ normal + part.down.bias
            hidden = 0.5 * hidden * (1 + torch.erf(hidden / 2**0.5))
            row = row + part.up.weight @ hidden + part.up.bias
        by_hand.append(row)
    torch.testing.assert_close(parts(x, task, "text"), torch.stack(by_hand), rtol=1e-4, atol=1e-4)


def test_an_agent_acts_with_the_parts_of_the_task_that_it_is_in() -> None:
    """A part that turns the hidden state round changes what is done in its task, and nowhere else."""
    agent = tiny_agent(tasks=TASKS, private=private.Config(task="head"))
    changed: Any = copy.deepcopy(agent)
    with torch.no_grad():
        changed.private.tasks[2].weight.neg_()
    same, other = toy_episode(0), replace(toy_episode(0), task="toy/other")
    assert changed.log_likelihood([same])[0].tolist() == agent.log_likelihood([same])[0].tolist()
    assert changed.log_likelihood([other])[0].tolist() != agent.log_likelihood([other])[0].tolist()


def write(folder: Path, episodes: list[Episode]) -> str:
    with StoreWriter(folder, {"licence": "ours"}) as writer:
        writer.append(episodes)
    return str(folder)


def settings(**changes: Any) -> Config:
    values: dict[str, Any] = {
        "mode": "private",
        "private": private.Config(units=4),
        "optim": constant_adam(1e-2),
        "loader": LoaderConfig(workers=0),
        "rows_per_group": 2,
        "steps": 2,
        "precision": "float32",
        **changes,
    }
    return Config(**values)


def test_new_tasks_get_parts_and_leave_the_shared_weights_and_older_parts_as_they_are(tmp_path: Path) -> None:
    save_agent(tiny_agent(), tmp_path / "base")
    base = load_agent(tmp_path / "base").state_dict()
    first = write(tmp_path / "first", [replace(toy_episode(seed), task="toy/one") for seed in range(3)])
    second = write(tmp_path / "second", [caption_episode(seed) for seed in range(3)])
    one = finetune(Start.of(tmp_path / "base"), {first: 1.0}, settings(), tmp_path / "a")
    assert one.config.tasks == ("toy/one",)
    assert all(torch.equal(tensor, one.state_dict()[name]) for name, tensor in base.items())
    assert any(bool(p.any()) for name, p in one.named_parameters() if name.startswith("private.tasks.0.up"))
    lora = settings(mode="lora", private=private.Config(task="none"), one_task=True)
    two = finetune(Start.of(tmp_path / "a"), {second: 1.0}, lora, tmp_path / "b")
    assert two.config.tasks == ("toy/one", "caption/toy")
    older = {name: tensor for name, tensor in one.state_dict().items() if name.startswith("private.")}
    assert all(torch.equal(tensor, two.state_dict()[name]) for name, tensor in older.items())
    assert any(bool(p.any()) for name, p in two.named_parameters() if name.startswith("private.tasks.1.up"))
    with pytest.raises(ValueError, match="ask for the same"):
        finetune(Start.of(tmp_path / "b"), {second: 1.0}, settings(private=private.Config(units=9)), tmp_path / "c")


def test_alone_parts_of_new_tasks_leave_parts_of_modalities_to_all_tasks(tmp_path: Path) -> None:
    save_agent(tiny_agent(tasks=TASKS, private=private.Config(task="adapter", modality="head")), tmp_path / "base")
    before = load_agent(tmp_path / "base").state_dict()
    data = write(tmp_path / "new", [replace(toy_episode(seed), task="toy/one") for seed in range(3)])
    asked = settings(private=private.Config(task="none"))
    after = finetune(Start.of(tmp_path / "base"), {data: 1.0}, asked, tmp_path / "run").state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert after["private.tasks.3.up.weight"].any()


def test_new_tasks_get_such_parts_as_the_agent_has_and_else_adapters() -> None:
    asked = settings(private=private.Config(task="none"))
    assert with_parts(tiny_agent().config, asked, ["a/b"]).private == private.Config(task="adapter")
    heads = private.Config(task="head", modality="adapter")
    found = with_parts(tiny_agent(tasks=TASKS, private=heads).config, asked, ["a/b"])
    assert found.private == heads
    assert found.tasks == (*TASKS, "a/b")
    plain = tiny_agent().config
    assert with_parts(plain, settings(mode="lora", private=private.Config(task="none")), ["a/b"]) == plain
    with pytest.raises(ValueError, match="no task has parts"):
        with_parts(plain, settings(private=private.Config(task="none", modality="head")), ["a/b"])
    with pytest.raises(ValueError, match="at least 1 unit"):
        private.Config(units=0)
