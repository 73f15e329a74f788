"""Return conditioning: the same two observations from a recorded episode and step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opengato.core.episode import ArraySpec
from opengato.core.returns import LAST, TO_GO, ReturnToGo, return_unit, with_return_specs, with_returns
from tests.tiny import OBSERVATION, toy_episode


def test_last_reward_and_return_to_go_by_hand() -> None:
    episode = replace(toy_episode(steps=4), rewards=np.array([1, 0, 2.5, -1], np.float32))
    made = with_returns(episode, unit=2.0).validate()
    assert made.observations[LAST].tolist() == [0, 0.5, 0, 1.25]
    assert made.observations[TO_GO].tolist() == [1.25, 0.75, 0.75, -0.5]
    assert {name: made.observations[name] for name in OBSERVATION} == episode.observations
    assert made.observation_specs.keys() - OBSERVATION.keys() == {LAST, TO_GO}
    assert made.observation_specs is with_return_specs(dict(OBSERVATION)), "shared, so that layouts are counted once"


def test_acting_sees_the_numbers_of_training() -> None:
    """To the last bit: tokens of numbers at the edge of a bin would differ else."""
    rewards = np.random.default_rng(0).standard_normal(300).astype(np.float32)
    episode = replace(toy_episode(steps=300), rewards=rewards)
    trained = with_returns(episode, unit=3.7)
    acting = ReturnToGo(episode.episode_return, unit=3.7)
    for step in range(300):
        seen = acting.observe(float(rewards[step - 1]) if step else 0.0)
        for name in (LAST, TO_GO):
            assert seen[name].dtype == np.float32
            assert seen[name] == trained.observations[name][step], (name, step)


def test_a_reward_of_an_environment_counts_as_it_is_recorded() -> None:
    acting = ReturnToGo(1.0, unit=1.0)
    acting.observe(0.0)
    acting.observe(0.1)  # no float32
    assert acting.to_go == 1.0 - float(np.float32(0.1))


def test_more_is_more_in_every_unit() -> None:
    assert [return_unit(value) for value in (4.0, -5.0, 0.0)] == [4.0, 5.0, 1.0]


def test_a_name_that_is_taken_is_told() -> None:
    with pytest.raises(ValueError, match=r"have fields \['return_to_go'\] of their own"):
        with_return_specs({TO_GO: ArraySpec(name="mine", kind="continuous")})
