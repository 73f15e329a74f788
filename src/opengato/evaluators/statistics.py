"""Means that can be trusted: intervals by bootstrap, aggregates over tasks, in numpy alone.

Letters: E episodes of one task, K tasks, R bootstrap resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95
THRESHOLDS = (0.25, 0.5, 0.75, 0.9)
_Z = 1.959963984540054  # the standard normal's 97.5 % point, for LEVEL


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """An estimate and the ends of its interval at `LEVEL`; the ends are None where nothing was resampled."""

    value: float
    low: float | None = None
    high: float | None = None

    def scaled(self, shift: float, span: float) -> Interval:
        """The interval of `(x - shift) / span`, with `span` > 0."""

        def move(x: float | None) -> float | None:
            return None if x is None else (x - shift) / span

        return Interval(value=(self.value - shift) / span, low=move(self.low), high=move(self.high))

    def __str__(self) -> str:
        # Adding 0.0 to a rounded number turns -0.00 into 0.00.
        value, *ends = (f"{round(x, 2) + 0.0:.2f}" for x in (self.value, self.low, self.high) if x is not None)
        return f"{value} [{', '.join(ends)}]" if ends else value


def iqm(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Interquartile mean: the mean without the lowest and the highest quarter, `floor(n / 4)` values on each side.

    [Agarwal et al. 2021, arXiv:2108.13264, sec. 4.3]. It hides dead tasks, so never print it alone.

    >>> float(iqm(np.array([0.0, 1.0, 2.0, 9.0])))
    1.5
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=axis)
    count = ordered.shape[axis]
    if count == 0:
        raise ValueError("the interquartile mean of no values is undefined; give at least one")
    cut = count // 4
    return np.take(ordered, np.arange(cut, count - cut), axis=axis).mean(axis=axis)


AGGREGATES: Mapping[str, Callable[..., np.ndarray]] = {"mean": np.mean, "median": np.median, "iqm": iqm}


def resampled_means(values: Sequence[float], rng: np.random.Generator, resamples: int = RESAMPLES) -> np.ndarray:
    """Means (R,) of `resamples` draws with replacement from `values` (E,)."""
    array_E = np.asarray(values, np.float64)
    if array_E.ndim != 1 or array_E.size == 0:
        raise ValueError(f"received values of shape {array_E.shape}, expected (E,) with E >= 1 to resample")
    index_RE = rng.integers(array_E.size, size=(resamples, array_E.size))
    return array_E[index_RE].mean(axis=1)


def percentile_interval(value: float, draws_R: np.ndarray, level: float = LEVEL) -> Interval:
    """The estimate `value` between the percentiles of its bootstrap draws (R,)."""
    tail = (1 - level) / 2
    low, high = np.quantile(draws_R, [tail, 1 - tail])
    return Interval(value=float(value), low=float(low), high=float(high))


def bootstrap_mean(values: Sequence[float], rng: np.random.Generator, resamples: int = RESAMPLES) -> Interval:
    """The mean of `values` (E,) with its percentile interval. Equal values give an interval of width 0."""
    draws_R = resampled_means(values, rng, resamples)
    return percentile_interval(float(np.mean(values)), draws_R)


def bootstrap_ratio(
    numerators: Sequence[float], denominators: Sequence[float], rng: np.random.Generator, resamples: int = RESAMPLES
) -> Interval:
    """sum(numerators) / sum(denominators) over E pairs drawn together: nats per byte of windows of unequal length."""
    pairs_E2 = np.stack([numerators, denominators], axis=1).astype(np.float64)
    if pairs_E2.size == 0 or pairs_E2[:, 1].min() <= 0:
        raise ValueError(f"received {len(pairs_E2)} pairs, expected at least one and denominators above 0")
    sums_R2 = pairs_E2[rng.integers(len(pairs_E2), size=(resamples, len(pairs_E2)))].sum(axis=1)
    above, below = pairs_E2.sum(axis=0)
    return percentile_interval(above / below, sums_R2[:, 0] / sums_R2[:, 1])


def bootstrap_aggregates(
    values: Sequence[Sequence[float]], rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """Mean, median and IQM over the means of K tasks, with intervals stratified by task.

    `values[k]` (E_k,) are the scores of the episodes of task k. Each resample draws episodes anew within every task,
    so the intervals say how sure the aggregate is for these tasks, not for tasks that were not played.
    """
    if not values:
        raise ValueError("received no tasks to aggregate, expected at least one")
    draws_RK = np.stack([resampled_means(task, rng, resamples) for task in values], axis=1)
    means_K = np.array([np.mean(task) for task in values])
    return {
        name: percentile_interval(float(statistic(means_K)), statistic(draws_RK, axis=1))
        for name, statistic in AGGREGATES.items()
    }


def bootstrap_family_mean(
    families: Sequence[Sequence[Sequence[float]]], rng: np.random.Generator, resamples: int = RESAMPLES
) -> Interval:
    """The mean over families of the mean over their tasks, so that a family counts once, however many tasks it has.

    `families[f][k]` (E_k,) are scores of episodes, drawn anew within every task, as in `bootstrap_aggregates`.
    """
    means = [[np.mean(task) for task in tasks] for tasks in families]
    draws = [np.mean([resampled_means(task, rng, resamples) for task in tasks], axis=0) for tasks in families]
    return percentile_interval(float(np.mean([np.mean(tasks) for tasks in means])), np.mean(draws, axis=0))


def proportion(successes: int, trials: int) -> Interval:
    """A success rate with Wilson's interval, which unlike the bootstrap's has a width at 0 of n and at n of n.

    centre = (p + z^2 / 2n) / (1 + z^2 / n), half width = z sqrt(p (1 - p) / n + z^2 / 4n^2) / (1 + z^2 / n)
    [Wilson 1927, doi:10.1080/01621459.1927.10502953].
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"received {successes} successes of {trials} trials, expected 0 <= successes <= trials, > 0")
    rate, shrink = successes / trials, 1 + _Z**2 / trials
    centre = (rate + _Z**2 / (2 * trials)) / shrink
    half = _Z * math.sqrt(rate * (1 - rate) / trials + _Z**2 / (4 * trials**2)) / shrink
    return Interval(value=rate, low=min(rate, max(0.0, centre - half)), high=max(rate, min(1.0, centre + half)))


def counts_above(scores: Sequence[float], thresholds: Sequence[float] = THRESHOLDS) -> dict[float, int]:
    """How many scores reach each threshold (>=)."""
    return {threshold: sum(score >= threshold for score in scores) for threshold in thresholds}
