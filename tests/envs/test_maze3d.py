"""MiniWorld: worlds beside one another do not mix, nothing piles up, the planner walks as far as it must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opengato.envs import all_tasks, find_task
from opengato.envs.maze3d import Family, planning
from opengato.envs.maze3d import family as package

FAMILY = Family()
try:
    simulator: Any = package._simulator()
except ImportError as error:  # the package or a way to draw
    pytest.skip(str(error), allow_module_level=True)


def play(name: str, seed: int) -> tuple[Any, list[float], list[tuple[float, ...]], dict[str, Any]]:
    """The world, rewards and places of the agent, and the last `info`, by the planner."""
    env: Any = FAMILY.make(name)
    observed, info = env.reset(seed=seed)
    act, rewards, places = FAMILY.expert(env), [], []
    for _ in range(find_task(f"maze3d/{name}").max_steps):
        observed, reward, terminated, truncated, info = env.step(act(observed))
        rewards.append(reward)
        places.append(tuple(planning.flat(env.unwrapped.agent.pos)))
        if terminated or truncated:
            break
    return env, rewards, places, info


def test_instructions_tell_the_tasks_apart_and_limits_are_miniworlds() -> None:
    tasks = all_tasks("maze3d")
    assert len({task.instruction for task in tasks}) == len(tasks) == 21
    for name in ("hallway", "sign", "maze-s3-fast"):
        env: Any = FAMILY.make(name)
        task = find_task(f"maze3d/{name}")
        assert task.max_steps == env.unwrapped.max_episode_steps
        assert task.action_specs["action"].num_values == env.action_space.n
        assert FAMILY.observation(env.reset(seed=0)[0])["state"].shape == (64, 64, 3)


def test_worlds_beside_one_another_look_as_they_do_alone() -> None:
    """MiniWorld keeps the walls of a world in list number 1 of the window, whichever world it is."""

    def alone(name: str) -> list[np.ndarray]:
        env = FAMILY.make(name)
        return [env.reset(seed=2)[0], *(env.step(action)[0] for action in (0, 2, 2, 1))]

    names = ("hallway", "wall-gap", "maze-s2")
    expected = [alone(name) for name in names]
    envs = [FAMILY.make(name) for name in names]
    seen = [[env.reset(seed=2)[0]] for env in envs]
    for action in (0, 2, 2, 1):
        for env, frames in zip(envs, seen, strict=True):
            frames.append(env.step(action)[0])
    np.testing.assert_array_equal(seen, expected)
    assert not np.array_equal(expected[0], expected[1])


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_a_hundred_worlds_share_a_window_and_leave_nothing_open() -> None:
    FAMILY.make("one-room-s6").close()
    before = simulator._buffer.cache_info().currsize, open_files()
    for seed in range(100):
        env = FAMILY.make("one-room-s6")
        env.reset(seed=seed)
        env.close()
    assert before == (simulator._buffer.cache_info().currsize, open_files())
    assert not simulator.SHOWN


@pytest.mark.parametrize("name", ["hallway", "y-maze", "one-room-s6-fast", "put-next"])
def test_the_reward_of_finding_is_what_its_time_leaves(name: str) -> None:
    _, rewards, _, info = play(name, seed=5)
    steps = len(rewards)
    assert info["success"]
    assert rewards == [0.0] * (steps - 1) + [pytest.approx(1 - 0.2 * steps / find_task(f"maze3d/{name}").max_steps)]


def test_the_sign_is_obeyed_and_the_street_never_entered() -> None:
    assert play("sign", seed=1)[1][-1] == 1.0
    env, _, places, info = play("sidewalk", seed=1)
    assert info["success"]
    assert max(x for x, _ in places) < env.unwrapped.street.min_x


def test_distances_to_walls_are_those_of_many_points_on_them() -> None:
    generator = np.random.default_rng(0)
    nodes, segments = generator.uniform(0, 5, (30, 2)), generator.uniform(0, 5, (4, 2, 3))
    shares = np.linspace(0, 1, 2001)[:, None]
    points = np.concatenate([(1 - shares) * a[[0, 2]] + shares * b[[0, 2]] for a, b in segments])
    expected = np.linalg.norm(nodes[:, None] - points, axis=-1).min(axis=1)
    np.testing.assert_allclose(planning.distances_to_walls(nodes, segments), expected, atol=2e-3)


def test_a_floor_without_walls_between_is_as_far_as_the_crow_flies() -> None:
    env: Any = FAMILY.make("one-room")
    env.reset(seed=4)
    world = env.unwrapped
    floor = planning.Floor(world, world.box, planning.within(world.box, 1.0))
    straight = np.linalg.norm(planning.flat(world.agent.pos) - planning.flat(world.box.pos)) - 1.0
    # Eight directions lengthen a way by 8 % at most.
    assert straight <= floor.distance(planning.flat(world.agent.pos)) <= 1.083 * straight + 2 * planning.SPACING
    assert floor.distance(np.array([-50.0, -50.0])) == np.inf


def test_things_are_taken_one_by_one() -> None:
    _, rewards, _, info = play("pickup-objects", seed=3)
    assert sum(rewards) == 5.0
    assert info["success"]


def test_pictures_from_above_show_the_goal_and_do_not_change_what_is_seen() -> None:
    env, other = FAMILY.make("one-room", render_size=96), FAMILY.make("one-room")
    env.reset(seed=0), other.reset(seed=0)
    picture: Any = env.render()
    assert (picture.shape, picture.dtype) == ((96, 96, 3), np.uint8)
    red = (picture[..., 0] > 150) & (picture[..., 1:].max(axis=-1) < 60)
    assert 20 < red.sum() < 600
    np.testing.assert_array_equal(env.step(2)[0], other.step(2)[0])
    with pytest.raises(ValueError, match="render_size"):
        other.render()


def test_errors_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="did you mean 'hallway'"):
        FAMILY.make("halway")

    def broken(module: str, extra: str) -> None:
        raise ImportError('Library "EGL" not found.')

    monkeypatch.setattr(package, "load_simulator", broken)
    with pytest.raises(ImportError, match=r'(?s)"EGL" not found.*apt-get install libegl1 .*libglu1-mesa'):
        FAMILY.make("hallway")
