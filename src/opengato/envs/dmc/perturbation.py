"""Changed physics: gears, joints and limbs of a body multiplied by factors near 1, drawn anew for each episode.

Gato's two sets of DM Control with random physics change actuator gears, joint ranges, stiffness and damping, and sizes
and densities of geoms [Reed et al. 2022, arXiv:2205.06175, app. F]; the paper leaves open what shares a factor. Here
each number of each part has its own.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

_mj: Any = mujoco


@dataclass(frozen=True, slots=True)
class Change:
    """Factors from [1 - most, 1 - least] or [1 + least, 1 + most], both sides alike."""

    least: float
    most: float

    def factor(self, generator: np.random.Generator) -> float:
        return 1 + generator.choice((-1, 1)) * generator.uniform(self.least, self.most)


SMALL, LARGE = Change(0.05, 0.1), Change(0.2, 0.4)


def perturb(physics: Any, domain: str, change: Change, generator: np.random.Generator) -> None:
    """Load the domain's own model into `physics`, changed."""
    xml, assets = importlib.import_module(f"dm_control.suite.{domain}").get_model_and_assets()
    spec = _mj.MjSpec.from_string(xml if isinstance(xml, str) else xml.decode(), assets)
    for actuator in spec.actuators:
        actuator.gear = np.asarray(actuator.gear) * change.factor(generator)
    for joint in spec.joints:
        joint.range = np.asarray(joint.range) * change.factor(generator)
        joint.stiffness *= change.factor(generator)
        joint.damping *= change.factor(generator)
    for geom in spec.geoms:
        if geom.parent.name == "world":  # floors and targets
            continue
        geom.size = np.asarray(geom.size) * change.factor(generator)
        factor = change.factor(generator)
        geom.mass *= factor
        geom.density *= factor
    spec.compile()  # what has not been compiled is not written
    physics.reload_from_xml_string(spec.to_xml(), assets)
