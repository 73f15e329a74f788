"""Every task of every family, made and played by chance and by its expert.

By what their episodes cost when they were measured, the experts take 24 minutes of a processor. A failure names its
task. `-k`, or OPENGATO_TASKS with patterns such as 'dmc/*,atari/Pong', chooses some of them.
"""

from __future__ import annotations

import fnmatch
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from opengato.core.environment import TaskInfo
from opengato.envs import all_tasks, family_of, find_task
from opengato.rollout.measure import play_seeds
from tests.contracts.played import assert_leaves_nothing, assert_seed_decides, play, simulator
from tests.house import PACKAGE

pytestmark = pytest.mark.timeout(3600)
PATTERNS = os.environ.get("OPENGATO_TASKS", "*").split(",")
TASKS = {task.id: task for task in all_tasks() if any(fnmatch.fnmatchcase(task.id, word) for word in PATTERNS)}
NOT_MEASURED = 500_000  # the first of seeds that neither a measurement nor training uses
FAMILIES = sorted({task.family for task in TASKS.values()})
MAKING = """
import sys
from opengato.envs import all_tasks, make
tasks = all_tasks(sys.argv[1])
for task in (tasks[0], tasks[-1]):
    env = make(task.id, render_size=48)
    env.reset()
    env.step(env.action_space.sample())
    env.render()
    env.close()
"""
DEAR = 10.0  # seconds of a processor for an episode of an expert
MOST = 240.0  # seconds of a processor for all episodes of an expert


def experts() -> list[str]:
    """Tasks whose expert is measured and quick."""
    return [task.id for task in TASKS.values() if task.expert_score and (task.expert_score.seconds or 0.0) <= DEAR]


def episodes_of(task: TaskInfo) -> int:
    """At least three, and so many that three standard errors of their mean are half of the expert's margin."""
    random, expert = task.random_score, task.expert_score
    assert random is not None
    assert expert is not None
    wanted = math.ceil((6 * expert.std / (expert.mean - random.mean)) ** 2)
    return max(3, min(wanted, int(MOST / (expert.seconds or 0.5))))


@pytest.mark.parametrize("task_id", TASKS)
def test_a_seed_fixes_the_episode_and_its_values_fit(task_id: str) -> None:
    assert_seed_decides(find_task(task_id))


@pytest.mark.parametrize("task_id", TASKS)
def test_an_episode_of_random_actions_ends(task_id: str) -> None:
    task = find_task(task_id)
    with simulator(task) as env:
        assert play(family_of(task_id), task, env, 5, task.max_steps).over


@pytest.mark.parametrize("task_id", TASKS)
def test_a_picture_shows_something(task_id: str) -> None:
    with simulator(find_task(task_id), render_size=48) as env:
        env.reset(seed=0)
        picture = np.asarray(env.render())
    assert picture.shape == (48, 48, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 1


@pytest.mark.parametrize("task_id", experts())
def test_an_expert_stands_by_its_score(task_id: str) -> None:
    """On seeds that were not measured, it is above random by half of the stated margin."""
    task = find_task(task_id)
    with simulator(task):
        pass
    assert task.random_score is not None
    assert task.expert_score is not None
    seeds = range(NOT_MEASURED, NOT_MEASURED + episodes_of(task))
    returns = [played.total for played in play_seeds(task_id, "expert", seeds)]
    least = (task.random_score.mean + task.expert_score.mean) / 2
    assert np.mean(returns) > least, f"{task_id}: {returns}"


@pytest.mark.parametrize("render_size", [0, 48])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_hundred_environments_leave_nothing(
    family: str, render_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_leaves_nothing(all_tasks(family)[0], tmp_path, monkeypatch, render_size=render_size)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fresh_process_prints_nothing(family: str) -> None:
    with simulator(all_tasks(family)[0]):
        pass
    done = subprocess.run([sys.executable, "-c", MAKING, family], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
