"""What every task family owes its users; a new folder under `opengato/envs` is tested the moment it exists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest

from opengato.core.config import plugins
from opengato.core.environment import Family, TaskInfo
from opengato.envs import all_tasks, family_of, find_task
from opengato.rollout.policies import sample_uniform

FAMILIES = plugins("envs")


def simulated(family: Family) -> Iterator[tuple[TaskInfo, gymnasium.Env]]:
    """The first and the last task with their environments; skips where the simulator is not installed."""
    tasks = family.tasks()
    for task in (tasks[0], tasks[-1]):
        try:
            env = family.make(task.id.partition("/")[2])
        except ImportError as error:
            pytest.skip(str(error))
        yield task, env
        env.close()


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


def episode(family: Family, task: TaskInfo, env: gymnasium.Env, seed: int) -> list[Any]:
    """All that ten random steps show."""
    generator = np.random.default_rng(1)
    raw, _ = env.reset(seed=seed)
    shown: list[Any] = [family.instruction(env, task)]
    assert isinstance(shown[0], str)
    assert shown[0]
    for _ in range(10):
        values = family.observation(raw)
        assert values.keys() == task.observation_specs.keys()
        for name, spec in task.observation_specs.items():
            spec.validate(values[name], where=f"{task.id} {name}")
            if spec.kind != "text" and -1 not in spec.shape:
                assert values[name].dtype == np.dtype(spec.dtype), name
            shown.append(np.array(values[name]))
        drawn = {name: sample_uniform(spec, generator) for name, spec in task.action_specs.items()}
        action = family.action(drawn)
        assert env.action_space.contains(action), task.id
        back = family.action_values(action)
        for name, spec in task.action_specs.items():
            np.testing.assert_allclose(back[name], drawn[name])
            assert np.asarray(back[name]).dtype == np.dtype(spec.dtype)
        raw, reward, terminated, truncated, info = env.step(action)
        shown += [float(reward), bool(terminated)]
        assert "success" not in info or isinstance(info["success"], bool | np.bool_)
        if terminated or truncated:
            break
    return shown


def test_specs_hold_and_a_seed_fixes_the_episode(family: Family) -> None:
    for task, env in simulated(family):
        first, other, again = (episode(family, task, env, seed) for seed in (3, 4, 3))
        assert len(first) == len(again)
        for mine, theirs in zip(first, again, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        same = len(first) == len(other) and all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
        assert not same, "another seed is another episode"


def test_the_expert_gives_actions_of_the_space(family: Family) -> None:
    for task, env in simulated(family):
        if task.expert is None:
            continue
        raw, _ = env.reset(seed=0)
        act = family.expert(env)
        for _ in range(3):
            action = act(raw)
            for name, value in family.action_values(action).items():
                task.action_specs[name].validate(value)
            raw, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                break


def test_an_unknown_task_suggests_a_near_one(family: Family) -> None:
    good = family.tasks()[0].id
    with pytest.raises(ValueError, match="did you mean"):
        find_task(good[:-1] + "~")
    with pytest.raises(ValueError, match=f"must look like 'family/name'; did you mean '{good}'"):
        find_task(good.partition("/")[2])
