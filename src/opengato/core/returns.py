"""Return conditioning: what was earned and what is still to come, at each step.

Either the return to go is observed, and acting asks for one [Chen et al. 2021, arXiv:2106.01345]; or it is predicted
before each action, and acting draws a good one [Lee et al. 2022, arXiv:2205.15241, "expert action inference"].
Training knows the rewards that came. Letters: S steps.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from opengato.core.environment import TaskInfo
from opengato.core.episode import ArraySpec, Episode

EXPERT_RETURNS = "expert_returns"  # where an agent's card keeps them, by task
PREDICTED_RETURNS = "predicted_returns"  # and where the tasks whose returns to go it predicts
NUM_BINS, LOWEST, HIGHEST = 64, -2.0, 2.0  # of a predicted return to go, in units of the task's expert return
LAST, TO_GO = "last_reward", "return_to_go"
SPECS = {
    LAST: ArraySpec(
        name="return/last_reward",
        kind="continuous",
        meaning="reward of the step before (0 before the first), in units of the task's expert return",
    ),
    TO_GO: ArraySpec(
        name="return/to_go",
        kind="continuous",
        meaning="sum of the rewards from this step on, in units of the task's expert return",
    ),
}

PREDICTED = ArraySpec(
    name="return/to_go_bin",
    kind="discrete",
    dtype="int64",
    num_values=NUM_BINS,
    meaning=f"sum of the rewards from this step on, in {NUM_BINS} equal bins from {LOWEST:g} to {HIGHEST:g} units of "
    "the task's expert return",
)


def return_unit(expert_return: float) -> float:
    """What rewards are divided by: the size of the task's expert return, so that more stays more; 1 where that is 0."""
    return abs(expert_return) or 1.0


def return_values(last_S: np.ndarray, to_go: float, unit: float) -> dict[str, np.ndarray]:
    """Both observations of consecutive steps, (S,) each.

    `last_S` is the reward before each step (0 before the first of an episode), `to_go` the return that was to come
    before the first of these rewards: return to go of step t = to_go - last_S[0] - ... - last_S[t].
    """
    # In float32, as episodes keep rewards; subtracted one by one, as acting does.
    last_S = np.asarray(last_S, np.float32).astype(np.float64)
    to_go_S = np.subtract.accumulate(np.append(to_go, last_S))[1:]
    return {LAST: (last_S / unit).astype(np.float32), TO_GO: (to_go_S / unit).astype(np.float32)}


def with_return_specs(
    specs: Mapping[str, ArraySpec], names: tuple[str, ...] = (LAST, TO_GO), predicted: bool = False
) -> dict[str, ArraySpec]:
    """Specs with those of returns; the same dict for equal specs. ValueError if a name is taken."""
    return _extended(tuple(specs.items()), names, predicted)


@functools.lru_cache(maxsize=1024)
def _extended(items: tuple, names: tuple[str, ...], predicted: bool) -> dict[str, ArraySpec]:
    specs: dict[str, ArraySpec] = dict(items)
    taken = sorted(specs.keys() & set(names))
    if taken:
        raise ValueError(
            f"there are fields {taken} already; rename them, or train without `returns`: it adds {sorted(names)}"
        )
    return {**specs, **{name: PREDICTED if predicted else SPECS[name] for name in names}}


def with_returns(episode: Episode, unit: float) -> Episode:
    """The episode with both observations, from the rewards that it holds."""
    last_S = np.append(0.0, episode.rewards[:-1])
    values = return_values(last_S, episode.episode_return, unit)
    return replace(
        episode,
        observation_specs=with_return_specs(episode.observation_specs),
        observations={**episode.observations, **values},
    )


def with_predicted_returns(episode: Episode, unit: float) -> Episode:
    """The episode with the last reward observed, and the return to go as the first thing that each action says."""
    seen = with_returns(episode, unit)
    observed = {name: values for name, values in seen.observations.items() if name != TO_GO}
    return replace(
        episode,
        observation_specs=with_return_specs(episode.observation_specs, (LAST,)),
        observations=observed,
        action_specs=with_return_specs(episode.action_specs, (TO_GO,), predicted=True),
        actions={**episode.actions, TO_GO: to_bins(seen.observations[TO_GO])},
    )


def to_bins(to_go_S: np.ndarray) -> np.ndarray:
    """Bins of returns to go in units of the expert's; what lies outside goes to the first or the last."""
    place_S = (np.asarray(to_go_S, np.float64) - LOWEST) / (HIGHEST - LOWEST)
    return np.clip(np.floor(place_S * NUM_BINS), 0, NUM_BINS - 1).astype(np.int64)


class ReturnsInSight(ABC):
    """Returns while acting: what of them is observed, and what is said of them."""

    unit: float

    @abstractmethod
    def task(self, task: TaskInfo) -> TaskInfo:
        """The task with its returns."""

    @abstractmethod
    def shown(self, demonstration: Episode) -> Episode:
        """A demonstration with its returns."""

    @abstractmethod
    def observe(self, reward: float) -> dict[str, np.ndarray]:
        """What is observed of the next step; `reward` is that of the step before, 0 before the first."""


@dataclass(slots=True)
class AskedReturn(ReturnsInSight):
    """The return still asked for: `to_go` in the task's own units, less each reward as it comes."""

    to_go: float
    unit: float

    def task(self, task: TaskInfo) -> TaskInfo:
        return replace(task, observation_specs=with_return_specs(task.observation_specs))

    def shown(self, demonstration: Episode) -> Episode:
        return with_returns(demonstration, self.unit)

    def observe(self, reward: float) -> dict[str, np.ndarray]:
        values = return_values(np.array([reward]), self.to_go, self.unit)
        self.to_go -= float(np.float32(reward))
        return {name: value_S[0] for name, value_S in values.items()}


@dataclass(slots=True)
class PredictedReturn(ReturnsInSight):
    """The return that the agent says it will reach before each action."""

    unit: float

    def task(self, task: TaskInfo) -> TaskInfo:
        return replace(
            task,
            observation_specs=with_return_specs(task.observation_specs, (LAST,)),
            action_specs=with_return_specs(task.action_specs, (TO_GO,), predicted=True),
        )

    def shown(self, demonstration: Episode) -> Episode:
        return with_predicted_returns(demonstration, self.unit)

    def observe(self, reward: float) -> dict[str, np.ndarray]:
        return {LAST: return_values(np.array([reward]), 0.0, self.unit)[LAST][0]}
