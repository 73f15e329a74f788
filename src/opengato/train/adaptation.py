"""Adapting as meta-learning means it: a few steps of plain gradient descent on a few episodes of a task.

What it is worth is asked of other episodes of the task, after each number of steps. Letters: E episodes of a store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from opengato.agent.files import save_agent
from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.core.config import plugin, to_json
from opengato.data.documents import Document, DocumentMaker
from opengato.data.packing import pack_documents
from opengato.data.store import EpisodeStore
from opengato.nn.meta import adapted, as_function, fresh, put
from opengato.train.finetune import Mode, Start, check_readable, fill, trained_parameters, with_statistics
from opengato.train.run import made_by

RESULTS = "meta.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """After how many `steps` at which `rate` (that of meta-training) an agent is asked and kept.

    `shots` episodes are learnt from, all of them in each step, and up to `asked` others are asked; `mode` says what the
    steps change.
    """

    steps: tuple[int, ...] = (1, 5, 10)
    rate: float = 0.01
    shots: int = 5
    asked: int = 20
    mode: Mode = "full"
    objective: Any = field(default_factory=lambda: plugin("objectives", "next_token").Config())
    seed: int = 0

    def __post_init__(self) -> None:
        ascending = all(a < b for a, b in pairwise((0, *self.steps)))
        if not self.steps or not ascending or self.shots < 1 or self.asked < 1 or not self.rate > 0:
            raise ValueError(
                f"received steps={self.steps}, shots={self.shots}, asked={self.asked}, rate={self.rate}; expected "
                "ascending numbers of steps, at least 1 episode for each, and a rate above 0"
            )
        if self.mode not in ("full", "head"):
            raise ValueError(f"`mode` is {self.mode!r}; a few steps of plain descent go with `full` or `head`")


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapted:
    """The mean loss on episodes of a task that the steps have not seen, by the number of steps; 0 is before them."""

    task: str
    losses: dict[int, float]
    learnt: int
    asked: int


def adapt(
    start: Start, data: Sequence[str], config: Config, folder: Path, tell: Callable[[str], None] = lambda _: None
) -> list[Adapted]:
    """Adapt to each task of some stores by itself; the agents are in `folder/TASK/steps-N`, the losses in `meta.json`.

    ValueError for a task with too few episodes, and for episodes that the agent cannot read.
    """
    stores = [EpisodeStore(path) for path in data]
    agent_config, _ = with_statistics(start, stores)
    for store in stores:
        check_readable(store, agent_config.serializer())
    found = []
    for store in stores:
        for task in store.tasks():
            agent = agent_config.build()
            if start.weights is not None:
                fill(agent, start.weights)
            agent.card = {
                "recipe": f"{start.origin['name']}, adapted",
                "tasks": [task],
                "from": start.origin,
                **made_by(),
            }
            agent.to("cuda" if torch.cuda.is_available() else "cpu")
            found.append(adapt_to(agent, store, task, config, folder / task.replace("/", "-")))
            tell(f"{task}: " + ", ".join(f"{loss:.3f} after {steps}" for steps, loss in found[-1].losses.items()))
    body = {"config": to_json(config), "from": start.origin, "tasks": [asdict(one) for one in found]}
    (folder / RESULTS).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return found


def adapt_to(agent: Agent, store: EpisodeStore, task: str, config: Config, folder: Path) -> Adapted:
    """Take the steps on one task, and keep the agent after each number of them; it changes in place."""
    index_E = np.flatnonzero(store.task_E == store.task_names.index(task))
    if len(index_E) <= config.shots:
        raise ValueError(
            f"{store.folder} has {len(index_E)} episodes of {task}, expected more than the {config.shots} of `shots`: "
            "others are asked"
        )
    index_E = np.random.default_rng(config.seed).permutation(index_E)
    learnt = batch_of(agent, store, index_E[: config.shots], config.seed)
    asked = batch_of(agent, store, index_E[config.shots : config.shots + config.asked], config.seed)
    objective = config.objective.build()
    if objective.begin(agent) is not None:
        raise ValueError(f"{type(objective).__name__} has weights beside the agent, which no step would change")
    agent.requires_grad_(False)
    for parameter in trained_parameters(agent, config.mode):
        parameter.requires_grad_(True)
    loss, own = as_function(agent, objective)
    weights, losses, card = fresh(own), {}, agent.card
    for before, steps in pairwise((0, 0, *config.steps)):
        weights = fresh(adapted(loss, weights, [learnt] * (steps - before), config.rate, second_order=False))
        with torch.no_grad():
            losses[steps] = float(loss(weights, asked))
        if steps:
            put(agent, weights)
            agent.card = {**card, "adapted": {"steps": steps, "rate": config.rate, "shots": config.shots}}
            save_agent(agent, folder / f"steps-{steps}")
    return Adapted(task=task, losses=losses, learnt=config.shots, asked=len(asked.document_BT))


def batch_of(agent: Agent, store: EpisodeStore, index_E: np.ndarray, seed: int) -> PackedBatch:
    """A window of each episode, a row each."""
    maker, generator = DocumentMaker(agent.serializer), np.random.default_rng(seed)
    documents = [
        Document(
            sequence=maker.make(store[int(index)], agent.context, generator),
            source=0,
            episode=int(index),
            task=agent.task_number(store.task(int(index))),
        )
        for index in index_E
    ]
    return pack_documents(documents, max(map(len, documents))).to(agent.device)
