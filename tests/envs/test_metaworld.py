"""Meta-World: a seed fixes an episode, the goal is visible, the scripts succeed, pictures show the table."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from opengato.envs import all_tasks, family_of, find_task, make
from opengato.envs.metaworld import Family
from opengato.envs.metaworld.instructions import MT10

pytest.importorskip("metaworld")
from metaworld import Task
from metaworld.env_dict import ALL_V3_ENVIRONMENTS

from tests.house import PACKAGE

FAMILY = Family()
# Their goals are in the observation only, or clipped away by Meta-World's cached space.
NEED_GOAL = ("push", "pick-place", "reach", "peg-insert-side")


def play(env: Any, seed: int, steps: int) -> tuple[np.ndarray, list[tuple[float, float, bool]]]:
    """Observations (S + 1, 39) and (reward, dense reward, terminated) of the script's slightly disturbed actions."""
    observation, _ = env.reset(seed=seed)
    act, generator = FAMILY.expert(env), np.random.default_rng(seed)
    observations, outcomes = [observation], []
    for _ in range(steps):
        action = act(observation) + 0.1 * generator.standard_normal(4).astype(np.float32)
        observation, reward, terminated, _, info = env.step(action)
        observations.append(observation)
        outcomes.append((reward, info["dense_reward"], terminated))
        if terminated:
            break
    return np.array(observations), outcomes


def test_all_fifty_tasks_in_the_order_of_metaworld() -> None:
    tasks = all_tasks("metaworld")
    assert [task.id for task in tasks] == [f"metaworld/{name.removesuffix('-v3')}" for name in ALL_V3_ENVIRONMENTS]
    assert {task.id.partition("/")[2] for task in tasks if "mt10" in task.tags} == set(MT10)


def test_instructions_tell_all_tasks_apart() -> None:
    texts = [task.instruction for task in all_tasks("metaworld")]
    assert len(set(texts)) == 50
    assert all(re.fullmatch(r"[a-z ,]{8,60}", text) for text in texts), texts


def test_scores_are_measured_for_all_tasks_and_the_expert_is_above_random() -> None:
    for task in all_tasks("metaworld"):
        assert task.random_score is not None, task.id
        assert task.expert_score is not None, task.id
        assert min(task.random_score.episodes, task.expert_score.episodes) >= 10
        assert task.normalise(task.random_score.mean) == 0
        assert task.normalise(task.expert_score.mean) == 1


@pytest.mark.parametrize("name", ["drawer-open", "push", "bin-picking", "window-close", "stick-pull"])
def test_a_seed_fixes_the_episode_whatever_came_before(name: str) -> None:
    env = FAMILY.make(name)
    first, outcomes = play(env, seed=3, steps=50)
    play(env, seed=4, steps=7)
    for again in (env, FAMILY.make(name)):
        observations, same_outcomes = play(again, seed=3, steps=50)
        np.testing.assert_array_equal(observations, first)
        assert same_outcomes == outcomes
    assert not np.array_equal(play(env, seed=4, steps=5)[0], first[:6])


@pytest.mark.parametrize("name", ["drawer-open", "push", "assembly"])
def test_an_episode_is_that_of_metaworld_with_the_same_draw(name: str) -> None:
    """Meta-World's benchmarks set a task from a pickled draw: an independent way to the same episode."""
    env: Any = FAMILY.make(name)
    ours, _ = play(env, seed=5, steps=20)
    draw = {"env_cls": type(env.simulation), "rand_vec": env.simulation._last_rand_vec, "partially_observable": False}
    reference = ALL_V3_ENVIRONMENTS[f"{name}-v3"]()
    reference.set_task(Task(env_name=f"{name}-v3", data=pickle.dumps(draw)))
    observation, _ = reference.reset()
    act, generator = FAMILY.expert(env), np.random.default_rng(5)
    theirs = [observation]
    for _ in range(len(ours) - 1):
        action = act(observation) + 0.1 * generator.standard_normal(4).astype(np.float32)
        observation, *_ = reference.step(action)
        theirs.append(observation)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", NEED_GOAL)
def test_the_goal_is_visible_from_the_first_step_on(name: str) -> None:
    env = FAMILY.make(name)
    goals = []
    for seed in range(3):
        observations, _ = play(env, seed, steps=4)
        assert np.abs(observations[:, 36:]).max() > 0.05
        np.testing.assert_allclose(observations[1:, 36:], observations[:1, 36:].repeat(len(observations) - 1, 0))
        assert env.observation_space.contains(observations[-1])
        goals.append(tuple(observations[0, 36:]))
    assert len(set(goals)) == 3


@pytest.mark.parametrize("name", [*NEED_GOAL, "drawer-open", "window-close", "hammer"])
def test_the_expert_succeeds_and_the_episode_ends_five_steps_later(name: str) -> None:
    env = FAMILY.make(name)
    observation, _ = env.reset(seed=11)
    act = FAMILY.expert(env)
    rewards, successes, dense = [], [], []
    terminated = truncated = False
    while not (terminated or truncated):
        action = act(observation)
        assert env.action_space.contains(action)
        observation, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
        successes.append(info["success"])
        dense.append(info["dense_reward"])
    assert terminated
    assert successes.index(True) == len(rewards) - 6 == rewards.index(1.0)
    assert sum(rewards) == 1.0
    assert all(isinstance(success, bool) for success in successes)
    assert 0 <= min(dense) <= max(dense) <= 10


def test_failure_is_truncated_after_500_steps_with_return_0() -> None:
    env = FAMILY.make("assembly")
    env.reset(seed=0)
    steps = [env.step(np.zeros(4, np.float32)) for _ in range(500)]
    assert [step[3] for step in steps] == [False] * 499 + [True]
    assert not any(step[1] or step[2] for step in steps)


def test_values_are_those_of_the_specs_and_back() -> None:
    task, env = find_task("metaworld/reach"), make("metaworld/reach", seed=2)
    observation, _ = env.reset()
    values = FAMILY.observation(observation)
    task.observation_specs["state"].validate(values["state"])
    assert values["state"].dtype == np.float32
    action = FAMILY.expert(env)(observation)
    np.testing.assert_array_equal(FAMILY.action(FAMILY.action_values(action)), action)
    assert FAMILY.instruction(env, task) == "reach the goal"
    np.testing.assert_array_equal(observation, make("metaworld/reach").reset(seed=2)[0])


def test_errors_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="did you mean 'metaworld/drawer-open'"):
        find_task("metaworld/drawer-opn")
    with pytest.raises(ValueError, match="did you mean 'drawer-open'"):
        FAMILY.make("drawer-opens")
    with pytest.raises(ValueError, match="did you mean 'metaworld/reach'"):
        family_of("reach")
    env = FAMILY.make("reach")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"received shape \(3,\), expected \(4,\)"):
        env.step(np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="render_size"):
        env.render()
    monkeypatch.delitem(sys.modules, "opengato.envs.metaworld.simulator")
    monkeypatch.delattr("opengato.envs.metaworld.simulator")
    monkeypatch.setitem(sys.modules, "metaworld.env_dict", None)
    with pytest.raises(ImportError, match=r"pip install 'opengato\[metaworld\]'"):
        FAMILY.make("reach")


def test_tasks_are_listed_without_the_simulator_and_made_without_opengl() -> None:
    code = """
import sys
from opengato.envs import all_tasks, make
assert len(all_tasks("metaworld")) == 50
assert not {"metaworld", "mujoco"} & set(sys.modules)
make("metaworld/reach").reset()
assert "OpenGL" not in sys.modules
"""
    env = {name: value for name, value in os.environ.items() if not name.endswith("_GL")}  # of a test before this one
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, env=env)
    assert done.returncode == 0, done.stderr


def test_pictures_show_the_scene_and_change(gl: str) -> None:
    env = FAMILY.make("drawer-open", render_size=48)
    observation, _ = env.reset(seed=1)
    act = FAMILY.expert(env)
    first: Any = env.render()
    assert first.shape == (48, 48, 3)
    assert first.dtype == np.uint8
    assert first.std() > 20
    # The right way up: the wood of the table is below, the grey of the room above.
    assert first[-8:, :, 0].mean() > first[-8:, :, 2].mean() + 15
    assert abs(first[:4, 24:, 0].mean() - first[:4, 24:, 2].mean()) < 15
    np.testing.assert_array_equal(env.render(), first)
    for _ in range(20):
        observation, *_ = env.step(act(observation))
    later: Any = env.render()
    assert np.mean(np.any(later != first, axis=-1)) > 0.02
    env.reset(seed=1)
    np.testing.assert_array_equal(env.render(), first)
    env.close()
