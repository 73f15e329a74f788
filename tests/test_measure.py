"""Anchors of tasks: the same returns as a rollout has, and what is measured stays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from opengato.core.environment import ExpertFailed
from opengato.envs import family_of, find_task
from opengato.envs.scores import read_rows, read_scores
from opengato.rollout import collect, measure
from opengato.rollout.measure import Budget, Played, play, summarise

TASK = "babyai/GoToObjS4"
FAMILY = family_of(TASK)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process, so that nothing has to be started."""
    monkeypatch.setattr(measure, "measure_task", in_this_process)


def in_this_process(task: Any, policy: str, budget: Budget, _pool: Any, _workers: int) -> dict[str, Any]:
    return summarise(measure.play_seeds(task.id, policy, range(budget.episodes)))


@pytest.mark.parametrize("policy", ["expert", "random"])
def test_figures_are_those_of_a_rollout(policy: str) -> None:
    row = summarise(measure.play_seeds(TASK, policy, range(4)))
    episodes = list(collect(TASK, policy, episodes=4, seed=0))
    returns = [episode.episode_return for episode in episodes]
    assert row["mean"] == pytest.approx(np.mean(returns), rel=1e-5)
    assert row["std"] == pytest.approx(np.std(returns), rel=1e-5, abs=1e-9)
    assert row["mean_length"] == round(float(np.mean([episode.num_steps for episode in episodes])), 1)
    assert row["success_rate"] == np.mean([bool(episode.success) for episode in episodes])
    assert (row["episodes"], row["seed"], row["failed"]) == (4, 0, 0)


def test_where_the_expert_gives_up_its_return_so_far_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def expert(env: gymnasium.Env) -> Callable[[Any], int]:
        def act(observation: Any) -> int:
            raise ExpertFailed("lost")

        return act

    monkeypatch.setattr(FAMILY, "expert", expert)
    env = FAMILY.make("GoToObjS4")
    played = play(find_task(TASK), env, "expert", 0)
    assert (played.total, played.length, played.gave_up) == (0.0, 0, True)


def test_success_is_none_where_a_task_defines_none() -> None:
    row = summarise([Played(0, 1.0, 2, None, False, 0.5), Played(1, 4.0, 4, None, True, 1.5)])
    assert row == {
        "mean": 2.5,
        "std": 1.5,
        "episodes": 2,
        "seed": 0,
        "success_rate": None,
        "failed": 1,
        "mean_length": 3.0,
        "seconds": 1.0,
    }


def test_what_is_measured_is_kept_and_missing_policies_are_added(alone: None, tmp_path: Path) -> None:
    told: list[str] = []
    tasks = [find_task(TASK), find_task("babyai/KeyInBox")]  # the second has no expert
    measure.measure(tasks, tmp_path, Budget(episodes=1), workers=1, tell=told.append)
    rows = read_rows(tmp_path)
    assert {name: list(row) for name, row in rows.items()} == {
        "GoToObjS4": ["expert", "random"],
        "KeyInBox": ["random"],
    }
    assert len(told) == 2
    scores = read_scores(tmp_path)["GoToObjS4"]
    assert scores["expert_score"].mean == rows["GoToObjS4"]["expert"]["mean"]
    dataclasses.replace(tasks[0], **scores).normalise(0.0)
    measure.measure(tasks, tmp_path, Budget(episodes=2), workers=1)
    assert read_rows(tmp_path) == rows
    measure.measure(tasks[:1], tmp_path, Budget(episodes=2), workers=1, again=True)
    assert read_rows(tmp_path)["GoToObjS4"]["random"]["episodes"] == 2


def test_episodes_are_spread_over_processes(tmp_path: Path) -> None:
    task = find_task(TASK)
    measure.measure([task], tmp_path, Budget(episodes=3, chunk=1), workers=2)
    assert (
        read_rows(tmp_path)["GoToObjS4"]["expert"]["mean"]
        == in_this_process(task, "expert", Budget(episodes=3), 0, 0)["mean"]
    )
