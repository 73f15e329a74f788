"""What the scores of an arena show: intervals, paired tests corrected for their number, and the verdict in words.

Scores are points (`arena_runs.points`): 0 knows nothing, 1 is perfect, or in control the expert's.
Letters: S seeds, K tasks, R bootstrap resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from opengato.evaluators.statistics import RESAMPLES, Interval, percentile_interval

LEVEL = 0.05
ALIKE = 1e-9  # differences of scores that are rounding
BATCH = 200  # resamples at once, to spare memory


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskTest:
    """A task of a contestant against the first: the mean difference, and a paired t-test over seeds.

    `p_corrected` is for all tasks of all contestants together.
    """

    task: str
    difference: float
    p: float
    p_corrected: float

    @property
    def is_shown(self) -> bool:
        return self.p_corrected < LEVEL


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A contestant against the first one, over all tasks.

    `p_tasks` is Wilcoxon's signed-rank test, a pair a task (means over seeds); `p_seeds` a t-test, a pair a seed (means
    over tasks). A difference is shown if both find it, so `p` is the larger one; `p_corrected` allows for the number of
    contestants.
    """

    name: str
    baseline: str
    difference: Interval
    p_tasks: float
    p_seeds: float
    p: float
    p_corrected: float
    least_p: float
    tasks: tuple[TaskTest, ...]

    @property
    def is_shown(self) -> bool:
        return self.p_corrected < LEVEL

    @property
    def outcome(self) -> str:
        """`better`, `worse` or `no difference shown`."""
        if not self.is_shown:
            return "no difference shown"
        return "better" if self.difference.value > 0 else "worse"

    def words(self) -> str:
        """The verdict as a sentence or two."""
        if not any(task.difference for task in self.tasks):
            return f"No difference shown between {self.name} and {self.baseline}: the same mean in every task."
        tested = f"{signed(self.difference)}, p {compared(self.p_corrected)}"
        if self.is_shown:
            return f"{self.name} is {self.outcome} than {self.baseline}: {tested}."
        said = f"No difference shown between {self.name} and {self.baseline}: {tested}."
        if self.least_p >= LEVEL:
            said += (
                f" None could be: so few seeds, or tasks that differ, give p {compared(self.least_p)} at the least; "
                "run more seeds, or a suite of more tasks."
            )
        return said


def judge(scores: Mapping[str, Any], tasks: Sequence[str], seed: int = 0) -> list[Verdict]:
    """Each contestant but the first against the first, from scores (S, K) by name, all of the same seeds and tasks."""
    arrays = {name: np.asarray(found, np.float64) for name, found in scores.items()}
    shapes = {array_SK.shape for array_SK in arrays.values()}
    if len(shapes) != 1 or (shape := shapes.pop())[1:] != (len(tasks),) or min(shape) < 1:
        raise ValueError(f"received scores of shapes {sorted(shapes) or [shape]} for {len(tasks)} tasks; expected one")
    (baseline, first_SK), *others = arrays.items()
    differences = {name: array_SK - first_SK for name, array_SK in others}
    by_task = {name: by_tasks(d_SK.mean(axis=0)) for name, d_SK in differences.items()}
    by_seed = {name: paired_t(d_SK.mean(axis=1)) for name, d_SK in differences.items()}
    corrected = holm([max(by_task[name], by_seed[name]) for name in differences])
    each = {name: [paired_t(d_SK[:, k]) for k in range(len(tasks))] for name, d_SK in differences.items()}
    each_corrected = iter(holm([p for found in each.values() for p in found]))
    verdicts = []
    for (name, d_SK), p_corrected in zip(differences.items(), corrected, strict=True):
        rows = zip(tasks, d_SK.mean(axis=0).tolist(), each[name], strict=True)
        verdicts.append(
            Verdict(
                name=name,
                baseline=baseline,
                difference=mean_interval(d_SK, np.random.default_rng(seed)),
                p_tasks=by_task[name],
                p_seeds=by_seed[name],
                p=max(by_task[name], by_seed[name]),
                p_corrected=p_corrected,
                least_p=least_p(d_SK),
                tasks=tuple(
                    TaskTest(task=task, difference=value, p=p, p_corrected=next(each_corrected))
                    for task, value, p in rows
                ),
            )
        )
    return verdicts


def mean_interval(scores_SK: np.ndarray, generator: np.random.Generator, resamples: int = RESAMPLES) -> Interval:
    """The mean of all, with a bootstrap interval that draws seeds anew, and tasks anew."""
    seeds, tasks = scores_SK.shape
    draws = []
    for start in range(0, resamples, BATCH):
        count = min(BATCH, resamples - start)
        s_RS = generator.integers(seeds, size=(count, seeds))
        k_RK = generator.integers(tasks, size=(count, tasks))
        draws.append(scores_SK[s_RS[:, :, None], k_RK[:, None, :]].mean(axis=(1, 2)))
    return percentile_interval(float(scores_SK.mean()), np.concatenate(draws))


def by_tasks(differences_K: np.ndarray) -> float:
    """p of Wilcoxon's signed-rank test, two-sided; tasks without a difference are left out, and none gives 1.

    It asks nothing of the units of tasks but their order, and is exact where no two differences are equal in size
    [Wilcoxon 1945, doi:10.2307/3001968; for several tasks: Demsar 2006, JMLR 7].
    """
    nonzero_K = differences_K[differences_K != 0]
    return float(_stats().wilcoxon(nonzero_K).pvalue) if len(nonzero_K) else 1.0


def paired_t(differences_S: np.ndarray) -> float:
    """p of the t-test of paired differences, two-sided; 1 for one alone, or where none differs.

    Where all are alike there is no spread to go by: scores of few episodes have few values, and so it is no proof. Then
    it is that of the sign test, 2^(1 - S).
    """
    if not np.any(differences_S):
        return 1.0
    if np.ptp(differences_S) < ALIKE:
        return 2.0 ** (1 - len(differences_S))
    return float(_stats().ttest_1samp(differences_S, 0.0).pvalue)


def least_p(differences_SK: np.ndarray) -> float:
    """The smallest p that so many seeds, and tasks with a difference, can give."""
    if len(differences_SK) < 2:
        return 1.0
    differing = int((differences_SK.mean(axis=0) != 0).sum())
    return min(1.0, 2.0 ** (1 - differing))


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number, so that the chance of any false one is below the level.

    From the smallest on: p times the number of those not smaller, and never less than the one before
    [Holm 1979, Scand. J. Statist. 6].
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = largest
    return corrected


def compared(p: float) -> str:
    """`= 0.031`; `< 0.001` below that."""
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def signed(difference: Interval) -> str:
    """`+0.053 [-0.010, 0.120]`, to more digits than a score, since differences are small."""
    ends = [f"{end:.3f}" for end in (difference.low, difference.high) if end is not None]
    return f"{difference.value:+.3f} [{', '.join(ends)}]"


def _stats() -> Any:
    try:
        from scipy import stats
    except ModuleNotFoundError as error:
        raise ImportError("a comparison needs scipy; run: pip install 'opengato[analysis]'") from error
    return stats
