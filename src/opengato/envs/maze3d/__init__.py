"""Mazes and rooms seen by one's own eyes: MiniWorld, a stand-in for DeepMind Lab, which has no distribution.

[Chevalier-Boisvert et al. 2023, arXiv:2306.13831], played in `miniworld` (extra `maze3d`), drawn without a screen
through EGL. Nothing here loads the simulator before an environment is made.
"""

from opengato.envs.maze3d.family import Family

__all__ = ["Family"]
