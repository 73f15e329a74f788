"""Procgen: 16 games whose levels are drawn by number, and experts that try plans in copies of the level.

[Cobbe et al. 2020, arXiv:1912.01588]. Nothing here loads the simulator before an environment is made.
"""

from opengato.envs.procgen.family import Family

__all__ = ["Family"]
