"""Sokoban: push every box onto a target, in levels made on demand, with a search that solves them.

Rules, levels and solver are ours and need no package. Rewards and step limit are those of Gym-Sokoban [Schrader 2018],
whose levels are made in the way of [Racaniere et al. 2017, arXiv:1707.06203, app. E].
"""

from opengato.envs.sokoban.family import Family

__all__ = ["Family"]
