"""The anchors of JAT, another generalist agent: what random play, its experts, people and its agent reach in 157 tasks.

[Gallouedec et al. 2024, arXiv:2402.09844]; random, expert and human returns from its `jat/eval/rl/scores_dict.json`
(github.com/huggingface/jat, commit 834b49c), the agent's from the card of its model `jat-project/jat`. How many
episodes stand behind a number is not said there. Each family says how far a return of ours may be held against theirs.

>>> anchors_of("babyai/PutNextS7N4").id
'babyai-put-next'
"""

from __future__ import annotations

import csv
import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

from opengato.core.environment import Score, TaskInfo

FILE = Path(__file__).with_suffix(".csv")
# Names of JAT that are not the environment's.
ALIASES = {
    "babyai-put-next": "babyai-put-next-s7n4",
    "mujoco-doublependulum": "mujoco-inverted-double-pendulum",
    "mujoco-pendulum": "mujoco-inverted-pendulum",
    "mujoco-standup": "mujoco-humanoid-standup",
    "mujoco-walker": "mujoco-walker2d",
}
# Where the returns of a family are other sums, no score against them means anything.
OTHER_REWARD = {
    "metaworld": "JAT's returns are sums of Meta-World v2's dense reward, ours are 1 for the first success",
}
DIFFERENCES = {
    "atari": "learnt; ALE without sticky actions, up to 30 idle steps first",
    "babyai": "the bot; an older minigrid",
    "mujoco": "learnt; Gymnasium's version 4, whose rewards are not all those of version 5",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchors:
    """Mean returns of a task of JAT, with their standard deviations over episodes where it gives them."""

    id: str
    random: float
    random_std: float | None
    expert: float
    expert_std: float | None
    human: float | None
    agent: float
    agent_std: float

    @property
    def agent_score(self) -> float:
        """(agent - random) / (expert - random) of JAT's own agent; ValueError where its expert is not above random."""
        if self.expert <= self.random:
            raise ValueError(f"JAT's expert of {self.id!r} ({self.expert:g}) is not above random ({self.random:g})")
        return (self.agent - self.random) / (self.expert - self.random)


def anchors_of(task_id: str) -> Anchors | None:
    """What JAT measured in `family/name`; None where it does not have the task."""
    return _by_key().get(_key(*task_id.split("/", 1)))


def anchored(task: TaskInfo) -> TaskInfo:
    """The task with JAT's random, expert and human returns in place of ours.

    ValueError where JAT does not have the task, or where its returns are sums of another reward.
    """
    found = anchors_of(task.id)
    if found is None:
        raise ValueError(f"JAT has no anchors of {task.id!r}")
    if task.family in OTHER_REWARD:
        raise ValueError(f"JAT's anchors of {task.id!r} are of another reward: {OTHER_REWARD[task.family]}")
    return dataclasses.replace(
        task,
        expert=f"JAT's ({DIFFERENCES[task.family]})",
        random_score=_score(found.random, found.random_std),
        expert_score=_score(found.expert, found.expert_std),
        human_score=found.human,
    )


def _score(mean: float, std: float | None) -> Score:
    return Score(mean=mean, std=std or 0.0, episodes=0, seed=0)  # 0: it is not said


@functools.cache
def _by_key() -> dict[tuple[str, str], Anchors]:
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {_key(*ALIASES.get(row["task"], row["task"]).split("-", 1)): _anchors(row) for row in rows}


def _anchors(row: dict[str, str]) -> Anchors:
    numbers = {name: float(value) if value else None for name, value in row.items() if name != "task"}
    return Anchors(id=row["task"], **numbers)  # ty: ignore[invalid-argument-type] - only the optional are ever empty


def _key(family: str, name: str) -> tuple[str, str]:
    """A name whatever its spelling: ("babyai", "gotolocal") of `babyai/GoToLocal` and of `babyai-go-to-local`."""
    return family, "".join(letter for letter in name.lower() if letter.isalnum())
