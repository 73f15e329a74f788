"""Whether tasks help or hinder one another: the cosine of their gradients on the trunk that they share.

Above 0 a step for one task is a step for the other as well, below 0 it undoes it [Yu et al. 2020, arXiv:2001.06782,
def. 1]. Each task's episodes are dealt into two halves and all cosines are those of halves, so that the diagonal says
how far a task agrees with itself: where that is near 0, there were too few episodes to say anything.
Letters: T tasks, H halves of all tasks, W weights.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.core.episode import Episode
from opengato.data.documents import Document, DocumentMaker
from opengato.data.packing import pack_documents
from opengato.evaluators.embedding_map import episodes_of
from opengato.evaluators.plots import new_figure, save_figure
from opengato.objectives import next_token

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTABLE = 0.05  # a smaller cosine says nothing
FEWEST = 2  # tasks, and episodes of each: one for each half


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`episodes` of each task, a window of at most a row of each; `seed` of the episodes and the windows."""

    episodes: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if self.episodes < FEWEST:
            raise ValueError(f"`episodes` is {self.episodes}, expected at least {FEWEST}: one for each half")


@dataclass(frozen=True, kw_only=True, slots=True)
class Interference:
    """`cosines[i][j]` of the gradients of tasks i and j, the mean over their halves; `cosines[i][i]` of two halves."""

    tasks: tuple[str, ...]
    cosines: tuple[tuple[float, ...], ...]
    config: Config

    def to_json(self, path: Path) -> Path:
        """Write everything, and return the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        body = {"tasks": self.tasks, "cosines": self.cosines, "config": asdict(self.config)}
        path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        return path

    def plot(self, path: Path) -> Path:
        """Write the picture; needs matplotlib."""
        return save_figure(matrix_figure(self), path)

    def opposed(self) -> list[tuple[str, str, float]]:
        """The pairs of tasks whose gradients point apart, the worst first."""
        pairs = [
            (one, other, self.cosines[i][j])
            for i, one in enumerate(self.tasks)
            for j, other in enumerate(self.tasks[:i])
            if self.cosines[i][j] < -NOTABLE
        ]
        return sorted(pairs, key=lambda pair: pair[2])

    def unsure(self) -> list[str]:
        """The tasks whose halves do not agree with each other, so that there is nothing to compare."""
        return [task for i, task in enumerate(self.tasks) if self.cosines[i][i] < NOTABLE]


def interference(agent: Agent, tasks: Sequence[str], config: Config | None = None) -> Interference:
    """The matrix of `tasks` for an agent, from episodes that it has not seen; ValueError for fewer than two tasks."""
    config = config or Config()
    if len(tasks) < FEWEST:
        raise ValueError(f"received {len(tasks)} tasks, expected at least {FEWEST} to compare")
    halves = []
    for task in tasks:
        episodes = episodes_of(task, config.episodes, config.seed)
        if len(episodes) < FEWEST:
            raise ValueError(f"{task} has {len(episodes)} episodes, expected at least {FEWEST}: one for each half")
        halves += [gradient(agent, batch_of(agent, episodes[side::2], config.seed)) for side in range(2)]
    cosine_TT = mean_cosines(np.stack(halves))
    return Interference(tasks=tuple(tasks), cosines=tuple(map(tuple, cosine_TT.tolist())), config=config)


def batch_of(agent: Agent, episodes: Sequence[Episode], seed: int) -> PackedBatch:
    """A window of each episode, a row each."""
    maker, generator = DocumentMaker(agent.serializer), np.random.default_rng(seed)
    documents = [
        Document(
            sequence=maker.make(episode, agent.context, generator),
            source=0,
            episode=number,
            task=agent.task_number(episode.task),
        )
        for number, episode in enumerate(episodes)
    ]
    return pack_documents(documents, max(map(len, documents)))


def gradient(agent: Agent, batch: PackedBatch) -> np.ndarray:
    """The gradient (W,) of the mean loss of what a batch predicts, on the weights of the trunk."""
    weights = list(agent.backbone.parameters())
    with torch.enable_grad():
        loss, _ = next_token.Config().build()(agent, batch.to(agent.device))
        found = torch.autograd.grad(loss, weights, materialize_grads=True)
    return torch.cat([part.flatten().float() for part in found]).cpu().numpy()


def mean_cosines(gradient_HW: np.ndarray) -> np.ndarray:
    """Cosines (T, T) of the tasks of which halves 2 t and 2 t + 1 are the gradients."""
    unit_HW = gradient_HW / np.linalg.norm(gradient_HW, axis=1, keepdims=True)
    cosine_HH = unit_HW @ unit_HW.T
    mean_TT = (cosine_HH[0::2, 0::2] + cosine_HH[0::2, 1::2] + cosine_HH[1::2, 0::2] + cosine_HH[1::2, 1::2]) / 4
    np.fill_diagonal(mean_TT, np.diag(cosine_HH[0::2, 1::2]))
    return mean_TT


def matrix_figure(found: Interference) -> Figure:
    """A square of colour for each pair: blue together, red apart."""
    count = len(found.tasks)
    figure = new_figure(2.4 + 0.55 * count, 1.8 + 0.5 * count)
    axes = figure.add_subplot()
    picture = axes.imshow(np.array(found.cosines), cmap="RdBu", vmin=-1, vmax=1)
    for row, cosines in enumerate(found.cosines):
        for column, cosine in enumerate(cosines):
            colour = "white" if abs(cosine) > 0.6 else "black"
            axes.text(column, row, f"{cosine:.2f}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(count), found.tasks, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(count), found.tasks, fontsize=8)
    axes.set_title("cosine of gradients; diagonal: a task's two halves", loc="left", fontsize=9)
    figure.colorbar(picture, shrink=0.8)
    return figure
