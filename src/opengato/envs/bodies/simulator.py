"""Bodies cut from Gymnasium's models, and the task of moving forward: the half of the family that loads MuJoCo."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np

from opengato.envs.bodies.shapes import Shape
from opengato.envs.camera import Camera
from opengato.envs.running import Runner

_mj: Any = mujoco
ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
TRACK = 0  # the camera that follows the body
MAX_STEPS = 1000
SECONDS = 0.008  # of a control step, about
NOISE = 5e-3  # of the first positions and speeds
LEAST_HEIGHT, PITCH = 0.6, 1.0  # well: the share of the first height, and rad
WELL, CONTROL_COST = 1.0, 1e-3


def model_of(shape: Shape) -> Any:
    """The MjModel of a shape: Gymnasium's file without what is cut off, and without what drove it."""
    root = ElementTree.parse(ASSETS / f"{shape.model}.xml").getroot()
    for parent in list(root.iter("body")):
        for child in parent.findall("body"):
            if child.get("name") in shape.cut:
                parent.remove(child)
    joints = {joint.get("name") for joint in root.iter("joint")}
    for parent in [*root.iter("actuator"), *root.iter("tendon")]:
        for child in list(parent):
            wanted = {part.get("joint") for part in child.iter() if part.get("joint")}
            if not wanted <= joints:
                parent.remove(child)
    return _mj.MjModel.from_xml_string(ElementTree.tostring(root, encoding="unicode"))


def lowest(model: Any, data: Any) -> float:
    """Height of the lowest point of the body's capsules and spheres, in m."""
    own = model.geom_bodyid > 0
    upright = np.abs(data.geom_xmat[own, 8])
    halves = np.where(model.geom_type[own] == _mj.mjtGeom.mjGEOM_CAPSULE, model.geom_size[own, 1], 0.0)
    return float((data.geom_xpos[own, 2] - upright * halves - model.geom_size[own, 0]).min())


class BodyEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """A body that is paid for its way forward, and for each step that it has not fallen."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 125}  # noqa: RUF012 - Gymnasium's own way

    def __init__(self, shape: Shape, render_size: int) -> None:
        self.shape = shape
        self.model = model_of(shape)
        self.data = _mj.MjData(self.model)
        _mj.mj_forward(self.model, self.data)
        self.start = self.data.qpos.copy()
        self.height_at = 1 if shape.planar else 2
        self.start[self.height_at] -= lowest(self.model, self.data)
        self.frames = max(1, round(SECONDS / self.model.opt.timestep))
        self.seconds = self.frames * self.model.opt.timestep
        self.heights = (LEAST_HEIGHT * float(self.start[self.height_at]), np.inf)
        self.low, self.high = self.model.actuator_ctrlrange.T.astype(np.float32)
        self.action_space: Any = gymnasium.spaces.Box(self.low, self.high, dtype=np.float32)
        self.observation_space: Any = gymnasium.spaces.Box(-np.inf, np.inf, (shape.observed,), np.float64)
        self.render_mode = "rgb_array" if render_size > 0 else None
        self.episode_seed = 0
        self._render_size, self._steps = render_size, 0
        self._camera: Camera | None = None

    @property
    def reward(self) -> Runner:
        """What a step pays, for plans."""
        pitch = PITCH if self.shape.planar else np.inf
        return Runner(CONTROL_COST, well=WELL, height_at=self.height_at, heights=self.heights, pitch=pitch)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Stand, a little disturbed."""
        super().reset(seed=seed)
        self.episode_seed = int(self.np_random.integers(2**31))
        _mj.mj_resetData(self.model, self.data)
        self.data.qpos[:] = self.start + self.np_random.uniform(-NOISE, NOISE, self.model.nq)
        self.data.qvel[:] = self.np_random.uniform(-NOISE, NOISE, self.model.nv)
        _mj.mj_forward(self.model, self.data)
        self._steps = 0
        return self._observe(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        if np.shape(action) != self.action_space.shape:
            raise ValueError(f"action: received shape {np.shape(action)}, expected {self.action_space.shape}")
        before = float(self.data.qpos[0])
        self.data.ctrl[:] = np.clip(action, self.low, self.high)
        _mj.mj_step(self.model, self.data, self.frames)
        speed = (float(self.data.qpos[0]) - before) / self.seconds
        well = self._is_well()
        self._steps += 1
        reward = speed + WELL * well - CONTROL_COST * float(np.square(self.data.ctrl).sum())
        return self._observe(), reward, not well, well and self._steps >= MAX_STEPS, {"speed": speed}

    def render(self) -> np.ndarray:
        if self.render_mode is None:
            raise ValueError("received no render_size at make, expected > 0 for pictures; make the task again so")
        if self._camera is None:
            self._camera = Camera(self.model, self._render_size, TRACK)
        return self._camera.picture(self.data)

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _is_well(self) -> bool:
        high = self.heights[0] < self.data.qpos[self.height_at] < self.heights[1]
        return bool(high and (not self.shape.planar or abs(self.data.qpos[2]) < PITCH))

    def _observe(self) -> np.ndarray:
        return np.concatenate([self.data.qpos[self.height_at :], np.clip(self.data.qvel, -10, 10)])
