"""Gymnasium's MuJoCo tasks: rewards for plans are the environments' own, and regulators hold."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

pytest.importorskip("mujoco")

from opengato.envs.mpc import Futures
from opengato.envs.mujoco import Family
from opengato.envs.mujoco.experts import GOALS, PLANS, PUSHER_BODIES, REWARDS, sensing
from opengato.envs.mujoco.family import TABLE

FAMILY = Family()


def test_each_described_expert_is_there() -> None:
    assert REWARDS.keys() == PLANS.keys()
    assert {name for name, row in TABLE.items() if row.expert} == REWARDS.keys() | GOALS.keys()


@pytest.mark.parametrize("name", list(TABLE))
def test_specs_are_those_of_gymnasium(name: str) -> None:
    env = FAMILY.make(name)
    row = TABLE[name]
    assert env.observation_space.shape == row.observation.shape
    assert isinstance(env.action_space, gymnasium.spaces.Box)
    assert env.action_space.shape == row.action.shape
    assert np.allclose(env.action_space.low, row.action.low or 0)
    assert np.allclose(env.action_space.high, row.action.high or 0)
    assert env.spec is not None
    assert env.spec.max_episode_steps == row.max_steps
    env.close()


def recorded(name: str) -> tuple[Futures, list[float], list[dict[str, Any]], float]:
    """A random episode of at most 60 steps as the only plan, and what Gymnasium paid for it."""
    env, generator = FAMILY.make(name), np.random.default_rng(0)
    env.reset(seed=0)
    bare: Any = env.unwrapped
    start, rewards, infos, over = bare.data.qpos.copy(), [], [], False
    parts: list[list[np.ndarray]] = [[], [], [], []]
    while not over and len(rewards) < 60:
        action = generator.uniform(env.action_space.low, env.action_space.high).astype(np.float32)
        _, reward, terminated, truncated, info = env.step(action)
        rewards.append(float(reward))
        infos.append(info)
        over = terminated or truncated
        places = [bare.data.body(body).xpos for body in PUSHER_BODIES] if name == "Pusher" else [bare.data.qpos]
        for part, value in zip(parts, (bare.data.qpos, bare.data.qvel, action, np.concatenate(places)), strict=True):
            part.append(value.copy())
    env.close()
    return Futures(start, *(np.stack(part)[None] for part in parts)), rewards, infos, bare.dt


@pytest.mark.parametrize("name", list(REWARDS))
def test_rewards_for_plans_are_gymnasiums_own(name: str) -> None:
    futures, rewards, infos, seconds = recorded(name)
    # Where Gymnasium reads places of bodies, and not positions of joints, they lag a step of physics behind.
    # The humanoid's speed is that of its torso in plans, and that of the centre of mass in Gymnasium.
    tolerance = {"Reacher": 2e-3, "Ant": 0.1, "Humanoid": 2.0}.get(name, 1e-6)
    # Forces of contact are unknown to plans.
    rewards = [reward - info.get("reward_contact", 0.0) for reward, info in zip(rewards, infos, strict=True)]
    np.testing.assert_allclose(REWARDS[name](futures, seconds)[0], rewards, atol=tolerance)
    if name in ("Hopper", "Walker2d"):
        assert len(rewards) < 60, "falls, and so tests the last step too"


def test_plans_of_the_pusher_sense_the_bodies_of_its_own_model() -> None:
    bare: Any = FAMILY.make("Pusher").unwrapped
    model = sensing(bare.fullpath, PUSHER_BODIES)
    assert model.nsensordata == 9
    np.testing.assert_array_equal(model.body_mass, bare.model.body_mass)


@pytest.mark.parametrize(("name", "least"), [("InvertedPendulum", 200.0), ("InvertedDoublePendulum", 1850.0)])
def test_regulators_hold_the_poles(name: str, least: float) -> None:
    env = FAMILY.make(name)
    raw, _ = env.reset(seed=77)
    act, total = FAMILY.expert(env), 0.0
    for _ in range(200):
        raw, reward, terminated, _, _ = env.step(act(raw))
        assert not terminated
        total += float(reward)
    assert total >= least
    env.close()
