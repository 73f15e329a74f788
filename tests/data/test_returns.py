"""The expert return of a task, and the episodes that come near it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from opengato.data.returns import expert_return, expert_returns, good_enough, lowest_return, random_return
from opengato.data.store import EpisodeStore
from opengato.envs import find_task
from tests.data.fakes import grid_episode, write_store


def best_window(returns: Sequence[float]) -> float:
    """The largest mean of W = min(1000, 0.1 N) numbers in a row, without numpy."""
    size = max(1, min(1000, len(returns) // 10))
    return max(sum(returns[j : j + size]) / size for j in range(len(returns) - size + 1))


@pytest.mark.parametrize("count", [1, 2, 9, 10, 19, 20, 57, 400])
def test_expert_return_is_the_best_window(count: int) -> None:
    returns = np.random.default_rng(count).standard_normal(count) * 10 - 3
    assert expert_return(returns) == pytest.approx(best_window(returns.tolist()), rel=1e-12)


def test_a_window_holds_a_thousand_episodes_at_most() -> None:
    returns = np.zeros(20_000)
    returns[7_000:8_000] = 2.0
    assert expert_return(returns) == 2.0
    returns[7_000] = 0.0
    assert expert_return(returns) == pytest.approx(2 * 999 / 1000)


def test_one_lucky_episode_is_no_expert() -> None:
    """Twenty episodes, so windows of two: the lucky one stands beside a zero."""
    returns = np.array([0.0] * 10 + [100.0] + [0.0] * 5 + [60.0, 62.0, 40.0, 50.0])
    assert expert_return(returns) == 61.0
    kept = good_enough(returns, "nobody/knows", 0.8)  # from 48.8 on
    assert np.flatnonzero(kept).tolist() == [10, 16, 17, 19]


@pytest.mark.parametrize(
    ("returns", "random", "bar"),
    [
        ([10.0, 8.0, 7.9], None, 8.0),
        ([10.0, 8.0, 7.9], -100.0, 8.0),  # above 0 the rule of the paper, whatever random is
        ([-10.0, -20.0, -60.0], None, -20.0),  # from the worst, -60: 80 % of the 50 up to -10
        ([-10.0, -20.0, -60.0], -110.0, -30.0),  # from random: 80 % of the 100 up to -10
        ([-10.0, -20.0, -60.0], -5.0, -20.0),  # an expert below random: from the worst again
        ([0.0, -1.0], None, -0.2),
        ([0.0, 0.0], None, 0.0),
        ([-3.0], None, -3.0),
    ],
)
def test_the_bar_lies_below_the_expert(returns: list[float], random: float | None, bar: float) -> None:
    assert lowest_return(np.array(returns), 0.8, random) == pytest.approx(bar)


def test_the_best_episode_is_always_kept() -> None:
    for values in ([0.1] * 30, [-0.7] * 30, [1e-9, 3.3] * 15):
        assert good_enough(np.array(values), "nobody/knows", 1.0).any()


def test_random_returns_are_those_of_the_family() -> None:
    score = find_task("metaworld/reach").random_score
    assert score is not None
    assert random_return("metaworld/reach") == score.mean
    assert random_return("caption/emoji") is None


def test_a_store_knows_its_experts_without_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EpisodeStore(write_store(tmp_path, grid_episode, 90))
    expected = {
        task: best_window([episode.episode_return for episode in store if episode.task == task])
        for task in store.task_names
    }
    monkeypatch.setattr(EpisodeStore, "__getitem__", lambda *_: pytest.fail("an episode was decoded"))
    assert expert_returns(store) == pytest.approx(expected)
