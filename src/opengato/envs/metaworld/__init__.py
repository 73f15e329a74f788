"""Meta-World: 50 tasks of one robot arm on a table, with a scripted policy that solves each.

[Yu et al. 2019, arXiv:1910.10897], played in `metaworld` version 3 (extra `metaworld`). Nothing here loads the
simulator before an environment is made, or OpenGL before a frame is asked for.
"""

from opengato.envs.metaworld.family import Family

__all__ = ["Family"]
