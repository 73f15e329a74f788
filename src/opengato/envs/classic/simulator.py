"""Gymnasium's environments with success, and with arrays where it shows the number of a state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces


class Outcome(NamedTuple):
    """What a step brought, all but the observation."""

    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """How the task `name` is made. `shape` are the numbers of values that the number of a state is composed of."""

    name: str
    gym_id: str
    success: Callable[[Outcome], bool] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    max_steps: int | None = None
    box2d: bool = False


def held_out(step: Outcome) -> bool:
    """The time is over, and nothing fell."""
    return step.truncated and not step.terminated


def arrived(step: Outcome) -> bool:
    """The episode ended by itself, and not with the -100 of a fall or crash."""
    return step.terminated and step.reward > -100


def won(step: Outcome) -> bool:
    """The episode ended with a reward."""
    return step.terminated and step.reward > 0


def finished(step: Outcome) -> bool:
    """A lap was finished, in the words of CarRacing."""
    return bool(step.info.get("lap_finished", False))


def _lander(name: str, gym_id: str, windy: bool) -> Setup:
    return Setup(name=name, gym_id=gym_id, success=arrived, settings={"enable_wind": windy}, box2d=True)


def _lake(size: int, slippery: bool) -> Setup:
    return Setup(
        name=f"FrozenLake-{size}x{size}" + ("-slippery" if slippery else ""),
        gym_id="FrozenLake-v1",
        success=won,
        settings={"map_name": f"{size}x{size}", "is_slippery": slippery},
        shape=(size, size),
        max_steps={4: 100, 8: 200}[size],
    )


def _cliff(name: str, gym_id: str) -> Setup:
    return Setup(name=name, gym_id=gym_id, success=arrived, shape=(4, 12), max_steps=200)


def _taxi(name: str, **settings: Any) -> Setup:
    return Setup(name=name, gym_id="Taxi-v4", success=arrived, shape=(5, 5, 5, 4), settings=settings)


_SETUPS = (
    Setup(name="CartPole", gym_id="CartPole-v1", success=held_out),
    Setup(name="MountainCar", gym_id="MountainCar-v0", success=arrived),
    Setup(name="MountainCarContinuous", gym_id="MountainCarContinuous-v0", success=arrived),
    Setup(name="Pendulum", gym_id="Pendulum-v1"),
    Setup(name="Acrobot", gym_id="Acrobot-v1", success=arrived),
    _lander("LunarLander", "LunarLander-v3", windy=False),
    _lander("LunarLander-windy", "LunarLander-v3", windy=True),
    _lander("LunarLanderContinuous", "LunarLanderContinuous-v3", windy=False),
    _lander("LunarLanderContinuous-windy", "LunarLanderContinuous-v3", windy=True),
    Setup(name="BipedalWalker", gym_id="BipedalWalker-v3", success=arrived, box2d=True),
    Setup(name="BipedalWalkerHardcore", gym_id="BipedalWalkerHardcore-v3", success=arrived, box2d=True),
    Setup(name="CarRacing", gym_id="CarRacing-v3", success=finished, box2d=True),
    _lake(4, slippery=False),
    _lake(4, slippery=True),
    _lake(8, slippery=False),
    _lake(8, slippery=True),
    _cliff("CliffWalking", "CliffWalking-v1"),
    _cliff("CliffWalking-slippery", "CliffWalkingSlippery-v1"),
    Setup(name="Blackjack", gym_id="Blackjack-v1", success=won),
    _taxi("Taxi"),
    _taxi("Taxi-rainy", is_rainy=True),
    _taxi("Taxi-fickle", fickle_passenger=True),
)
SETUPS = {setup.name: setup for setup in _SETUPS}


def make(setup: Setup, pictures: bool) -> gymnasium.Env:
    """The environment of a task; `pictures` asks gymnasium for those of its own size."""
    env = gymnasium.make(
        setup.gym_id,
        render_mode="rgb_array" if pictures else None,
        max_episode_steps=setup.max_steps,
        disable_env_checker=True,
        **setup.settings,
    )
    return _Judged(env, setup)


class _Judged(gymnasium.Wrapper):
    """Tells success, shows arrays, and takes every action inside the bounds of its spec."""

    def __init__(self, env: gymnasium.Env, setup: Setup) -> None:
        super().__init__(env)
        self.setup = setup
        shape = setup.shape
        if isinstance(env.observation_space, spaces.Tuple):  # Blackjack
            shape = tuple(int(space.n) for space in env.observation_space if isinstance(space, spaces.Discrete))
        if shape:
            self.observation_space = spaces.MultiDiscrete(np.array(shape))
        self.pedals = setup.gym_id == "CarRacing-v3"
        if self.pedals:
            self.action_space = spaces.Box(-1.0, 1.0, (3,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if self.setup.box2d:
            self._renew_world()
        raw, info = self.env.reset(seed=seed, options=options)
        return self._shown(raw), info

    def _renew_world(self) -> None:
        """Make the world of Box2D anew, whose order of contacts would depend on the episodes before."""
        inner: Any = self.unwrapped
        inner._destroy()
        inner.world = type(inner.world)(gravity=inner.world.gravity)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.pedals:
            action = np.clip(action, np.array([-1, 0, 0], np.float32), 1)
        raw, reward, terminated, truncated, info = self.env.step(action)
        reward, terminated, truncated = float(reward), bool(terminated), bool(truncated)
        if self.setup.success is not None:
            info = {**info, "success": self.setup.success(Outcome(reward, terminated, truncated, info))}
        return self._shown(raw), reward, terminated, truncated, info

    def render(self) -> Any:
        """What gymnasium draws, of its own size."""
        if self.env.render_mode is None:
            raise ValueError(
                f"classic/{self.setup.name} was made without pictures; give make(...) a `render_size` above 0"
            )
        return self.env.render()

    def _shown(self, raw: Any) -> Any:
        if self.setup.shape:
            return np.array(np.unravel_index(raw, self.setup.shape), np.int64)
        return np.array(raw, np.int64) if isinstance(raw, tuple) else raw
