"""Specs and episodes say what, where, received, expected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from opengato.core.episode import ArraySpec, document, objects
from tests.tiny import caption_episode, toy_episode

STATE = ArraySpec(name="arm/state", kind="continuous", shape=(2,), low=-1, high=1)
ARM = ArraySpec(name="arm/joints", kind="continuous", shape=(2,), low=(0.0, -3.0), high=(1.0, 3.0))
CHOICE = ArraySpec(name="arm/choice", kind="discrete", num_values=4, dtype="int64")
PICTURE = ArraySpec(name="arm/picture", kind="image", shape=(-1, -1, 3), dtype="uint8")
WORDS = ArraySpec(name="arm/words", kind="text", dtype="str")


@pytest.mark.parametrize(
    ("spec", "value", "steps"),
    [
        (STATE, np.array([-1.0, 1.0]), None),
        (ARM, np.array([[0.5, -3.0], [0.0, 3.0]]), 2),
        (STATE, np.array([[0.0, 1.00001]]), 1),  # rounding of a float32 bound is no error
        (CHOICE, np.array(3), None),
        (CHOICE, np.array([0, 3], np.uint8), 2),
        (PICTURE, np.zeros((5, 7, 3), np.uint8), None),
        (PICTURE, objects([b"png", b"png"]), 2),
        (WORDS, "hello", None),
        (WORDS, objects(["a", ""]), 2),
    ],
)
def test_what_fits_its_spec_passes(spec: ArraySpec, value: object, steps: int | None) -> None:
    spec.validate(value, steps=steps)


@pytest.mark.parametrize(
    ("spec", "value", "steps", "message"),
    [
        (STATE, np.zeros(3), None, r"here does not fit its spec 'arm/state': received shape \(3,\), expected \(2,\)"),
        (STATE, np.zeros((2, 2)), 3, r"received shape \(2, 2\), expected \(3, 2\)"),
        (STATE, np.array([0.0, np.nan]), None, "received 1 values that are not finite"),
        (STATE, np.array([-1.5, 0.5]), None, r"received values in \[-1.5, 0.5\], expected \[-1, 1\]"),
        (ARM, np.array([[0.5, 0.0], [2.0, 0.0]]), 2, r"number \[0\]: received values in \[0.5, 2\], expected \[0, 1\]"),
        (STATE, np.array(["0", "1"]), None, "received dtype <U1, expected numbers"),
        (CHOICE, np.array(4), None, r"received values in \[4, 4\], expected \[0, 3\]"),
        (CHOICE, np.array(-1), None, r"received values in \[-1, -1\], expected \[0, 3\]"),
        (CHOICE, np.array(1.0), None, "received dtype float64, expected integers"),
        (PICTURE, np.zeros((5, 7, 4), np.uint8), None, r"received shape \(5, 7, 4\), expected \(-1, -1, 3\)"),
        (PICTURE, np.zeros((5, 7, 3)), None, "received dtype float64, expected uint8 pixels or encoded bytes"),
        (PICTURE, objects(["a.png"]), 1, "received str, expected bytes"),
        (WORDS, b"hello", None, "received bytes, expected str"),
        (WORDS, objects(["a"]), 2, "received 1 steps, expected 2"),
    ],
)
def test_what_does_not_fit_is_told_where_and_why(
    spec: ArraySpec, value: object, steps: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        spec.validate(value, where="here", steps=steps)


def test_a_spec_checks_itself() -> None:
    with pytest.raises(ValueError, match=r"`kind` \(='sound'\) of spec 'x' must be one of"):
        ArraySpec(name="x", kind="sound")  # ty: ignore[invalid-argument-type]
    wrong_ones: list[dict[str, Any]] = [{"kind": "discrete"}, {"kind": "continuous", "num_values": 3}]
    for wrong in wrong_ones:
        with pytest.raises(ValueError, match="`num_values` belongs to discrete values and to them alone"):
            ArraySpec(name="x", **wrong)
    assert ArraySpec(name="x", kind="continuous", shape=[2, 3]).size == 6  # ty: ignore[invalid-argument-type]
    assert ArraySpec(name="x", kind="continuous").size == 1


def test_an_episode_names_what_is_wrong() -> None:
    good = toy_episode(steps=3)
    assert good.validate() is good
    without = {name: values for name, values in good.observations.items() if name != "arm"}
    cases = [
        (replace(good, rewards=np.zeros(0)), "episode of 'toy/task' has no steps"),
        (replace(good, rewards=np.zeros(4)), r"observation 'view' of an episode of 'toy/task'.*expected \(4, 2, 2\)"),
        (replace(good, observations=without), "observation fields .* do not match the specs .*'arm'"),
        (replace(good, actions={**good.actions, "kick": good.actions["move"]}), "action fields .*'kick'"),
        (replace(good, actions={**good.actions, "move": np.array([0, 5, 0])}), r"action 'move'.*\[0, 5\]"),
        (replace(good, rewards=np.array([0, np.inf, 0])), "rewards hold values that are not finite"),
    ]
    for episode, message in cases:
        with pytest.raises(ValueError, match=message):
            episode.validate()


def test_return_is_summed_in_double_precision() -> None:
    episode = replace(toy_episode(steps=3), rewards=np.array([1e8, 1, 1], np.float32))
    assert episode.episode_return == 1e8 + 2


def test_documents_are_one_step_whose_action_is_their_text() -> None:
    text = document("text/x", "Call me Ishmael.", licence="CC0").validate()
    assert text.num_steps == 1
    assert text.actions["text"].tolist() == ["Call me Ishmael."]
    assert not text.observation_specs
    assert text.provenance == {"licence": "CC0"}
    picture = caption_episode(caption="whale")
    assert picture.actions["caption"].tolist() == ["whale"]
    assert isinstance(picture.observations["image"][0], bytes)


def test_an_object_array_never_splits_its_items() -> None:
    assert objects(["ab", "cd"]).shape == (2,)
    assert objects([b"ab", b"abc"]).tolist() == [b"ab", b"abc"]


def test_each_number_may_have_bounds_of_its_own() -> None:
    low, high = ARM.bounds
    np.testing.assert_array_equal(low, [0, -3])
    np.testing.assert_array_equal(high, [1, 3])
    grid = replace(ARM, shape=(2, 1))
    assert grid.bounds[0].shape == (2, 1)
    assert (ARM.single().shape, ARM.single().low, ARM.single().high) == ((), -3.0, 3.0)
    assert replace(ARM, low=[0.0, 0.0]).low == 0.0, "equal bounds are one bound"
    assert replace(ARM, low=[0.0, 0.5]) == replace(ARM, low=(0.0, 0.5)), "as it comes back from JSON"
    assert hash(ARM)
    with pytest.raises(ValueError, match="`low` has 3 bounds for 2 numbers"):
        replace(ARM, low=(0.0, 0.0, 1.0))
