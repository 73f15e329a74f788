"""Rendering without a screen: find an OpenGL backend that really draws, before MuJoCo settles on one.

A backend can be installed and still fail, abort its process or draw black, so each is tried in a subprocess that draws
a lit ball of 16 x 16 pixels. `python -m opengato.envs.gl` prints the backend that works.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

APT_PACKAGES = ("libegl1", "libegl-mesa0", "libgl1-mesa-dri", "libopengl0")
APT_FALLBACK = "libosmesa6"
TIMEOUT_SECONDS = 120
BALL = """
import mujoco
xml = '<mujoco><worldbody><light pos="0 0 3"/><geom size=".3" rgba="1 1 1 1"/></worldbody></mujoco>'
model = mujoco.MjModel.from_xml_string(xml)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 16, 16)
renderer.update_scene(data)
spread = int(renderer.render().max()) - int(renderer.render().min())
renderer.close()
assert spread > 30, f"the picture is flat (its pixels differ by {spread})"
"""


def candidates() -> tuple[str, ...]:
    """Backends worth a try on this platform, best first: EGL (a GPU, or software by Mesa), then OSMesa."""
    return ("egl", "osmesa") if sys.platform == "linux" else ("glfw",)


def probe(backend: str) -> str | None:
    """Draw with `backend` in a subprocess: None if it worked, else one line that says why not."""
    env = {key: value for key, value in os.environ.items() if key != "PYOPENGL_PLATFORM"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", BALL],
            env={**env, "MUJOCO_GL": backend},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"no picture within {TIMEOUT_SECONDS} s"
    if done.returncode == 0:
        return None
    causes = [line for line in done.stderr.splitlines() if line[:1].isalpha() and "Error" in line.split(":")[0]]
    return causes[0] if causes else f"the process ended with code {done.returncode}"


def ensure_gl() -> str:
    """Set MUJOCO_GL to a backend that draws here, and return its name.

    A MUJOCO_GL that the user has set is checked and never replaced. The check costs a second or two, once per tree of
    processes: OPENGATO_GL tells child processes what was found. RuntimeError says what failed and what to install.
    """
    chosen = os.environ.get("MUJOCO_GL", "").strip().lower()
    if not chosen or chosen != os.environ.get("OPENGATO_GL"):
        chosen = _find(chosen)
        os.environ["MUJOCO_GL"] = os.environ["OPENGATO_GL"] = chosen
    _rebind(chosen)
    return chosen


def _find(wanted: str) -> str:
    failures = {}
    for backend in (wanted,) if wanted else candidates():
        cause = probe(backend)
        if cause is None:
            return backend
        failures[backend] = cause
    if any("No module named 'mujoco'" in cause for cause in failures.values()):
        raise RuntimeError("rendering needs mujoco, which is not installed: pip install 'opengato[metaworld]'")
    tried = "".join(f"\n  {backend}: {cause}" for backend, cause in failures.items())
    if wanted:
        raise RuntimeError(
            f"MUJOCO_GL={wanted} cannot draw here:{tried}\nUnset MUJOCO_GL to let opengato look for a backend that can."
        )
    raise RuntimeError(
        f"no OpenGL backend can draw without a screen here:{tried}\n"
        f"On Debian or Ubuntu: sudo apt-get install {' '.join(APT_PACKAGES)}   (or: {APT_FALLBACK})"
    )


def _rebind(backend: str) -> None:
    """Where mujoco was imported before the choice, let its `Renderer` take the chosen backend after all."""
    module = sys.modules.get("mujoco.gl_context")
    if module is not None and module.GLContext.__module__ != f"mujoco.{backend}":
        importlib.reload(module)


def main() -> int:
    """Print the backend that works, or why none does; the exit code says which."""
    try:
        print(ensure_gl())
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
