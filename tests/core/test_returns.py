"""Return conditioning: the same two observations from a recorded episode and step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opengato.core.episode import ArraySpec
from opengato.core.returns import (
    LAST,
    NUM_BINS,
    TO_GO,
    AskedReturn,
    PredictedReturn,
    return_unit,
    to_bins,
    with_predicted_returns,
    with_return_specs,
    with_returns,
)
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
    acting = AskedReturn(episode.episode_return, unit=3.7)
    for step in range(300):
        seen = acting.observe(float(rewards[step - 1]) if step else 0.0)
        for name in (LAST, TO_GO):
            assert seen[name].dtype == np.float32
            assert seen[name] == trained.observations[name][step], (name, step)


def test_a_reward_of_an_environment_counts_as_it_is_recorded() -> None:
    acting = AskedReturn(1.0, unit=1.0)
    acting.observe(0.0)
    acting.observe(0.1)  # no float32
    assert acting.to_go == 1.0 - float(np.float32(0.1))


def test_more_is_more_in_every_unit() -> None:
    assert [return_unit(value) for value in (4.0, -5.0, 0.0)] == [4.0, 5.0, 1.0]


def test_a_name_that_is_taken_is_told() -> None:
    with pytest.raises(ValueError, match=r"there are fields \['return_to_go'\] already"):
        with_return_specs({TO_GO: ArraySpec(name="mine", kind="continuous")})


def test_bins_of_a_return_by_hand() -> None:
    """64 bins from -2 to 2: sixteen to a unit, 0 begins bin 32."""
    values = np.array([-2.0, -1.0, -0.01, 0.0, 0.0624, 0.0625, 1.0, 1.999])
    assert to_bins(values).tolist() == [0, 16, 31, 32, 32, 33, 48, 63]
    assert to_bins(np.array([-9.0, 9.0])).tolist() == [0, NUM_BINS - 1]


def test_a_predicted_return_is_said_and_not_seen() -> None:
    episode = replace(toy_episode(steps=3), rewards=np.array([1, 0, 2], np.float32))
    made = with_predicted_returns(episode, unit=4.0).validate()
    assert made.observations[LAST].tolist() == [0, 0.25, 0]
    assert TO_GO not in made.observations
    assert made.actions[TO_GO].tolist() == [32 + 12, 32 + 8, 32 + 8]
    acting = PredictedReturn(unit=4.0)
    assert [float(acting.observe(reward)[LAST]) for reward in (0.0, 1.0, 0.0)] == [0, 0.25, 0]
