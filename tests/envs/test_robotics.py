"""Gymnasium-Robotics: what the numbers are, that experts do what they claim and touch nothing, that nothing is left."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opengato.envs import all_tasks, find_task, make
from opengato.envs.robotics import Family

pytest.importorskip("gymnasium_robotics")
from gymnasium_robotics.envs.maze import maps

from opengato.envs.robotics import experts, planning

FAMILY = Family()


def play(name: str, seed: int, steps: int | None = None) -> tuple[Any, list[dict[str, np.ndarray]], list[float], bool]:
    """The environment, its observations, its rewards and the verdict on the last step, by the expert."""
    env = FAMILY.make(name)
    observed, _ = env.reset(seed=seed)
    act = FAMILY.expert(env)
    seen, rewards, info = [observed], [], {"success": False}
    for _ in range(steps or find_task(f"robotics/{name}").max_steps):
        observed, reward, terminated, truncated, info = env.step(act(observed))
        seen.append(observed)
        rewards.append(reward)
        if terminated or truncated:
            break
    return env, seen, rewards, info["success"]


def test_every_task_can_be_made_and_instructions_tell_them_apart() -> None:
    tasks = all_tasks("robotics")
    assert len({task.instruction for task in tasks}) == len(tasks) == 59
    for task in {task.observation_specs["state"]: task for task in tasks}.values():  # one of each layout
        env = make(task.id, seed=1)
        observed, _ = env.reset()
        assert FAMILY.observation(observed)["state"].shape == task.observation_specs["state"].shape
        assert env.action_space.shape == task.action_specs["action"].shape
        env.close()


@pytest.mark.parametrize("name", ["fetch-reach", "fetch-push", "fetch-pick-and-place"])
def test_a_return_is_minus_the_steps_spent_away_from_the_goal(name: str) -> None:
    env, seen, rewards, success = play(name, seed=7)
    away = [np.linalg.norm(each["achieved_goal"] - each["desired_goal"]) > 0.05 for each in seen[1:]]
    assert rewards == [-float(each) for each in away]
    assert success
    assert len(rewards) == 50
    state = FAMILY.observation(seen[-1])["state"]
    achieved = 6 if name == "fetch-reach" else 9  # the gripper, or the block after it
    np.testing.assert_array_equal(state[:3], state[achieved : achieved + 3])
    np.testing.assert_allclose(state[3:6], env.unwrapped.goal, rtol=1e-6)


def test_trying_strikes_changes_nothing_and_foretells_the_strike() -> None:
    env, other = FAMILY.make("fetch-slide"), FAMILY.make("fetch-slide")
    for each in (env, other):
        each.reset(seed=3)
    foretold = planning.outcome(env.unwrapped, planning.Strike(angle=0.05, speed=0.6, run_up=0.1))
    for field in ("qpos", "qvel", "time", "mocap_pos", "qacc_warmstart", "ctrl", "xpos"):
        np.testing.assert_array_equal(getattr(env.unwrapped.data, field), getattr(other.unwrapped.data, field))
    observed = env.unwrapped._get_obs()
    act = planning.Striker(foretold.strike, observed["achieved_goal"], observed["desired_goal"])
    for _ in range(50):
        observed, *_ = env.step(act(observed))
    assert np.linalg.norm(observed["achieved_goal"] - observed["desired_goal"]) == foretold.miss
    moved = np.linalg.norm(observed["achieved_goal"][:2] - other.unwrapped._get_obs()["achieved_goal"][:2])
    assert moved > 0.1


MAZES = [value for name, value in vars(maps).items() if name.isupper() and isinstance(value, list)]


@pytest.mark.parametrize("maze", MAZES)
def test_shortest_paths_are_those_of_matrix_powers(maze: list[list[Any]]) -> None:
    free = [(i, j) for i, row in enumerate(maze) for j, cell in enumerate(row) if cell != 1]
    beside = np.array([[abs(a - c) + abs(b - d) == 1 for c, d in free] for a, b in free])
    within, steps = np.eye(len(free), dtype=bool), np.full((len(free), len(free)), -1)
    for number in range(len(free)):
        steps[within & (steps < 0)] = number
        within = within | (within.astype(int) @ beside > 0)
    for column, goal in enumerate(free):
        found = experts.steps_to(maze, goal)
        assert found == {cell: steps[row, column] for row, cell in enumerate(free) if steps[row, column] >= 0}


@pytest.mark.parametrize("name", ["pointmaze-umaze", "pointmaze-medium"])
def test_the_ball_finds_the_goal_and_stays(name: str) -> None:
    _, seen, rewards, success = play(name, seed=2)
    first = rewards.index(1.0)
    assert success
    assert rewards[first:] == [1.0] * (len(rewards) - first)
    assert np.linalg.norm(seen[-1]["achieved_goal"] - seen[-1]["desired_goal"]) < 0.05


def test_the_open_room_with_all_cells_marked_is_the_open_room() -> None:
    drawn, marked = (np.array(maze, dtype=object) != 1 for maze in (maps.OPEN, maps.OPEN_DIVERSE_GR))
    np.testing.assert_array_equal(drawn, marked)
    assert set(np.array(maps.OPEN_DIVERSE_GR, dtype=object)[marked]) == {"c"}


def test_fingers_come_near_their_places() -> None:
    _, seen, _, _ = play("hand-reach", seed=1, steps=25)
    gaps = [np.linalg.norm(each["achieved_goal"] - each["desired_goal"]) for each in seen]
    assert gaps[-1] < 0.25 * gaps[0]


@pytest.mark.parametrize("name", ["hand-egg", "fetch-push", "kitchen-kettle", "adroit-pen", "antmaze-umaze"])
def test_an_episode_does_not_depend_on_what_was_played_before(name: str) -> None:
    env, task = FAMILY.make(name), find_task(f"robotics/{name}")
    generator = np.random.default_rng(0)
    actions = generator.uniform(-1, 1, (20, *task.action_specs["action"].shape)).astype(np.float32)

    def states(seed: int) -> np.ndarray:
        observed = [env.reset(seed=seed)[0], *(env.step(action)[0] for action in actions)]
        return np.array([FAMILY.observation(each)["state"] for each in observed])

    first, other, again = states(3), states(4), states(3)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    env.close()


def test_no_maze_stays_in_the_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("pointmaze-umaze", "antmaze-umaze"):
        env = FAMILY.make(name)
        env.reset(seed=0)
        env.close()
    assert not list(tmp_path.iterdir())


def test_the_kitchen_asks_for_what_its_name_says() -> None:
    env: Any = FAMILY.make("kitchen-light-switch")
    assert list(env.unwrapped.goal) == ["light switch"]
    env.reset(seed=0)
    *_, terminated, truncated, info = env.step(np.zeros(9, np.float32))
    assert (terminated, truncated, info["success"]) == (False, False, False)
    env.unwrapped.data.qpos[17:19] = env.unwrapped.goal["light switch"]
    _, reward, terminated, _, info = env.step(np.zeros(9, np.float32))
    assert (reward, terminated, info["success"]) == (1.0, True, True)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="did you mean 'fetch-push'"):
        FAMILY.make("fetch-pus")
    with pytest.raises(ValueError, match="render_size"):
        FAMILY.make("fetch-reach").render()
