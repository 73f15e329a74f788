"""What every task family owes its users; a new folder under `opengato/envs` is tested the moment it exists.

Here are a few tasks of each family and of each layout; `tests/slow/test_all_tasks.py` plays all of them.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from opengato.core.config import plugins
from opengato.core.environment import Family, TaskInfo
from opengato.envs import all_tasks, family_of, find_task
from opengato.rollout.policies import sample_uniform
from tests.contracts.played import assert_leaves_nothing, assert_seed_decides, play, simulator
from tests.house import PACKAGE

FAMILIES = plugins("envs")
MOST_TASKS = 6  # of a family, to be played
# In a fresh interpreter, tasks of all families are listed; what is loaded then is what gymnasium and we need anyway.
LISTING = """
import sys
import gymnasium, numpy, PIL.Image
before = set(sys.modules)
from opengato.envs import all_tasks
assert len(all_tasks()) > 500
loaded = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
assert loaded <= {"opengato", "PIL", "gymnasium", "numpy"}, loaded
"""
QUICK = 1.0  # seconds of a processor for making and closing environments, again and again


def spread(tasks: list[TaskInfo]) -> list[TaskInfo]:
    """The first, the middle and the last task, and the first of each layout; of too many, some from first to last."""
    layouts: dict[str, int] = {}
    for number, task in enumerate(tasks):
        layouts.setdefault(repr((task.observation_specs, task.action_specs)), number)
    numbers = sorted({0, len(tasks) // 2, len(tasks) - 1, *layouts.values()})
    places = np.linspace(0, len(numbers) - 1, min(MOST_TASKS, len(numbers))).round().astype(int)
    return [tasks[numbers[place]] for place in places]


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return family_of(f"{request.param}/any")


def test_tasks_are_described_without_their_simulator(family: Family) -> None:
    tasks = all_tasks(family.name)
    assert tasks
    assert len({task.id for task in tasks}) == len(tasks)
    for task in tasks:
        assert task.id.startswith(f"{family.name}/")
        assert task.family == family.name
        assert find_task(task.id) is task
        assert task.instruction.strip() == task.instruction != "", task.id
        assert task.max_steps > 0
        assert task.observation_specs, task.id
        assert task.action_specs, task.id
        for spec in task.action_specs.values():  # what cannot be drawn at random cannot be sampled under a mask either
            spec.validate(sample_uniform(spec, np.random.default_rng(0)))
        for name, spec in (task.observation_specs | task.action_specs).items():
            assert spec.name.startswith(f"{family.name}/"), f"{name}: statistics and reports are keyed by it"
            assert spec.meaning, name
        assert pickle.loads(pickle.dumps(task)) == task


def test_instructions_tell_tasks_apart(family: Family) -> None:
    if type(family).told is not Family.told:
        return  # each episode has an instruction of its own, that of its environment
    seen: dict[tuple[str, str], str] = {}
    for task in family.tasks():
        key = repr((task.observation_specs, task.action_specs)), task.instruction
        assert seen.setdefault(key, task.id) == task.id, f"{task.id} and {seen[key]}: {task.instruction}"


def test_listing_tasks_loads_no_simulator_and_prints_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LISTING], capture_output=True, text=True, cwd=PACKAGE.parent
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_expert_is_above_random_by_stored_scores(family: Family) -> None:
    with_expert = [task for task in family.tasks() if task.expert is not None]
    assert with_expert
    for task in with_expert:
        assert task.random_score is not None, task.id
        assert task.expert_score is not None, task.id
        assert min(task.random_score.episodes, task.expert_score.episodes) >= 10, task.id
        assert task.expert_score.mean > task.random_score.mean, f"{task.id}: leave such a task out, or its expert"
        assert task.normalise(task.random_score.mean) == 0
        assert task.normalise(task.expert_score.mean) == pytest.approx(1)


def test_specs_hold_and_a_seed_fixes_the_episode(family: Family) -> None:
    for task in spread(family.tasks()):
        assert_seed_decides(task)


def test_an_episode_ends_in_time(family: Family) -> None:
    """Those of the smallest limits, so that most come to theirs."""
    for task in sorted(family.tasks(), key=lambda task: task.max_steps)[:3]:
        with simulator(task) as env:
            assert play(family, task, env, 3, task.max_steps).over, task.id


def test_closing_frees_everything(family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_leaves_nothing(family.tasks()[0], tmp_path, monkeypatch, seconds=QUICK)


def test_pictures_are_square_and_nothing_is_printed(family: Family, capfd: pytest.CaptureFixture[str]) -> None:
    task = family.tasks()[0]
    with simulator(task, render_size=40) as env:
        env.reset(seed=0)
        picture = np.asarray(env.render())
        env.step(
            family.action({name: sample_uniform(s, np.random.default_rng(0)) for name, s in task.action_specs.items()})
        )
        env.close()  # and once more when it is left
    assert picture.shape == (40, 40, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 1, "a flat picture shows nothing"
    assert capfd.readouterr() == ("", "")


def test_a_picture_that_was_not_asked_for_says_how_to_ask(family: Family) -> None:
    with simulator(family.tasks()[0]) as env:
        env.reset(seed=0)
        with pytest.raises(ValueError, match="render_size"):
            env.render()


def test_the_expert_gives_actions_of_the_space(family: Family) -> None:
    for task in spread([task for task in family.tasks() if task.expert is not None]):
        with simulator(task) as env:
            raw, _ = env.reset(seed=0)
            act = family.expert(env)
            for _ in range(3):
                action = act(raw)
                for name, value in family.action_values(action).items():
                    task.action_specs[name].validate(value, where=task.id)
                raw, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    break


def test_an_unknown_task_suggests_a_near_one(family: Family) -> None:
    good = family.tasks()[0].id
    with pytest.raises(ValueError, match="did you mean"):
        find_task(good[:-1] + "~")
    with pytest.raises(ValueError, match=f"must look like 'family/name'; did you mean '{good}'"):
        find_task(good.partition("/")[2])
