"""Verdicts: against scipy, numbers by hand, and how often equal contestants are told apart.

Letters: S seeds, K tasks.
"""

from __future__ import annotations

import numpy as np
import pytest

from opengato.evaluators.arena_verdict import by_tasks, compared, holm, judge, least_p, mean_interval, paired_t

stats = pytest.importorskip("scipy.stats")
TASKS = [f"a/{letter}" for letter in "bcdefghi"]


def scores(seed: int, seeds: int = 3, shift: float = 0.0, run: float = 0.0, noise: float = 0.02) -> np.ndarray:
    """Points (S, K): what tasks differ in, the luck of a run in all its tasks, and noise."""
    generator = np.random.default_rng(seed)
    level_K = np.linspace(0.2, 0.9, len(TASKS))
    luck_S = generator.normal(0, run, seeds)
    return shift + level_K + luck_S[:, None] + generator.normal(0, noise, (seeds, len(TASKS)))


def test_p_values_are_those_of_scipy() -> None:
    first_SK, other_SK = scores(1), scores(2, shift=0.05)
    [verdict] = judge({"first": first_SK, "other": other_SK}, TASKS)
    by_task = stats.wilcoxon(other_SK.mean(0), first_SK.mean(0)).pvalue
    by_seed = stats.ttest_rel(other_SK.mean(1), first_SK.mean(1)).pvalue
    assert (verdict.p_tasks, verdict.p_seeds) == pytest.approx((by_task, by_seed))
    assert verdict.p == verdict.p_corrected == max(verdict.p_tasks, verdict.p_seeds)
    assert [test.p for test in verdict.tasks] == pytest.approx(stats.ttest_rel(other_SK, first_SK, axis=0).pvalue)
    assert verdict.difference.value == pytest.approx((other_SK - first_SK).mean())


def test_signed_ranks_by_hand() -> None:
    """All of n differences on one side: 2 of the 2^n signs are as extreme."""
    assert by_tasks(np.array([0.1, 0.2, 0.3, 0.4, 0.5])) == pytest.approx(2 / 32)
    assert by_tasks(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.0])) == pytest.approx(2 / 32), "0 says nothing"
    # Ranks 1 and 2 against: sums up to 3 come from {}, {1}, {2}, {3} and {1, 2}.
    assert by_tasks(np.array([-0.1, -0.2, 0.3, 0.4, 0.5])) == pytest.approx(2 * 5 / 32)
    assert by_tasks(np.zeros(5)) == 1.0


def test_a_t_test_by_hand_and_where_there_is_no_spread() -> None:
    """Differences 1, 2, 3: t = 2 / (1 / sqrt 3), and with 2 degrees p = 1 - t / sqrt(t^2 + 2)."""
    t = 2 * 3**0.5
    assert paired_t(np.array([1.0, 2.0, 3.0])) == pytest.approx(1 - t / (t * t + 2) ** 0.5)
    assert paired_t(np.array([0.5])) == paired_t(np.zeros(3)) == 1.0
    assert paired_t(np.full(3, 0.1)) == 0.25, "three alike are no proof: the sign test's"


def test_holm_by_hand() -> None:
    """Three times the least, twice the next, and no less than the one before."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_more_contestants_make_it_harder() -> None:
    good = scores(2, shift=0.05)
    [alone] = judge({"first": scores(1), "good": good}, TASKS)
    among = judge({"first": scores(1), **{f"x{i}": scores(10 + i) for i in range(3)}, "good": good}, TASKS)[-1]
    assert among.p == alone.p
    assert among.p_corrected == pytest.approx(4 * alone.p_corrected)


def test_the_interval_holds_seeds_and_tasks_by_hand() -> None:
    """One seed and two tasks, 0 and 1: a mean is 0, 0.5 or 1; two seeds too, where tasks are alike."""
    generator = np.random.default_rng(0)
    by_task = mean_interval(np.array([[0.0, 1.0]]), generator)
    by_seed = mean_interval(np.array([[0.0, 0.0], [1.0, 1.0]]), generator)
    for interval in (by_task, by_seed):
        assert (interval.low, interval.value, interval.high) == (0.0, 0.5, 1.0)
    sure = mean_interval(np.full((3, 4), 0.3), generator)
    assert (sure.low, sure.high) == pytest.approx((0.3, 0.3))


def test_the_interval_covers_what_both_sources_of_chance_make() -> None:
    """Its width is about four deviations of the mean: those of seeds and of tasks together."""
    generator = np.random.default_rng(3)
    scores_SK = generator.normal(0, 1, (40, 1)) + generator.normal(0, 1, (1, 60))
    interval = mean_interval(scores_SK, generator)
    deviation = (scores_SK.mean(1).var() / 40 + scores_SK.mean(0).var() / 60) ** 0.5
    assert interval.low is not None
    assert interval.high is not None
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * deviation, rel=0.15)


def test_words() -> None:
    first = scores(1)
    [better] = judge({"first": first, "other": first + 0.1 + scores(2) * 0.01}, TASKS)
    assert better.outcome == "better"
    assert better.words().startswith("other is better than first: +0.1")
    [worse] = judge({"first": first, "other": first - 0.1 - scores(2) * 0.01}, TASKS)
    assert (worse.outcome, worse.words().partition(":")[0]) == ("worse", "other is worse than first")
    [same] = judge({"first": first, "other": first}, TASKS)
    assert same.words() == "No difference shown between other and first: the same mean in every task."
    [alone] = judge({"first": first[:1], "other": first[:1] + 0.1}, TASKS)
    assert not alone.is_shown
    assert "None could be" in alone.words()
    [few] = judge({"first": first[:, :4], "other": first[:, :4] + 0.1 + scores(2)[:, :4] * 0.01}, TASKS[:4])
    assert few.least_p == 2 / 16
    assert "give p = 0.12 at the least" in few.words()
    assert least_p(np.ones((3, 6))) == 2 / 64
    assert [compared(p) for p in (0.0004, 0.0312, 1.0)] == ["< 0.001", "= 0.031", "= 1"]


def test_scores_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="received scores of shapes"):
        judge({"first": scores(1), "other": scores(1, seeds=2)}, TASKS)
    with pytest.raises(ValueError, match="for 2 tasks"):
        judge({"first": scores(1), "other": scores(2)}, TASKS[:2])


@pytest.mark.parametrize("run", [0.0, 0.02, 0.06])
def test_equal_contestants_are_seldom_told_apart(run: float) -> None:
    """Whether or not a run is lucky in all its tasks at once: 5 % at the most, but for chance in 200 arenas.

    By tasks alone many more would be.
    """
    verdicts = [
        judge({"first": scores(2 * i, run=run), "other": scores(2 * i + 1, run=run)}, TASKS)[0] for i in range(200)
    ]
    assert sum(verdict.is_shown for verdict in verdicts) <= 18  # P(more) is 0.01 at 5 %
    alone = sum(verdict.p_tasks < 0.05 for verdict in verdicts)
    assert alone > 80 if run == 0.06 else alone <= 120
