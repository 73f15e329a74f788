"""The decision loss against its equation in numpy, its special cases, and what it teaches.

Letters: N predicted rows, D width, V tasks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from opengato.agent.files import load_agent, save_agent
from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.core.episode import Episode
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.nn import decision as heads
from opengato.objectives import decision, next_token
from opengato.train import loop, optim
from tests.tiny import caption_episode, tiny_agent, toy_episode, vector_config

TASKS = ("toy/task", "caption/toy")


def heads_of(agent: Agent) -> heads.DecisionHeads:
    assert agent.decision is not None
    return agent.decision


def agent_with_heads(seed: int = 3) -> Agent:
    """All weights of the heads are random: at the beginning they are zero."""
    agent = tiny_agent(tasks=TASKS, decision=heads.Config())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in heads_of(agent).parameters():
            parameter.normal_(generator=generator)
    return agent


def episodes() -> list[Episode]:
    return [toy_episode(0, steps=3), caption_episode(1), replace(toy_episode(2, steps=1), task="toy/unknown")]


def batch_of(episodes: list[Episode], agent: Agent) -> PackedBatch:
    made = [(agent.serializer.episode(episode), agent.task_number(episode.task)) for episode in episodes]
    documents = [Document(sequence=s, source=0, episode=i, task=task) for i, (s, task) in enumerate(made)]
    return pack_documents(documents, max(map(len, documents)))


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x - x.max()).sum()) - x.max()


def by_hand(agent: Agent, batch: PackedBatch, alpha: float, beta: float) -> float:
    """The equation, row by row."""
    head = {name: p.detach().double().numpy() for name, p in heads_of(agent).named_parameters()}
    assert batch.task_BT is not None
    h_SD = agent(batch).detach().flatten(0, 1)
    task_S, order, total, rows = batch.task_BT.flatten().tolist(), list(agent.config.modalities), 0.0, 0
    for name in batch.payload:
        for slot, payload, wanted in zip(
            batch.slot_N[name].tolist(), batch.payload[name], batch.predict_N[name].tolist(), strict=True
        ):
            if not wanted:
                continue
            x_D, task, kind = h_SD[slot - 1].double().numpy(), task_S[slot - 1], order.index(name)
            of_tasks = log_softmax(head["task_VD"] @ x_D + head["task_V"])
            of_kinds = log_softmax(head["modality_MD"] @ x_D + head["modality_M"])
            share_V = np.exp(of_tasks) if task < 0 else np.eye(len(TASKS))[task]
            told_D = x_D + share_V @ head["told_task_VD"] + head["told_modality_MD"][kind]
            predicted = agent.modality(name).loss(torch.from_numpy(told_D).float()[None], payload[None])
            total += (0 if task < 0 else -of_tasks[task]) - alpha * of_kinds[kind] + beta * float(predicted.detach())
            rows += 1
    return total / rows


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (0.5, 0.0), (0.0, 2.0), (0.7, 1.3)])
def test_it_is_the_equation(alpha: float, beta: float) -> None:
    agent = agent_with_heads()
    batch = batch_of(episodes(), agent)
    loss, _ = decision.Config(alpha=alpha, beta=beta).build()(agent, batch)
    assert float(loss.detach()) == pytest.approx(by_hand(agent, batch, alpha, beta), rel=1e-5)


def test_without_alpha_and_beta_only_the_task_is_learnt() -> None:
    agent = agent_with_heads()
    batch = batch_of(episodes(), agent)
    loss, figures = decision.Config(alpha=0.0, beta=0.0).build()(agent, batch)
    loss.backward()
    reached = {name for name, parameter in heads_of(agent).named_parameters() if parameter.grad is not None}
    assert reached == {"task_VD", "task_V"}
    assert all(parameter.grad is None for parameter in agent.modality("motion").head_parameters())
    assert figures.keys() == {"loss/which task", "accuracy/which task"}


def test_without_tasks_and_modalities_it_is_next_token_prediction_to_the_bit() -> None:
    """Heads that know nothing yet add nothing."""
    agent = tiny_agent(tasks=TASKS, decision=heads.Config())
    batch = batch_of(episodes(), agent)
    ours, _ = decision.Config(task=0.0, alpha=0.0).build()(agent, batch)
    theirs, _ = next_token.Config().build()(tiny_agent(), batch)
    assert torch.equal(ours, theirs)


def test_at_first_every_task_is_as_likely() -> None:
    agent = tiny_agent(tasks=TASKS, decision=heads.Config())
    _, figures = decision.Config().build()(agent, batch_of(episodes(), agent))
    assert figures["loss/which task"] == pytest.approx(math.log(2))
    assert figures["loss/which modality"] == pytest.approx(math.log(len(agent.config.modalities)))
    assert agent.which_task(episodes()[0]) == pytest.approx(dict.fromkeys(TASKS, 0.5))


def test_weights_that_are_all_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="not all 0"):
        decision.Config(task=0.0, alpha=0.0, beta=0.0)
    agent = tiny_agent()
    batch = batch_of(episodes()[:1], agent)
    with pytest.raises(ValueError, match="give the agent's config `decision`"):
        decision.Config().build()(agent, batch)


def test_what_is_believed_is_the_mean_of_the_answers_before_each_prediction() -> None:
    agent = agent_with_heads()
    [episode, *_] = episodes()
    batch = batch_of([episode], agent)
    before = torch.cat([batch.slot_N[name][batch.predict_N[name]] - 1 for name in batch.payload])
    with torch.inference_mode():
        share_V = heads_of(agent).tasks(agent(batch).flatten(0, 1)[before]).softmax(-1).mean(0)
    found = agent.which_task(episode)
    assert [found[task] for task in TASKS] == pytest.approx(share_V.tolist(), rel=1e-4)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_it_learns_which_task_it_is_and_the_saved_agent_knows_of_an_unseen_one(tmp_path: Path) -> None:
    """Two tasks that differ in what is observed; a third has the observations of the first and another name."""
    config = replace(vector_config(), tasks=TASKS, decision=heads.Config())
    settings: dict[str, Any] = {"steps": 12, "precision": "float32", "optim": optim.Config(warmup=1)}
    agent = config.build()

    def batches(start: int) -> Iterator[PackedBatch]:
        for step in range(start, 100):
            yield batch_of([toy_episode(step, steps=2, instruction=""), caption_episode(step)], agent)

    loop.fit(loop.Config(agent=config, objective=decision.Config(), **settings), batches, tmp_path, {})
    learnt = load_agent(tmp_path)
    assert max(learnt.which_task(caption_episode(500)).items(), key=lambda item: item[1])[0] == "caption/toy"
    unseen = replace(toy_episode(500, steps=3, instruction=""), task="toy/never-seen")
    assert next(iter(learnt.which_task(unseen))) == "toy/task"
    save_agent(learnt, tmp_path / "again")
    assert load_agent(tmp_path / "again").which_task(unseen) == learnt.which_task(unseen)
    with pytest.raises(ValueError, match="no head that names tasks"):
        tiny_agent().which_task(unseen)
