"""The planner and the regulators: against stepping MuJoCo by hand, and against numbers from paper."""

from __future__ import annotations

import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco")

from opengato.envs.linear import linearise, regulator  # noqa: E402
from opengato.envs.mpc import Config, Futures, Planner, interpolation  # noqa: E402

SLIDER = """
<mujoco><option timestep="0.01" gravity="0 0 0"/><worldbody><body><joint name="x" type="slide" axis="1 0 0"/>
<geom size="0.1" mass="2"/></body></worldbody><actuator><motor joint="x" gear="3" ctrllimited="true" ctrlrange="-1 1"/>
</actuator></mujoco>
"""


def slider() -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = mujoco.MjModel.from_xml_string(SLIDER)
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = 0.5, -0.2
    return model, data


def near_one(futures: Futures) -> np.ndarray:
    return -np.abs(futures.qpos_KHF[..., 0] - 1)


def test_a_curve_goes_through_its_knots_and_is_straight_between_them() -> None:
    places = np.array([0.0, 4.0, 8.0])
    np.testing.assert_allclose(interpolation(places, knots=3, horizon=9), np.eye(3))
    steps = np.arange(9.0)
    np.testing.assert_allclose(interpolation(steps, 3, 9) @ (2 * places + 1), 2 * steps + 1)


def test_futures_are_what_mujoco_does() -> None:
    model, data = slider()
    plan = Planner(Config(samples=4, horizon=5, knots=2, substeps=3), model, 0.03, near_one, seed=0)
    plan(data)
    controls_KHA = np.random.default_rng(0).uniform(-1, 1, (2, 5, 1))
    futures = plan.futures(controls_KHA)
    for controls_HA, qpos_HF, qvel_HF in zip(controls_KHA, futures.qpos_KHF, futures.qvel_KHF, strict=True):
        model, own = slider()
        for control_A, qpos, qvel in zip(controls_HA, qpos_HF, qvel_HF, strict=True):
            own.ctrl[:] = control_A
            mujoco.mj_step(model, own, 3)
            np.testing.assert_array_equal(qpos, own.qpos)
            np.testing.assert_array_equal(qvel, own.qvel)
    assert futures.start_F == 0.5


def test_planning_disturbs_no_episode_and_follows_its_seed() -> None:
    model, data = slider()
    before = data.qpos.copy(), data.qvel.copy(), data.time, data.ctrl.copy(), data.qacc_warmstart.copy()
    first, again, other = (Planner(Config(horizon=10), model, 0.02, near_one, seed) for seed in (1, 1, 2))
    controls = [[planner(data) for _ in range(9)] for planner in (first, again, other)]
    np.testing.assert_array_equal(controls[0], controls[1])
    assert not np.array_equal(controls[0], controls[2])
    after = data.qpos.copy(), data.qvel.copy(), data.time, data.ctrl.copy(), data.qacc_warmstart.copy()
    for mine, theirs in zip(before, after, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert model.opt.timestep == 0.01


@pytest.mark.parametrize("iterations", [1, 3])
def test_plans_bring_the_slider_to_its_goal_and_hold_it(iterations: int) -> None:
    model, data = slider()
    plan = Planner(Config(horizon=40, knots=5, iterations=iterations), model, 0.05, near_one, seed=0)
    for _ in range(120):
        data.ctrl[:] = plan(data)
        mujoco.mj_step(model, data, 5)
    assert abs(data.qpos[0] - 1) < 0.1  # half a metre away at first, and moving off


def test_a_plan_that_is_good_enough_is_not_varied() -> None:
    model, data = slider()
    tried = []

    def always_one(futures: Futures) -> np.ndarray:
        tried.append(len(futures.qpos_KHF))
        return np.ones(futures.qpos_KHF.shape[:2])

    for enough, expected in ((0.9, [1]), (1.1, [1, 7]), (np.inf, [7])):
        tried.clear()
        Planner(Config(samples=7, enough=enough), model, 0.01, always_one, seed=0)(data)
        assert tried == expected


def test_the_gain_of_an_integrator_is_the_golden_ratio() -> None:
    gain, to_go = regulator(np.eye(1), np.eye(1), np.eye(1), np.eye(1))
    golden = (1 + np.sqrt(5)) / 2  # of p = 1 + p - p^2 / (1 + p), so p^2 = p + 1
    assert to_go[0, 0] == pytest.approx(golden)
    assert gain[0, 0] == pytest.approx(golden / (1 + golden))


def test_what_no_control_can_hold_has_no_regulator() -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        regulator(2 * np.eye(1), np.zeros((1, 1)), np.eye(1), np.eye(1))


def test_a_slider_is_linearised_as_newton_says() -> None:
    """Each step adds 0.01 s of 3 N over 2 kg to the speed, and then 0.01 s of the speed to the place."""
    model, _ = slider()
    kick = 0.01 * 3 / 2
    step, push = linearise(model, np.zeros(1), substeps=2)
    np.testing.assert_allclose(step, [[1, 0.02], [0, 1]], atol=1e-7)
    np.testing.assert_allclose(push[:, 0], [0.01 * (kick + 2 * kick), 2 * kick], atol=1e-7)
