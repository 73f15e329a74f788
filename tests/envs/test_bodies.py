"""Bodies with some of their limbs: what is cut is gone and no more, all start on their feet, rewards are as said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco")

from opengato.envs.bodies import Family  # noqa: E402
from opengato.envs.bodies.shapes import SHAPES  # noqa: E402
from opengato.envs.bodies.simulator import ASSETS, BodyEnv, model_of  # noqa: E402
from opengato.envs.mpc import Futures  # noqa: E402

FAMILY = Family()


def whole(model: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(ASSETS / f"{model}.xml"))


@pytest.mark.parametrize("name", list(SHAPES))
def test_a_shape_is_its_model_without_what_is_cut_off(name: str) -> None:
    shape, body = SHAPES[name], model_of(SHAPES[name])
    full = whole(shape.model)
    gone = sum(full.body_subtreemass[full.body(limb).id] for limb in shape.cut)
    assert body.body_mass.sum() == pytest.approx(full.body_mass.sum() - gone)
    assert body.nu == shape.joints
    hidden = 1 if shape.planar else 2  # the place along the ground
    assert body.nq - hidden + body.nv == shape.observed
    left = [body.body(i).name for i in range(body.nbody)]
    assert not set(left) & set(shape.cut)


def test_instructions_tell_bodies_apart() -> None:
    assert len({shape.words for shape in SHAPES.values()}) == len(SHAPES)


@pytest.mark.parametrize("name", ["walker-7-main", "walker-3-thighs", "hopper-2-main", "humanoid-no-right-leg"])
def test_bodies_start_on_the_ground_and_are_well(name: str) -> None:
    env = BodyEnv(SHAPES[name], 0)
    data = mujoco.MjData(env.model)
    contacts = []
    for sunk in (-0.01, 0.01):
        data.qpos[:] = env.start
        data.qpos[env.height_at] -= sunk
        mujoco.mj_forward(env.model, data)
        depths = data.contact.dist[: data.ncon]
        contacts.append(bool((depths < 0).any()))
    assert contacts == [False, True]


@pytest.mark.parametrize("name", ["walker-5-main", "hopper-4-main", "humanoid-main"])
def test_rewards_for_plans_are_the_environments_own(name: str) -> None:
    env: Any = FAMILY.make(name)
    env.reset(seed=0)
    generator, start = np.random.default_rng(0), env.data.qpos.copy()
    qpos, qvel, controls, rewards, over = [], [], [], [], False
    while not over:
        action = generator.uniform(env.low, env.high).astype(np.float32)
        _, reward, terminated, truncated, _ = env.step(action)
        qpos.append(env.data.qpos.copy())
        qvel.append(env.data.qvel.copy())
        controls.append(action)
        rewards.append(reward)
        over = terminated or truncated
    assert terminated
    assert rewards[-1] < 0.9 + env.data.qvel[0], "the step of the fall pays nothing for being well"
    parts = [np.stack(part)[None] for part in (qpos, qvel, controls, qpos)]
    np.testing.assert_allclose(env.reward(Futures(start, *parts), env.seconds)[0], rewards, atol=1e-6)
