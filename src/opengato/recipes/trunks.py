"""The run of `tiny` with another trunk: the same data, modalities, optimiser and number of steps."""

from __future__ import annotations

import dataclasses
from typing import Any

from opengato.recipes import tiny
from opengato.train.run import Recipe


def tiny_with(name: str, trunk: Any) -> Recipe:
    """A recipe `name` that shares the collected data of `tiny`."""
    base = tiny.recipe()
    train = dataclasses.replace(base.train, agent=dataclasses.replace(base.train.agent, backbone=trunk))
    return dataclasses.replace(base, name=name, collected=base.name, train=train)
