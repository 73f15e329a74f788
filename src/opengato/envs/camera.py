"""Pictures of a MuJoCo simulation, many times faster than with its default settings on a CPU."""

from __future__ import annotations

import atexit
import functools
import weakref
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from opengato.envs.gl import ensure_gl

# The names of a compiled module, which a type checker cannot see.
_mj: Any = mujoco
_open: weakref.WeakSet[Camera] = weakref.WeakSet()


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A camera of our own: metres and degrees."""

    look_at: tuple[float, float, float]
    distance: float
    azimuth: float
    elevation: float


class Camera:
    """Draws an MjData, seen by a view of our own or by the model's camera of that number."""

    def __init__(self, model: Any, size: int, view: View | int) -> None:
        """`model`: an MjModel; `size`: pixels of a side. RuntimeError says what to install if nothing can draw."""
        ensure_gl()
        # On a CPU the cost is in samples per pixel, in the size of the buffers and in the passes for shadows and
        # mirror images: without them a frame costs about a tenth. Read when the renderer is made.
        model.vis.quality.offsamples = 0
        model.vis.quality.shadowsize = 64
        model.vis.global_.offwidth = model.vis.global_.offheight = size
        self._renderer = mujoco.Renderer(model, size, size)
        self._renderer.scene.flags[_mj.mjtRndFlag.mjRND_SHADOW] = 0
        self._renderer.scene.flags[_mj.mjtRndFlag.mjRND_REFLECTION] = 0
        self._view: Any = view if isinstance(view, int) else _free(view)
        _open.add(self)
        _close_all_at_exit()

    def picture(self, data: Any) -> np.ndarray:
        """Pixels (size, size, 3) uint8 of an MjData, row 0 on top."""
        self._renderer.update_scene(data, camera=self._view)
        return self._renderer.render()

    def close(self) -> None:
        """Free the memory of the pictures."""
        _open.discard(self)
        self._renderer.close()


def _free(view: View) -> Any:
    camera = _mj.MjvCamera()
    camera.type = _mj.mjtCamera.mjCAMERA_FREE
    camera.lookat[:] = view.look_at
    camera.distance, camera.azimuth, camera.elevation = view.distance, view.azimuth, view.elevation
    return camera


@functools.cache
def _close_all_at_exit() -> None:
    """Close what was left open, before MuJoCo ends EGL and then complains; exit handlers run from last to first."""
    atexit.register(lambda: [camera.close() for camera in list(_open)])
