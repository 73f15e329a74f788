"""DeepMind's Control Suite as Gymnasium environments: the half of the family that loads dm_control."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np

from opengato.envs.camera import Camera
from opengato.envs.dmc import perturbation
from opengato.envs.dmc.tasks import LARGE, PIXELS, SMALL, Variant

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # glfw complains where there is no screen, before dm_control tries EGL
    from dm_control import suite
    from dm_control.suite import quadruped

SIDE = 64  # pixels, of the tasks from pixels
CAMERA = 0  # the suite's own
MAX_STEPS = 1000
HILLY = "escape"  # the task whose ground is drawn anew for each episode
UNLIMITED = 6.0  # what an action of 1 stands for where a control has no limits: lqr's best reach 5.7


def make(variant: Variant, render_size: int) -> gymnasium.Env:
    """The environment of a task, with its ending."""
    change = {SMALL: perturbation.SMALL, LARGE: perturbation.LARGE}.get(variant.ending)
    env = ControlEnv(variant.domain, variant.task, change, render_size)
    return PixelEnv(env) if variant.ending == PIXELS else env


def load(domain: str, task: str) -> Any:
    """A `dm_control.rl.control.Environment`. The seed matters only where the model itself is drawn (lqr): once."""
    simulation = suite.load(domain, task, task_kwargs={"random": 0})
    if task == HILLY:
        simulation.physics.__class__ = _Unseen
    return simulation


class _Unseen(quadruped.Physics):
    """Says that dm_control draws nothing: else each new ground would be sent to OpenGL, also where nobody looks."""

    contexts = None


class ControlEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """One task. `simulation` is dm_control's own environment; `low`, `high` the controls of actions -1 and 1."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 - Gymnasium's own way

    def __init__(self, domain: str, task: str, change: perturbation.Change | None = None, render_size: int = 0) -> None:
        self.domain, self.task_name, self.change = domain, task, change
        self.simulation = load(domain, task)
        spec = self.simulation.action_spec()
        unlimited = np.abs(spec.maximum) > 1e6
        self.low = np.where(unlimited, -UNLIMITED, spec.minimum)
        self.high = np.where(unlimited, UNLIMITED, spec.maximum)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, spec.shape, np.float32)
        shapes = self.simulation.observation_spec().values()
        size = sum(int(np.prod(shape.shape, dtype=np.int64)) for shape in shapes)
        self.observation_space: Any = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float64)
        self.render_mode = "rgb_array" if render_size > 0 else None
        self.episode_seed = 0
        self._render_size = render_size
        self._cameras: dict[int, Camera] = {}
        self._steps = 0

    @property
    def model(self) -> Any:
        """The MjModel of this episode."""
        return self.simulation.physics.model.ptr

    @property
    def data(self) -> Any:
        """The MjData of this episode."""
        return self.simulation.physics.data.ptr

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Start the episode of `seed`, or of the next draw if None: its state, its target and its body, if changed."""
        super().reset(seed=seed)
        self.episode_seed = int(self.np_random.integers(2**31))
        if self.change is not None or self.task_name == HILLY:
            self._close_cameras()  # they know the old model, or the old ground
        if self.change is not None:
            generator = np.random.default_rng(self.episode_seed)
            perturbation.perturb(self.simulation.physics, self.domain, self.change, generator)
        self.simulation.task._random = np.random.RandomState(self.episode_seed)
        self._steps = 0
        return self._observe(self.simulation.reset()), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """A control step; the reward lies in [0, 1] (lqr: see `Family`)."""
        if np.shape(action) != self.action_space.shape:
            raise ValueError(
                f"action for dmc/{self.domain}: received shape {np.shape(action)}, expected {self.action_space.shape}"
            )
        share = (np.clip(action, -1.0, 1.0).astype(np.float64) + 1) / 2
        moment = self.simulation.step(self.low + share * (self.high - self.low))
        self._steps += 1
        terminated = moment.last() and moment.discount == 0
        truncated = not terminated and (moment.last() or self._steps >= MAX_STEPS)
        reward = moment.reward - 1.0 if self.domain == "lqr" else moment.reward
        return self._observe(moment), float(reward), bool(terminated), bool(truncated), {}

    def action_of(self, control: np.ndarray) -> np.ndarray:
        """The action that brings a control about, as near as its limits allow."""
        share = (control - self.low) / (self.high - self.low)
        return np.clip(2 * share - 1, -1.0, 1.0).astype(np.float32)

    def picture(self, size: int) -> np.ndarray:
        """Pixels (size, size, 3) uint8 from the suite's first camera."""
        if size not in self._cameras:
            self._cameras[size] = Camera(self.model, size, CAMERA)
        return self._cameras[size].picture(self.data)

    def render(self) -> np.ndarray:
        if self.render_mode is None:
            raise ValueError(f"dmc/{self.domain} was made without pictures; give make(...) a `render_size` above 0")
        return self.picture(self._render_size)

    def close(self) -> None:
        self._close_cameras()
        self.simulation.close()

    def _close_cameras(self) -> None:
        for camera in self._cameras.values():
            camera.close()
        self._cameras.clear()

    def _observe(self, moment: Any) -> np.ndarray:
        return np.concatenate([np.ravel(part) for part in moment.observation.values()]).astype(np.float64)


class PixelEnv(gymnasium.Wrapper):
    """The same episodes, observed as pictures (SIDE, SIDE, 3) uint8."""

    def __init__(self, env: ControlEnv) -> None:
        super().__init__(env)
        self.control = env
        self.observation_space = gymnasium.spaces.Box(0, 255, (SIDE, SIDE, 3), np.uint8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        _, info = self.control.reset(seed=seed)
        return self.control.picture(SIDE), info

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        _, reward, terminated, truncated, info = self.control.step(action)
        return self.control.picture(SIDE), reward, terminated, truncated, info
