"""Values of Gymnasium spaces come back as they were, and their arrays fit their specs."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from opengato.core.spaces import Side, SpaceArrays

JOINTS = spaces.Box(np.array([-1.0, 0.0, -3.5], np.float32), np.array([1.0, 0.04, 3.5], np.float32))
EVERY = spaces.Dict(
    arm=spaces.Dict(joints=JOINTS, grip=spaces.Discrete(2)),
    both=spaces.Tuple([spaces.Discrete(5, start=-2), spaces.MultiBinary((2, 3))]),
    keys=spaces.MultiDiscrete([3, 7, 2]),
    level=spaces.Box(-4, 9, (2, 2), np.int16),
    words=spaces.Text(12),
)
SPACES: dict[str, tuple[spaces.Space, Side]] = {
    "box": (spaces.Box(-1, 1, (3,), np.float32), "action"),
    "box of different bounds": (JOINTS, "action"),
    "box of doubles": (spaces.Box(-np.inf, np.inf, (2, 2), np.float64), "observation"),
    "a number": (spaces.Box(0, 1, (), np.float32), "action"),
    "wide integers": (spaces.Box(0, 100_000, (2,), np.int64), "action"),
    "discrete": (spaces.Discrete(4), "action"),
    "discrete from 5": (spaces.Discrete(4, start=5), "action"),
    "multi-discrete": (spaces.MultiDiscrete(np.array([[3, 7], [2, 3]])), "action"),
    "multi-discrete from": (spaces.MultiDiscrete([3, 3], start=[1, -4]), "action"),
    "multi-discrete seen": (spaces.MultiDiscrete([3, 700]), "observation"),
    "multi-binary": (spaces.MultiBinary(6), "action"),
    "text": (spaces.Text(9), "observation"),
    "picture": (spaces.Box(0, 255, (16, 20, 3), np.uint8), "observation"),
    "grey picture": (spaces.Box(0, 255, (20, 16), np.uint8), "observation"),
    "grey picture with a channel": (spaces.Box(0, 255, (20, 16, 1), np.uint8), "observation"),
    "channels first": (spaces.Box(0, 255, (3, 16, 20), np.uint8), "observation"),
    "grey, channels first": (spaces.Box(0, 255, (1, 16, 20), np.uint8), "observation"),
    "cells": (spaces.Box(0, 255, (7, 7, 3), np.uint8), "observation"),
    "everything seen": (EVERY, "observation"),
    "everything done": (EVERY, "action"),
}
KINDS = {
    "picture": "image",
    "grey picture": "image",
    "channels first": "image",
    "cells": "discrete",
    "wide integers": "continuous",
    "box": "continuous",
    "text": "text",
}


def assert_equal(received: Any, expected: Any) -> None:
    assert type(received) is type(expected)
    if isinstance(expected, dict):
        assert received.keys() == expected.keys()
        for key in expected:
            assert_equal(received[key], expected[key])
    elif isinstance(expected, tuple):
        for mine, theirs in zip(received, expected, strict=True):
            assert_equal(mine, theirs)
    elif isinstance(expected, np.ndarray):
        assert received.dtype == expected.dtype
        np.testing.assert_array_equal(received, expected)
    else:
        assert received == expected


@pytest.mark.parametrize("case", SPACES)
def test_values_come_back_exactly_and_fit_their_specs(case: str) -> None:
    space, side = SPACES[case]
    arrays = SpaceArrays(space, "mine/lift", side)
    space.seed(0)
    for _ in range(20):
        value = space.sample()
        taken = arrays.arrays(value)
        assert taken.keys() == arrays.specs.keys()
        for key, spec in arrays.specs.items():
            spec.validate(taken[key])
            if spec.kind != "text":
                assert taken[key].dtype == np.dtype(spec.dtype), key
        back = arrays.value(taken)
        assert_equal(back, value)
        assert space.contains(back)
    if case in KINDS:
        assert {spec.kind for spec in arrays.specs.values()} == {KINDS[case]}


def test_fields_and_names_by_hand() -> None:
    seen, done = SpaceArrays(EVERY, "mine/lift", "observation"), SpaceArrays(EVERY, "mine/lift", "action")
    assert set(seen.specs) == {"arm/grip", "arm/joints", "both/0", "both/1", "keys", "level", "words"}
    assert set(done.specs) == set(seen.specs) - {"keys"} | {"keys/0", "keys/1", "keys/2"}
    assert [done.specs[f"keys/{i}"].num_values for i in range(3)] == [3, 7, 2], "no value that does not exist"
    assert seen.specs["arm/joints"].name == "mine/lift/observation/arm/joints"
    assert done.specs["arm/joints"].low == pytest.approx((-1.0, 0.0, -3.5))
    assert seen.specs["level"].num_values == 14
    taken = seen.arrays(
        {**EVERY.sample(), "level": np.full((2, 2), 9, np.int16), "both": (-2, np.ones((2, 3), np.int8))}
    )
    assert taken["level"].tolist() == [[13, 13], [13, 13]], "counted from the lower bound"
    assert taken["both/0"] == 0
    assert list(SpaceArrays(spaces.Discrete(2), "mine/lift", "action").specs) == ["action"]


def test_pixels_lie_as_an_agent_reads_them() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 20, 3)).astype(np.uint8)
    first = SpaceArrays(spaces.Box(0, 255, (3, 16, 20), np.uint8), "a/b", "observation")
    np.testing.assert_array_equal(first.arrays(pixels.transpose(2, 0, 1))["observation"], pixels)
    grey = SpaceArrays(spaces.Box(0, 255, (16, 20), np.uint8), "a/b", "observation")
    shown = grey.arrays(pixels[..., 0])["observation"]
    assert shown.shape == (16, 20, 3)
    np.testing.assert_array_equal(shown, pixels[..., :1].repeat(3, 2))


@pytest.mark.parametrize(
    ("space", "side", "message"),
    [
        (spaces.Box(-np.inf, np.inf, (2,)), "action", r"without bounds on every number.*TransformAction\(env"),
        (spaces.Box(np.array([0, -np.inf], np.float32), np.array([1, 1], np.float32)), "action", "without bounds"),
        (
            spaces.Box(0, 255, (84, 84, 4), np.uint8),
            "observation",
            "leave gymnasium.wrappers.FrameStackObservation out",
        ),
        (spaces.Sequence(spaces.Discrete(2)), "observation", "is a Sequence space.*TransformObservation"),
        (spaces.Dict({"a/b": spaces.Discrete(2)}), "observation", r"keys \['a/b'\]"),
    ],
)
def test_what_cannot_be_represented_says_what_to_do(space: spaces.Space, side: Side, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpaceArrays(space, "mine/lift", side)


def test_a_value_of_another_form_is_told() -> None:
    arrays = SpaceArrays(spaces.Dict(a=spaces.Discrete(2)), "mine/lift", "observation")
    with pytest.raises(ValueError, match=r"has the parts \['b'\], but its space \['a'\]"):
        arrays.arrays({"b": 1})


@pytest.mark.parametrize("name", ["CartPole-v1", "MountainCarContinuous-v0", "Acrobot-v1", "Taxi-v4", "Blackjack-v1"])
def test_environments_of_gymnasium(name: str) -> None:
    env = gymnasium.make(name)
    seen = SpaceArrays(env.observation_space, "mine/x", "observation")
    done = SpaceArrays(env.action_space, "mine/x", "action")
    observation, _ = env.reset(seed=0)
    for key, array in seen.arrays(observation).items():
        seen.specs[key].validate(array)
    action = done.value(done.arrays(env.action_space.sample()))
    env.step(action)
    env.close()
