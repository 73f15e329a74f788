"""A map of tasks: episodes as points, near one another where the agent's hidden states are alike.

After Gato [Reed et al. 2022, arXiv:2205.06175, sec. 5.7]: the states of one layer over a piece of 128 positions are
averaged, reduced to 50 numbers by principal components, and laid out in the plane by t-SNE [van der Maaten & Hinton
2008]. Letters: N episodes, T positions, D width, K components.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from opengato.agent.inside import hidden_states, trunk_of
from opengato.agent.model import Agent
from opengato.core.episode import Episode, document
from opengato.core.sequence import TokenSequence
from opengato.envs import families
from opengato.evaluators.heldout import held_out_pictures, held_out_tasks, held_out_text
from opengato.evaluators.plots import colour, new_figure, save_figure
from opengato.rollout import as_policy, rollout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHARACTERS = 2000  # of a document of text: more than a piece has room for
MARKERS = "os^Dvp*X"
FEWEST = 8  # points: with fewer there is no neighbourhood to speak of


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`episodes` of each task, a piece of `length` positions of each; `layer` counts from 1 (None: the middle one)."""

    episodes: int = 100
    length: int = 128
    layer: int | None = None
    components: int = 50
    perplexity: float = 30.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingMap:
    """Points in the plane, with the task of each.

    `neighbours` is the share of points whose nearest neighbour, among the components, is of their own task and of their
    own family, beside the shares expected by chance.
    """

    tasks: tuple[str, ...]
    points: tuple[tuple[float, float], ...]
    neighbours: dict[str, float]
    layer: int
    depth: int
    config: Config

    def to_json(self, path: Path) -> Path:
        """Write everything, and return the path."""
        points = [{"task": task, "x": x, "y": y} for task, (x, y) in zip(self.tasks, self.points, strict=True)]
        body: dict[str, Any] = {
            "layer": self.layer,
            "depth": self.depth,
            "config": asdict(self.config),
            "neighbours": self.neighbours,
            "points": points,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        return path

    def plot(self, path: Path) -> Path:
        """Write the picture; needs matplotlib."""
        return save_figure(map_figure(self), path)


def embedding_map(agent: Agent, tasks: Sequence[str], config: Config | None = None) -> EmbeddingMap:
    """The map of `tasks` in the eyes of an agent; ImportError says how to get scikit-learn."""
    config = config or Config()
    depth = trunk_of(agent, 1).depth
    layer = (depth + 1) // 2 if config.layer is None else config.layer
    trunk_of(agent, layer)
    manifold()  # what is missing is told before minutes of episodes
    rng = np.random.default_rng(config.seed)
    vectors, names = [], []
    for task in tasks:
        episodes = episodes_of(task, config.episodes, config.seed)
        vectors.append(episode_vectors(agent, episodes, layer, config.length, rng))
        names += [task] * len(episodes)
    if len(names) < FEWEST:
        raise ValueError(f"received {len(names)} episodes of {len(tasks)} tasks, expected at least {FEWEST} in all")
    x_NK = principal_components(np.concatenate(vectors), config.components)
    points = t_sne(x_NK, config.perplexity, config.seed)
    return EmbeddingMap(
        tasks=tuple(names),
        points=tuple((float(x), float(y)) for x, y in points),
        neighbours=neighbour_shares(x_NK, names),
        layer=layer,
        depth=depth,
        config=config,
    )


def default_tasks(trained: Sequence[str], per_family: int = 4) -> list[str]:
    """Of each family that an agent was trained on and of which episodes can be had, tasks at even steps."""
    chosen = []
    for family in dict.fromkeys(task.partition("/")[0] for task in trained):
        at_hand = trained if family in families() else held_out_tasks(family)
        known = [task for task in trained if task.partition("/")[0] == family and task in at_hand]
        steps = np.linspace(0, len(known) - 1, min(per_family, len(known))).round().astype(int)
        chosen += [known[i] for i in steps]
    return chosen


def episodes_of(task: str, count: int, seed: int) -> list[Episode]:
    """Episodes that an agent has not seen: the expert's on evaluation seeds, held-out pictures, held-out prose."""
    family = task.partition("/")[0]
    if family in families():
        return list(rollout(task, as_policy("expert"), episodes=count, seed=seed, num_envs=min(count, 8)))
    if task in held_out_tasks("caption"):
        return [picture.episode(task, picture.caption) for picture in held_out_pictures(task)[:count]]
    text = held_out_text(task)
    starts = np.linspace(0, max(0, len(text) - CHARACTERS), count).astype(int)
    return [document(task, text[start : start + CHARACTERS]) for start in starts]


def episode_vectors(
    agent: Agent, episodes: list[Episode], layer: int, length: int, rng: np.random.Generator
) -> np.ndarray:
    """The mean state (N, D) of a piece of each episode.

    The instruction is read but not averaged: else episodes would be told apart by the words alone.
    """
    pieces = [piece(agent.serializer.episode(episode), length, rng) for episode in episodes]
    states = hidden_states(agent, pieces, layer)
    return np.stack([h_TD[part.step_T >= 0].mean(0) for part, h_TD in zip(pieces, states, strict=True)])


def piece(sequence: TokenSequence, length: int, rng: np.random.Generator) -> TokenSequence:
    """The instruction and what follows from a random place on, `length` positions in all, or the whole if shorter."""
    if len(sequence) <= length:
        return sequence
    latest = len(sequence) - length + sequence.prompt_length
    return sequence.window(int(rng.integers(sequence.prompt_length, latest + 1)), length)


def principal_components(x_ND: np.ndarray, components: int) -> np.ndarray:
    """Coordinates (N, K) along the K directions of largest variance, K at most `components`."""
    centred_ND = np.asarray(x_ND, np.float64) - np.mean(x_ND, axis=0, dtype=np.float64)
    _, _, directions_KD = np.linalg.svd(centred_ND, full_matrices=False)
    return centred_ND @ directions_KD[:components].T


def manifold() -> ModuleType:
    """The module of scikit-learn that knows t-SNE; ImportError says how to get it."""
    try:
        import sklearn.manifold
    except ModuleNotFoundError as error:
        raise ImportError("a map of tasks needs scikit-learn; run: pip install 'opengato[analysis]'") from error
    return sklearn.manifold


def t_sne(x_NK: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    """Points (N, 2) whose neighbourhoods are those of x; a perplexity too large for N is lowered to a third of it."""
    fitting = min(perplexity, (len(x_NK) - 1) / 3)
    return manifold().TSNE(perplexity=fitting, init="pca", random_state=seed).fit_transform(x_NK)


def neighbour_shares(x_NK: np.ndarray, tasks: Sequence[str]) -> dict[str, float]:
    """How often the nearest other point is of the same task and of the same family, and how often by chance."""
    square_N = (x_NK**2).sum(1)
    distance_NN = square_N[:, None] + square_N - 2 * x_NK @ x_NK.T
    np.fill_diagonal(distance_NN, np.inf)
    nearest_N = distance_NN.argmin(1)
    shares = {}
    for what, labels in (("task", list(tasks)), ("family", [task.partition("/")[0] for task in tasks])):
        same_NN = np.equal.outer(labels, labels)
        shares[f"same {what}"] = float(same_NN[np.arange(len(labels)), nearest_N].mean())
        shares[f"same {what} by chance"] = float((same_NN.sum(1) - 1).mean() / (len(labels) - 1))
    return shares


def map_figure(found: EmbeddingMap) -> Figure:
    """A point an episode: a colour a task, a shape a family."""
    names = list(dict.fromkeys(found.tasks))
    families = list(dict.fromkeys(name.partition("/")[0] for name in names))
    figure = new_figure(9, 5.6)
    axes = figure.add_subplot()
    for index, name in enumerate(names):
        mine = [point for point, task in zip(found.points, found.tasks, strict=True) if task == name]
        marker = MARKERS[families.index(name.partition("/")[0]) % len(MARKERS)]
        label = f"{name} ({len(mine)})"
        axes.scatter(*zip(*mine, strict=True), s=22, color=colour(index), marker=marker, label=label, linewidths=0)
    shares = found.neighbours
    axes.set_title(
        f"{len(found.tasks)} episodes after block {found.layer} of {found.depth}; the nearest neighbour is of the same "
        f"task for {shares['same task']:.0%} (by chance {shares['same task by chance']:.0%})",
        loc="left",
        fontsize=9,
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
    return figure
