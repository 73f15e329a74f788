"""Hand-computed numbers for means and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from opengato.evaluators.statistics import (
    Interval,
    bootstrap_aggregates,
    bootstrap_mean,
    bootstrap_ratio,
    counts_above,
    iqm,
    proportion,
    resampled_means,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], 3.0),
        ([0.0, 1.0, 5.0], 2.0),  # floor(3 / 4) = 0: nothing is cut
        ([0.0, 1.0, 2.0, 9.0], 1.5),
        ([0.0, 10.0, 20.0, 30.0, 1000.0], 20.0),
        ([8.0, 1.0, 7.0, 2.0, 6.0, 3.0, 5.0, 4.0], 4.5),
    ],
)
def test_iqm_by_hand(values: list[float], expected: float) -> None:
    assert iqm(np.array(values)) == pytest.approx(expected)


def test_iqm_along_an_axis_and_of_nothing() -> None:
    assert iqm(np.array([[0.0, 1.0, 2.0, 9.0], [4.0, 4.0, 4.0, 4.0]]), axis=1) == pytest.approx([1.5, 4.0])
    with pytest.raises(ValueError, match="at least one"):
        iqm(np.array([]))


def test_resampled_means_of_two_values_are_binomial() -> None:
    draws = resampled_means([0.0, 1.0], rng(), resamples=20_000)
    shares = [np.mean(draws == value) for value in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.015)


def test_bootstrap_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = rng()
    inside = 0
    for _ in range(300):
        interval = bootstrap_mean(generator.normal(2.0, 1.0, size=40).tolist(), generator, resamples=400)
        assert interval.low is not None
        assert interval.high is not None
        inside += interval.low <= 2.0 <= interval.high
    assert 0.90 <= inside / 300 <= 0.98


def test_bootstrap_is_repeatable_and_refuses_nothing() -> None:
    assert bootstrap_mean([1.0, 2.0, 4.0], rng()) == bootstrap_mean([1.0, 2.0, 4.0], rng())
    with pytest.raises(ValueError, match="E >= 1"):
        bootstrap_mean([], rng())


def test_bootstrap_ratio_weighs_by_the_denominator() -> None:
    interval = bootstrap_ratio([10.0, 2.0], [10.0, 1.0], rng())
    assert interval.value == pytest.approx(12 / 11)  # not the mean of 1 and 2
    assert (interval.low, interval.high) == (pytest.approx(1.0), pytest.approx(2.0))


def test_aggregates_are_stratified_by_task() -> None:
    # Each task always gives the same: drawing within tasks has no spread, drawing over all episodes would.
    found = bootstrap_aggregates([[0.0] * 9, [1.0] * 3, [1.0] * 5, [0.2] * 2], rng())
    assert {name: interval.value for name, interval in found.items()} == pytest.approx(
        {"mean": 0.55, "median": 0.6, "iqm": 0.6}
    )
    assert all(interval.low == interval.high == pytest.approx(interval.value) for interval in found.values())


def test_aggregate_interval_by_hand() -> None:
    # One task of {0, 1}, one of {0}: the mean of means is 0, 1/4 or 1/2 with chances 1/4, 1/2, 1/4.
    interval = bootstrap_aggregates([[0.0, 1.0], [0.0]], rng())["mean"]
    assert (interval.value, interval.low, interval.high) == (0.25, 0.0, 0.5)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_wilson_interval_by_table(successes: int, trials: int, low: float, high: float) -> None:
    interval = proportion(successes, trials)
    assert interval.value == successes / trials
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_counts_and_printing() -> None:
    assert counts_above([0.25, 0.5, 0.76, -1.0]) == {0.25: 3, 0.5: 2, 0.75: 1, 0.9: 0}
    assert str(Interval(value=-0.001, low=-0.25, high=1.0)) == "0.00 [-0.25, 1.00]"
    assert str(Interval(value=2.0)) == "2.00"
    half = Interval(value=0.5, low=0.25, high=1.0).scaled(0.25, 0.5)
    assert half == Interval(value=0.5, low=0.0, high=1.5)
    assert Interval(value=0.5).scaled(0.25, 0.5) == Interval(value=0.5)
