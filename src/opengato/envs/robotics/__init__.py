"""Robots of Gymnasium-Robotics: an arm and its gripper, hands, mazes for a point and an ant, a kitchen.

[Plappert et al. 2018, arXiv:1802.09464; Rajeswaran et al. 2018, arXiv:1709.10087; Gupta et al. 2019, arXiv:1910.11956;
Fu et al. 2020, arXiv:2004.07219], played in `gymnasium-robotics` (extra `robotics`). Nothing here loads the simulator
before an environment is made.
"""

from opengato.envs.robotics.family import Family

__all__ = ["Family"]
