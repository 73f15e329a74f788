"""Anchors of tasks: the same returns as a rollout has, and what is measured stays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from opengato.core.environment import ExpertFailed
from opengato.envs import family_of, find_task
from opengato.envs.scores import FILE, read_rows, read_scores, read_versions, write_rows
from opengato.rollout import collect, measure
from opengato.rollout.measure import Budget, Played, play, summarise

TASK = "babyai/GoToObjS4"
FAMILY = family_of(TASK)


class Here(Executor):
    """This process, so that nothing has to be started; remembers what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, range]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.asked.append(args)
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    made = Here()
    monkeypatch.setattr(measure, "ProcessPoolExecutor", lambda *_, **__: made)
    return made


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


def test_rows_are_pooled_as_if_measured_together() -> None:
    generator = np.random.default_rng(0)
    for count, success in ((1, None), (7, None), (12, True)):
        played = [
            Played(seed, generator.normal(50, 20), seed, success and bool(seed % 3), seed == 4, 0.25 * seed)
            for seed in range(count + 9)
        ]
        pooled, together = measure.pooled(summarise(played[:count]), summarise(played[count:])), summarise(played)
        ours, rate = pooled.pop("success_rate"), together.pop("success_rate")
        assert ours is rate is None if success is None else ours == pytest.approx(rate, abs=2e-4)
        assert pooled == pytest.approx(together, rel=1e-5, abs=2e-3)


def test_what_is_measured_is_kept_and_what_is_missing_is_added(here: Here, tmp_path: Path) -> None:
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
    here.asked.clear()
    measure.measure(tasks, tmp_path, Budget(episodes=1), workers=1)
    assert (here.asked, read_rows(tmp_path)) == ([], rows)
    measure.measure(tasks[:1], tmp_path, Budget(episodes=4, chunk=2), workers=1)
    assert [(policy, *seeds) for _, policy, seeds in here.asked] == [
        ("expert", 1, 2),
        ("expert", 3),
        ("random", 1, 2),
        ("random", 3),
    ]
    for policy in ("expert", "random"):
        together = summarise(measure.play_seeds(TASK, policy, range(4)))
        grown = read_rows(tmp_path)["GoToObjS4"][policy]
        assert {**grown, "seconds": 0} == pytest.approx({**together, "seconds": 0}, rel=1e-4)
    assert read_rows(tmp_path)["KeyInBox"] == rows["KeyInBox"]
    here.asked.clear()
    measure.measure(tasks[:1], tmp_path, Budget(episodes=2), workers=1, again=True)
    assert [seeds for *_, seeds in here.asked] == [range(2), range(2)]
    assert read_rows(tmp_path)["GoToObjS4"]["random"]["episodes"] == 2


def test_what_cost_its_budget_is_not_added_to(here: Here, tmp_path: Path) -> None:
    row = {**summarise(measure.play_seeds(TASK, "random", range(5))), "seconds": 3.0}
    task = find_task(TASK)
    assert measure.measure_task(task, "random", Budget(seconds=14.9), here, 1, row) is row
    assert measure.measure_task(task, "random", Budget(seconds=14.9, least=6), here, 1, row)["episodes"] == 10
    assert measure.measure_task(task, "random", Budget(seconds=15.1), here, 1, row)["episodes"] == 20


def test_episodes_of_other_versions_are_not_added_to(here: Here, tmp_path: Path) -> None:
    tasks = [find_task(TASK)]
    measure.measure(tasks, tmp_path, Budget(episodes=1), workers=1)
    path = tmp_path / FILE
    path.write_text(path.read_text().replace('"minigrid": "', '"minigrid": "0.'))
    measure.measure(tasks, tmp_path, Budget(episodes=1), workers=1)
    with pytest.raises(ValueError, match=r"the 1 episodes of babyai/GoToObjS4 .*'minigrid': '0\..* --again"):
        measure.measure(tasks, tmp_path, Budget(episodes=2), workers=1)
    measure.measure(tasks, tmp_path, Budget(episodes=2), workers=1, again=True)
    assert read_rows(tmp_path)["GoToObjS4"]["expert"]["episodes"] == 2


def test_a_row_with_fewer_figures_is_measured_anew(here: Here, tmp_path: Path) -> None:
    measure.measure([find_task(TASK)], tmp_path, Budget(episodes=1), workers=1)
    row = read_rows(tmp_path)["GoToObjS4"]
    old = {**row, "expert": {key: value for key, value in row["expert"].items() if key != "seconds"}}
    header = {"versions": read_versions(tmp_path)}
    write_rows(tmp_path, header, {"GoToObjS4": old}, ["GoToObjS4"])
    here.asked.clear()
    measure.measure([find_task(TASK)], tmp_path, Budget(episodes=2), workers=1)
    assert [(policy, *seeds) for _, policy, seeds in here.asked] == [("expert", 0, 1), ("random", 1)]


def test_episodes_are_spread_over_processes(tmp_path: Path) -> None:
    measure.measure([find_task(TASK)], tmp_path, Budget(episodes=3, chunk=1), workers=2)
    alone = summarise(measure.play_seeds(TASK, "expert", range(3)))
    assert read_rows(tmp_path)["GoToObjS4"]["expert"]["mean"] == alone["mean"]
