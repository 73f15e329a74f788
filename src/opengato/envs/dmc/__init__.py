"""DeepMind's Control Suite: 51 tasks of simulated bodies, also from pixels and with changed physics.

[Tassa et al. 2018, arXiv:1801.00690], played in `dm_control` (extra `dmc`). Nothing here loads the simulator before an
environment is made, or OpenGL before a frame is asked for.
"""

from opengato.envs.dmc.family import Family

__all__ = ["Family"]
