"""The Control Suite: the suite's own numbers, exact regulators, geometry, pictures, changed bodies, batch rewards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from opengato.envs import all_tasks, find_task
from opengato.envs.dmc import Family
from opengato.envs.dmc.tasks import BENCHMARK, CHANGEABLE, EXPERTS, TASKS, VARIANTS

pytest.importorskip("dm_control")

from opengato.envs.dmc import controllers, planning, simulator
from opengato.envs.dmc.experts import EXPERTS as PLAYERS
from opengato.envs.dmc.perturbation import LARGE, SMALL
from opengato.envs.linear import linearise, regulator
from opengato.envs.mpc import Futures
from opengato.rollout.policies import sample_uniform

FAMILY = Family()


def playing(name: str, seed: int, steps: int) -> tuple[Any, list[float]]:
    """An environment after `steps` steps of random actions, and their rewards."""
    env, generator = FAMILY.make(name), np.random.default_rng(seed)
    env.reset(seed=seed)
    spec = find_task(f"dmc/{name}").action_specs["action"]
    return env, [float(env.step(sample_uniform(spec, generator))[1]) for _ in range(steps)]


def test_every_task_of_the_suite_is_here_and_can_be_told_apart() -> None:
    assert set(TASKS) == set(simulator.suite.ALL_TASKS)
    assert set(BENCHMARK) == set(simulator.suite.BENCHMARKING)
    assert len(VARIANTS) == 51 + 28 + 2 * len(CHANGEABLE)
    assert len({task.instruction for task in all_tasks("dmc")}) == len(VARIANTS)
    layouts: dict[str, tuple] = {}
    for task in all_tasks("dmc"):
        for spec in (*task.observation_specs.values(), *task.action_specs.values()):
            assert layouts.setdefault(spec.name, spec.shape) == spec.shape, "one name, one layout"


def test_described_experts_are_those_that_play() -> None:
    assert EXPERTS.keys() == PLAYERS.keys()


@pytest.mark.filterwarnings("ignore:`in1d` is deprecated:DeprecationWarning")  # in dm_control's quadruped
@pytest.mark.parametrize("name", ["lqr-lqr_6_2", "manipulator-bring_ball", "quadruped-walk", "stacker-stack_2"])
def test_layouts_are_right_where_actions_and_shapes_are_odd(name: str) -> None:
    env, _ = playing(name, seed=0, steps=2)
    task = find_task(f"dmc/{name}")
    raw, _ = env.reset(seed=1)
    task.observation_specs["state"].validate(FAMILY.observation(raw)["state"])
    assert env.action_space.shape == task.action_specs["action"].shape
    controls = env.simulation.action_spec()
    for sign, limits in ((-1, controls.minimum), (1, controls.maximum)):
        if np.abs(limits).max() < 100:  # an action of 1 is the most that a control can be, whatever its limits
            np.testing.assert_allclose(env.action_of(limits), sign)
    env.close()


def test_rewards_and_observations_are_the_suites_own() -> None:
    env = FAMILY.make("cheetah-run").unwrapped
    mine, _ = env.reset(seed=5)
    theirs = simulator.suite.load("cheetah", "run", task_kwargs={"random": env.episode_seed})
    moment, generator = theirs.reset(), np.random.default_rng(0)
    for step in range(1000):
        np.testing.assert_array_equal(mine, np.concatenate([*moment.observation.values()]))
        action = generator.uniform(-1, 1, 6).astype(np.float32)
        moment = theirs.step(action.astype(np.float64))
        mine, reward, terminated, truncated, _ = env.step(action)
        assert reward == pytest.approx(moment.reward, abs=1e-12)
        assert not terminated
        assert truncated == (step == 999) == moment.last()


def test_the_regulator_pays_what_riccatis_equation_says() -> None:
    """A linear system without noise: the cost of the whole episode is known at its start."""
    env = FAMILY.make("lqr-lqr_2_1").unwrapped
    env.reset(seed=0)
    start = np.concatenate([env.data.qpos, env.data.qvel])
    _, to_go = regulator(*linearise(env.model, np.zeros(2), 1), np.diag([0.5, 0.5, 0, 0]), 0.05 * np.eye(1))
    act, total, over = controllers.lqr(env), 0.0, False
    while not over:
        _, reward, terminated, truncated, _ = env.step(env.action_of(act()))
        total, over = total + float(reward), terminated or truncated
    # The first state costs nothing in the suite, which pays for a step by where it leads.
    assert -total == pytest.approx(start @ to_go @ start - start[:2] @ start[:2] / 2, rel=0.01)


def test_an_arm_reaches_where_its_angles_are_said_to() -> None:
    for target in np.random.default_rng(0).uniform(-0.16, 0.16, (20, 2)):
        shoulder, elbow = controllers.nearest_angles(target, 0.12, 0.12, np.zeros(2))
        reached = 0.12 * np.exp(1j * shoulder) + 0.12 * np.exp(1j * (shoulder + elbow))
        np.testing.assert_allclose([reached.real, reached.imag], target, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "least"), [("cartpole-swingup", 600), ("pendulum-swingup", 300), ("reacher-hard", 700)]
)
def test_controllers_do_their_tasks(name: str, least: float) -> None:
    env = FAMILY.make(name)
    raw, _ = env.reset(seed=123)
    act, total, over = FAMILY.expert(env), 0.0, False
    while not over:
        raw, reward, terminated, truncated, _ = env.step(act(raw))
        total, over = total + float(reward), terminated or truncated
    assert total > least


@pytest.mark.parametrize(
    ("name", "reward_of"),
    [
        ("cheetah-run", planning.cheetah),
        ("walker-stand", planning.walker(0)),
        ("fish-upright", planning.fish_upright),
    ],
)
def test_rewards_for_plans_are_the_tasks_own(name: str, reward_of: planning.RewardOf) -> None:
    env, rewards = playing(name, seed=2, steps=30)
    bare = env.unwrapped
    found = reward_of(bare)(now(bare))
    assert found[0, 0] == pytest.approx(rewards[-1], abs=1e-6)


def now(env: Any) -> Futures:
    """The present of an environment as one plan of one step."""
    data = env.data
    parts = (data.qpos, data.qvel, data.ctrl, data.sensordata)
    return Futures(data.qpos.copy(), *(part[None, None].copy() for part in parts))


def test_plans_know_where_the_fishs_mouth_is() -> None:
    """From position and orientation alone, against MuJoCo's own."""
    env, _ = playing("fish-swim", seed=1, steps=20)
    bare = env.unwrapped
    apart = np.linalg.norm(bare.simulation.physics.mouth_to_target())
    own = bare.simulation.task.get_reward(bare.simulation.physics)
    assert planning.fish_swim(bare)(now(bare))[0, 0] == pytest.approx(own - apart, abs=1e-6)


def test_a_ball_in_the_cup_is_seen_by_plans() -> None:
    env = FAMILY.make("ball_in_cup-catch").unwrapped
    env.reset(seed=0)
    physics, reward = env.simulation.physics, planning.ball_in_cup(env)
    for place, caught in ((0.3, 1.0), (0.5, 0.0)):
        physics.named.data.qpos[:] = 0
        physics.named.data.qpos["ball_z"] = place + 0.04
        physics.forward()
        assert physics.in_target() == caught
        assert (reward(now(env))[0, 0] > 0.5) == caught


def test_pictures_change_no_episode() -> None:
    seen, rewards = playing("cartpole-balance-pixels", seed=3, steps=5)
    blind, expected = playing("cartpole-balance", seed=3, steps=5)
    assert rewards == expected
    picture = seen.reset(seed=3)[0]
    assert picture.shape == (64, 64, 3)
    assert picture.std() > 5
    assert find_task("dmc/cartpole-balance-pixels").expert_score == find_task("dmc/cartpole-balance").expert_score
    seen.close()
    blind.close()


@pytest.mark.parametrize(("ending", "change"), [("-random-small", SMALL), ("-random-large", LARGE)])
def test_a_seed_fixes_how_a_body_is_changed(ending: str, change: Any) -> None:
    usual = FAMILY.make("walker-walk").unwrapped
    env = FAMILY.make(f"walker-walk{ending}").unwrapped
    gears = []
    for seed in (1, 2, 1):
        env.reset(seed=seed)
        gears.append(env.model.actuator_gear[:, 0].copy())
        size = env.model.geom_size[0].copy()
        np.testing.assert_array_equal(size, usual.model.geom_size[0], "the floor stays")
        assert not np.allclose(env.model.body_mass[1:], usual.model.body_mass[1:])
        assert not np.allclose(env.model.dof_damping[3:], usual.model.dof_damping[3:])
    np.testing.assert_array_equal(gears[0], gears[2])
    assert not np.allclose(gears[0], gears[1])
    off = np.abs(np.concatenate(gears) / np.tile(usual.model.actuator_gear[:, 0], 3) - 1)
    assert off.min() > change.least - 1e-4
    assert off.max() < change.most + 1e-4


def test_a_new_ground_needs_no_opengl() -> None:
    env = FAMILY.make("quadruped-escape").unwrapped
    grounds = []
    for seed in (1, 2):
        env.reset(seed=seed)
        grounds.append(env.model.hfield_data.copy())
    assert not np.array_equal(grounds[0], grounds[1])
    assert env.simulation.physics._contexts is None
    env.close()


def test_pictures_show_the_ground_of_their_episode(gl: str) -> None:
    pictures = []
    for seeds in ((1, 2), (2,)):
        env = FAMILY.make("quadruped-escape", render_size=48)
        for seed in seeds:
            env.reset(seed=seed)
            picture = env.render()
        pictures.append(picture)
        env.close()
    np.testing.assert_array_equal(pictures[0], pictures[1])
