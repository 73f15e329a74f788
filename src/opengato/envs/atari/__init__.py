"""Atari: the 57 games of the Arcade Learning Environment, and an expert that looks ahead in some of them.

[Bellemare et al. 2013, arXiv:1207.4708], played in `ale-py` (extra `atari`, GPL-2.0, with the games' ROMs). Nothing
here loads the emulator before an environment is made.
"""

from opengato.envs.atari.family import Family

__all__ = ["Family"]
