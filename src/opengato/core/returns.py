"""Return conditioning: what was earned and what is still to come, as two observations of each step.

[Chen et al. 2021, arXiv:2106.01345; Lee et al. 2022, arXiv:2205.15241]. Training knows the rewards that came, acting
the return that is asked for; both go through `return_values`. Letters: S steps.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from opengato.core.episode import ArraySpec, Episode

EXPERT_RETURNS = "expert_returns"  # where an agent's card keeps them, by task
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


def with_return_specs(specs: Mapping[str, ArraySpec]) -> dict[str, ArraySpec]:
    """Observation specs with both more; the same dict for equal specs. ValueError if a name is taken."""
    return _extended(tuple(specs.items()))


@functools.lru_cache(maxsize=1024)
def _extended(items: tuple[tuple[str, ArraySpec], ...]) -> dict[str, ArraySpec]:
    specs = dict(items)
    taken = sorted(specs.keys() & SPECS.keys())
    if taken:
        raise ValueError(
            f"the observations have fields {taken} of their own; rename them, or train without `returns`: it adds "
            f"{sorted(SPECS)}"
        )
    return {**specs, **SPECS}


def with_returns(episode: Episode, unit: float) -> Episode:
    """The episode with both observations, from the rewards that it holds."""
    last_S = np.append(0.0, episode.rewards[:-1])
    values = return_values(last_S, episode.episode_return, unit)
    return replace(
        episode,
        observation_specs=with_return_specs(episode.observation_specs),
        observations={**episode.observations, **values},
    )


@dataclass(slots=True)
class ReturnToGo:
    """The return still asked for, while acting: `to_go` in the task's own units, less each reward as it comes."""

    to_go: float
    unit: float

    def observe(self, reward: float) -> dict[str, np.ndarray]:
        """Both observations of the next step; `reward` is that of the step before, 0 before the first."""
        values = return_values(np.array([reward]), self.to_go, self.unit)
        self.to_go -= float(np.float32(reward))
        return {name: value_S[0] for name, value_S in values.items()}
