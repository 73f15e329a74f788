"""Tasks as clients know them: observations that fit their specs, actions, descriptions.

Letters: H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from opengato.agent.model import Agent
from opengato.core.config import choose
from opengato.core.environment import TaskInfo
from opengato.core.episode import MEDIA, ArraySpec
from opengato.envs import find_task
from opengato.serve.bodies import LONGEST_INSTRUCTION
from opengato.serve.media import bytes_of_url, picture
from opengato.serve.refused import Refused

LONGEST_NAME = 200
EXAMPLE_SIDE = 16  # of a picture whose size is open


def task_of(agent: Agent, task_id: str, field: str = "task") -> TaskInfo:
    """A task that the agent can act in; Refused (404) for an unknown one, (400) for one that does not fit it."""
    check_name(task_id, field, 404)
    try:
        task = find_task(task_id)
    except ValueError as error:
        raise Refused(404, f"{field}: {error}", field) from None
    serializer = agent.serializer
    try:
        for name, _, count in serializer.action_slots(task.action_specs):
            if count is None:
                raise ValueError(f"action {name!r} of {task.id!r} is open-ended; ask `/v1/chat/completions` for texts")
        serializer.observation(task.observation_specs, example(task.observation_specs), 0, 0)
    except ValueError as error:
        raise Refused(400, f"{field}: this agent cannot act in {task.id!r}: {error}", field) from None
    return task


def check_name(name: str, field: str, status: int = 400) -> None:
    """Refused for a name that none can be: near ones are looked for, which takes the square of its length."""
    if len(name) > LONGEST_NAME:
        raise Refused(status, f"{field}: received a name of {len(name)} characters", field)


def read_values(
    given: Mapping[str, Any], specs: Mapping[str, ArraySpec], where: str, max_pixels: int
) -> dict[str, Any]:
    """The arrays of a task's specs, from what a client sent; Refused (400) names the field that does not fit."""
    for name in given:
        check_name(name, where)
        try:
            choose(name, specs, what="field")
        except ValueError as error:
            raise Refused(400, f"{where}.{name}: {error}", f"{where}.{name}") from None
    missing = [name for name in specs if name not in given]
    if missing:
        shape = list(specs[missing[0]].shape)
        message = f"{where}.{missing[0]}: is missing; expected {specs[missing[0]].kind} of shape {shape}"
        raise Refused(400, message, f"{where}.{missing[0]}")
    return {name: _value(given[name], spec, f"{where}.{name}", max_pixels) for name, spec in specs.items()}


def _value(given: Any, spec: ArraySpec, field: str, max_pixels: int) -> Any:
    try:
        if spec.kind in MEDIA and isinstance(given, str | bytes):
            data = bytes_of_url(given, field) if isinstance(given, str) else given
            value: Any = np.asarray(picture(data, field, max_pixels)) if spec.kind == "image" else data
            spec.validate(value, field)
            return value
        if spec.kind == "text":
            spec.validate(given, field)
            given.encode()
            if len(given) > LONGEST_INSTRUCTION:
                raise ValueError(f"received {len(given)} characters, allowed are {LONGEST_INSTRUCTION}")
            return given
        value = np.asarray(given)
        if spec.kind == "image" and value.dtype != np.uint8:
            value = _pixels(value)
        spec.validate(value, field)
        with np.errstate(over="ignore"):
            value = value.astype(spec.dtype)
        spec.validate(value, field)  # what is finite in 64 bits may not be in 32
        return value
    except UnicodeEncodeError:
        raise Refused(400, f"{field}: the text holds half a letter (a lone surrogate)", field) from None
    except (ValueError, TypeError, OverflowError) as error:
        said = str(error)
        raise Refused(400, said if said.startswith(field) else f"{field}: {said}", field) from None


def _pixels(value: np.ndarray) -> np.ndarray:
    """Whole numbers of JSON as bytes; ValueError for others."""
    if not np.issubdtype(value.dtype, np.integer) or value.size == 0 or value.min() < 0 or value.max() > 255:
        raise ValueError(f"received {value.dtype}{value.shape}, expected whole numbers from 0 to 255")
    return value.astype(np.uint8)


def describe(task: TaskInfo, trained: bool) -> dict[str, Any]:
    """A task as JSON values."""
    return {
        "id": task.id,
        "family": task.family,
        "instruction": task.instruction,
        "trained": trained,
        "max_steps": task.max_steps,
        "observation": {name: _spec(spec) for name, spec in task.observation_specs.items()},
        "action": {name: _spec(spec) for name, spec in task.action_specs.items()},
        "random_return": None if task.random_score is None else task.random_score.mean,
        "expert_return": None if task.expert_score is None else task.expert_score.mean,
    }


def _spec(spec: ArraySpec) -> dict[str, Any]:
    told = {name: getattr(spec, name) for name in ("name", "kind", "dtype", "low", "high", "num_values", "meaning")}
    return {**told, "shape": list(spec.shape)}


def example(specs: Mapping[str, ArraySpec]) -> dict[str, Any]:
    """Values that fit: as near to zero as the bounds allow."""
    return {name: _nearest_to_zero(spec) for name, spec in specs.items()}


def _nearest_to_zero(spec: ArraySpec) -> Any:
    if spec.kind == "text":
        return ""
    shape = tuple(EXAMPLE_SIDE if size == -1 else size for size in spec.shape)
    if spec.kind in ("discrete", *MEDIA):
        return b"" if spec.kind in ("audio", "video") else np.zeros(shape, spec.dtype)
    low, high = spec.bounds
    return np.broadcast_to(np.clip(0.0, low, high), shape).astype(spec.dtype)
