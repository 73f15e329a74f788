"""BabyAI: 96 levels of a grid world with instructions in English, and the planner that solves 89 of them.

[Chevalier-Boisvert et al. 2019, arXiv:1810.08272], played in `minigrid` (extra `babyai`). Nothing here loads the
simulator before an environment is made.
"""

from opengato.envs.babyai.family import Family

__all__ = ["Family"]
