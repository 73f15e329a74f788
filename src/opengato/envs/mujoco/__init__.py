"""Gymnasium's MuJoCo tasks, version 5: pendulums, arms, and bodies that learn to swim, hop, walk and run.

Nothing here loads MuJoCo before an environment is made, or OpenGL before a frame is asked for.
"""

from opengato.envs.mujoco.family import Family

__all__ = ["Family"]
