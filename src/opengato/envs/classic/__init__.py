"""Gymnasium's own small worlds: classic control, Box2D and toy text, each with a known controller or solver.

Box2D and pictures need the extra `classic`; all else runs on gymnasium alone.
"""

from opengato.envs.classic.family import Family

__all__ = ["Family"]
