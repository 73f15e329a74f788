"""MiniGrid: 76 small worlds of rooms, doors, keys and lava, and a planner that sees the whole map.

[Chevalier-Boisvert et al. 2023, arXiv:2306.13831], played in `minigrid` (extra `babyai`). Nothing here loads the
simulator before an environment is made.
"""

from opengato.envs.minigrid.family import Family

__all__ = ["Family"]
