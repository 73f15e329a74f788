"""The policies that need no model: uniform actions, the expert, a function of the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from opengato.core.config import choose
from opengato.core.environment import Expert, ExpertFailed, Family, TaskInfo
from opengato.core.episode import ArraySpec
from opengato.core.policy import Observed, Policy, Values
from opengato.envs import family_of

# Different from the stream of `run`, which disturbs actions with a generator of the same seed.
_RANDOM_POLICY_STREAM = 1


class RandomPolicy(Policy):
    """Uniform actions inside the bounds of the action specs; the stream depends on the episode's seed alone."""

    name = "random"
    looks_inside = False

    def __init__(self) -> None:
        self._running: dict[int, tuple[dict[str, ArraySpec], np.random.Generator]] = {}

    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        self._running[slot] = task.action_specs, np.random.default_rng((seed, _RANDOM_POLICY_STREAM))

    def act(self, slots: list[int], observed: list[Observed]) -> list[Values | None]:
        return [self._sample(*self._running[slot]) for slot in slots]

    @staticmethod
    def _sample(specs: dict[str, ArraySpec], rng: np.random.Generator) -> Values:
        return {name: sample_uniform(spec, rng) for name, spec in specs.items()}


class ExpertPolicy(Policy):
    """The family's expert, one per slot. Where it fails, the episode is dropped and the other slots go on."""

    name = "expert"

    def __init__(self) -> None:
        self._running: dict[int, tuple[Family, Expert]] = {}

    def describe(self, task: TaskInfo) -> str:
        return f"expert: {task.expert}"

    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        if task.expert is None:
            raise ValueError(f"task {task.id!r} has no expert; use policy 'random' or your own function")
        if env is None:
            raise ValueError(
                f"the expert of {task.id!r} looks into the simulator: it needs the environment, received None"
            )
        family = family_of(task.id)
        self._running[slot] = family, family.expert(env)

    def act(self, slots: list[int], observed: list[Observed]) -> list[Values | None]:
        return [self._ask(*self._running[slot], seen.raw) for slot, seen in zip(slots, observed, strict=True)]

    @staticmethod
    def _ask(family: Family, expert: Expert, raw: Any) -> Values | None:
        try:
            return family.action_values(expert(raw))
        except ExpertFailed:
            return None

    def end(self, slot: int) -> None:
        self._running.pop(slot, None)  # an expert may hold on to a whole simulator


class CallablePolicy(Policy):
    """A user's function from the environment's observation to its action. With memory, it needs `num_envs=1`."""

    def __init__(self, function: Callable[[Any], Any], name: str | None = None) -> None:
        self.name = name or getattr(function, "__qualname__", type(function).__qualname__)
        self._function = function
        self._families: dict[int, Family] = {}

    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        self._families[slot] = family_of(task.id)

    def act(self, slots: list[int], observed: list[Observed]) -> list[Values | None]:
        pairs = zip(slots, observed, strict=True)
        return [self._families[slot].action_values(self._function(seen.raw)) for slot, seen in pairs]


_NAMED = {"expert": ExpertPolicy, "random": RandomPolicy}
AnyPolicy = str | Policy | Callable[[Any], Any]


def as_policy(policy: AnyPolicy) -> Policy:
    """`"expert"`, `"random"`, a `Policy`, or a function from the environment's observation to its action."""
    if isinstance(policy, str):
        return _NAMED[choose(policy, _NAMED, what="policy")]()
    return policy if isinstance(policy, Policy) else CallablePolicy(policy)


def sample_uniform(spec: ArraySpec, rng: np.random.Generator) -> np.ndarray:
    """A uniform value of a discrete or bounded continuous spec."""
    if spec.num_values is not None:
        return np.asarray(rng.integers(spec.num_values, size=spec.shape), spec.dtype)
    if spec.kind == "continuous" and spec.low is not None and spec.high is not None:
        return np.asarray(rng.uniform(*spec.bounds, spec.shape), spec.dtype)
    raise ValueError(f"cannot draw a random {spec.kind} value for {spec.name!r}: it is not discrete and has no bounds")
