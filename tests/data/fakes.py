"""Small codecs and episodes for the tests of `opengato.data`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from opengato.core.episode import ArraySpec, Episode, document
from opengato.core.serialize import Codec, Layout, Role, Serializer
from opengato.data.store import StoreWriter

GRID = {"image": ArraySpec(name="fake/grid", kind="discrete", num_values=16, shape=(4, 3), dtype="uint8")}
STATE = {"state": ArraySpec(name="fake/state", kind="continuous", shape=(6,), meaning="metres")}
MOVE = {"action": ArraySpec(name="fake/move", kind="discrete", num_values=7, dtype="int64")}
FORCE = {"action": ArraySpec(name="fake/force", kind="continuous", shape=(2,), low=-1, high=1)}


class VectorCodec(Codec):
    """One position per step, padded with zeros to `width`."""

    def __init__(self, width: int, dtype: str):
        self.payload_shape, self.payload_dtype = (width,), dtype

    def num_positions(self, spec: ArraySpec) -> int | None:
        return 1

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        flat = np.asarray(values).reshape(len(values), -1)
        rows = np.zeros((len(values), *self.payload_shape), self.payload_dtype)
        rows[:, : flat.shape[1]] = flat
        return rows, np.ones(len(values), np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> Any:
        return payload[0, : spec.size].reshape(spec.shape)


class TokenCodec(Codec):
    """One position per number."""

    payload_shape, payload_dtype = (), "int64"

    def num_positions(self, spec: ArraySpec) -> int | None:
        return spec.size

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        flat = np.asarray(values).reshape(len(values), -1)
        return np.round(flat * 100).astype(np.int64).reshape(-1), np.full(len(values), flat.shape[1])

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> Any:
        return payload.reshape(spec.shape) / 100


class ByteCodec(Codec):
    """One position per byte of text; 256 begins the instruction."""

    payload_shape, payload_dtype = (), "int64"

    def num_positions(self, spec: ArraySpec) -> int | None:
        return None

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        begin = [256] if role == "instruction" else []
        parts = [np.array([*begin, *value.encode()], np.int64) for value in values]
        return np.concatenate(parts), np.array([len(part) for part in parts])

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> Any:
        return bytes(payload.astype(np.uint8)).decode(errors="replace")


def serializer() -> Serializer:
    layout = Layout(
        order=("text", "grid", "vector", "token"),
        routes={
            "instruction": "text",
            "observation/text": "text",
            "action/text": "text",
            "observation/discrete": "grid",
            "observation/continuous": "vector",
            "action/discrete": "token",
            "action/continuous": "token",
        },
    )
    codecs = {"text": ByteCodec(), "grid": VectorCodec(12, "uint8"), "vector": VectorCodec(6, "float32")}
    return Serializer(layout, {**codecs, "token": TokenCodec()})


def grid_episode(seed: int, steps: int | None = None, task: str | None = None) -> Episode:
    generator = np.random.default_rng(seed)
    steps = int(generator.integers(3, 50)) if steps is None else steps
    return Episode(
        task=task or f"grid/T{seed % 4}",
        instruction="go to the ball",
        observation_specs=GRID,
        action_specs=MOVE,
        observations={"image": generator.integers(0, 16, (steps, 4, 3)).astype(np.uint8)},
        actions={"action": generator.integers(0, 7, steps)},
        rewards=np.arange(steps, dtype=np.float32),
        success=bool(seed % 2),
        provenance={"seed": seed},
    )


def arm_episode(seed: int, steps: int | None = None) -> Episode:
    generator = np.random.default_rng(seed)
    steps = int(generator.integers(20, 150)) if steps is None else steps
    return Episode(
        task=f"arm/T{seed % 3}",
        instruction="open",
        observation_specs=STATE,
        action_specs=FORCE,
        observations={"state": generator.standard_normal((steps, 6)).astype(np.float32)},
        actions={"action": generator.uniform(-1, 1, (steps, 2)).astype(np.float32)},
        rewards=np.ones(steps, np.float64),
        terminated=False,
        truncated=True,
    )


def text_episode(seed: int, characters: int | None = None) -> Episode:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(20, 900)) if characters is None else characters
    return document("text/fake", "".join(map(chr, generator.integers(97, 123, count))), licence="CC0")


def write_store(folder: Path, make: Any, episodes: int = 200) -> str:
    with StoreWriter(folder) as writer:
        writer.append(make(seed) for seed in range(episodes))
    return str(folder)


def assert_equal(received: Episode, expected: Episode) -> None:
    for name in ("task", "instruction", "terminated", "truncated", "success", "provenance"):
        assert getattr(received, name) == getattr(expected, name), name
    assert received.observation_specs == expected.observation_specs
    assert received.action_specs == expected.action_specs
    pairs = [(received.rewards, expected.rewards)]
    for side in ("observations", "actions"):
        mine, theirs = getattr(received, side), getattr(expected, side)
        assert mine.keys() == theirs.keys()
        pairs += [(mine[name], theirs[name]) for name in mine]
    for mine, theirs in pairs:
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
