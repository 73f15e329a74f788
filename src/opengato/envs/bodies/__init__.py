"""Walkers, hoppers and humanoids with some of their limbs: one task of moving forward for each body.

As the bodies of modular reinforcement learning [Huang et al. 2020, arXiv:2007.04976], which Gato learnt too; made from
the models that come with Gymnasium.
"""

from opengato.envs.bodies.family import Family

__all__ = ["Family"]
