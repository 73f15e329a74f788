"""Rollouts: an episode depends on its seed alone; records hold what was meant; failures are counted and named."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import Any

import gymnasium
import numpy as np
import pytest

from opengato.core.environment import ExpertFailed, TaskInfo
from opengato.core.episode import ArraySpec, Episode
from opengato.envs import family_of, find_task
from opengato.rollout import (
    TRAIN_SEED,
    CollectJob,
    ExpertPolicy,
    Observed,
    Policy,
    RandomPolicy,
    Values,
    as_policy,
    collect,
    collect_many,
    disturb,
    rollout,
)

pytest.importorskip("metaworld")
pytest.importorskip("minigrid")

DISCRETE, CONTINUOUS = "babyai/GoToLocal", "metaworld/drawer-close"


def assert_same(ours: Iterable[Episode], theirs: Iterable[Episode]) -> None:
    """Equal in everything that is recorded."""
    for a, b in zip(ours, theirs, strict=True):
        assert (a.task, a.instruction, a.terminated, a.truncated) == (b.task, b.instruction, b.terminated, b.truncated)
        assert a.success == b.success
        assert a.provenance == b.provenance
        for values, others in ((a.observations, b.observations), (a.actions, b.actions)):
            assert values.keys() == others.keys()
            for name in values:
                np.testing.assert_array_equal(values[name], others[name])
                assert values[name].dtype == others[name].dtype
        np.testing.assert_array_equal(a.rewards, b.rewards)


@pytest.mark.parametrize("task", [DISCRETE, CONTINUOUS])
@pytest.mark.parametrize("policy", [ExpertPolicy, RandomPolicy])
def test_episodes_do_not_depend_on_the_number_of_environments(task: str, policy: type[Policy]) -> None:
    settings: dict[str, Any] = {"episodes": 6, "seed": 40, "noise": (0.0, 0.3), "max_steps": 150}
    one = list(rollout(task, policy(), **settings))
    assert_same(rollout(task, policy(), **settings, num_envs=4), one)
    assert [episode.provenance["seed"] for episode in one] == [40, 41, 42, 43, 44, 45]
    assert len({episode.provenance["noise"] for episode in one}) == 2
    assert len({episode.num_steps for episode in one}) > 1 or policy is RandomPolicy
    # nor on where a run starts: the same seeds in another run are the same episodes
    settings |= {"episodes": 2, "seed": 43}
    assert_same(rollout(task, policy(), **settings), one[3:5])


def test_a_record_says_where_it_comes_from() -> None:
    episode = next(collect(CONTINUOUS, episodes=1))
    assert episode.provenance["policy"] == "expert: Meta-World's scripted policy"
    assert episode.provenance["seed"] == TRAIN_SEED
    assert episode.provenance["versions"].keys() >= {"metaworld", "mujoco"}
    assert episode.success
    assert episode.terminated
    assert not episode.truncated
    assert episode.episode_return == 1
    assert episode.instruction == "close the drawer"
    assert episode.observations["state"].shape == (episode.num_steps, 39)


class Recorder(Policy):
    """Acts with a fixed action and keeps what the environment was made to execute."""

    name = "recorder"

    def __init__(self, values: Values) -> None:
        self.values = values
        self.executed: list[Any] = []
        self.ended: list[int] = []

    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        assert env is not None
        step: Any = env.step

        def spy(action: Any) -> Any:
            self.executed.append(np.array(action))
            return step(action)

        env.step = spy

    def act(self, slots: list[int], observed: list[Observed]) -> list[Values | None]:
        return [self.values for _ in slots]

    def end(self, slot: int) -> None:
        self.ended.append(slot)


@pytest.mark.parametrize(("task", "meant"), [(DISCRETE, np.array(1)), (CONTINUOUS, np.full(4, 0.9, np.float32))])
def test_noise_disturbs_the_execution_and_not_the_record(task: str, meant: np.ndarray) -> None:
    policy = Recorder({"action": meant})
    [episode] = rollout(task, policy, episodes=1, seed=3, noise=(0.3,), max_steps=50)
    assert episode.provenance["noise"] == 0.3
    assert (episode.actions["action"] == meant).all()
    executed = np.array(policy.executed)
    different = (executed != meant).reshape(len(executed), -1).any(1).mean()
    assert different == 1 if meant.ndim else 0.1 < different < 0.4
    assert np.abs(executed).max() <= (1 if meant.ndim else 6)
    assert policy.ended == [0]
    quiet = Recorder({"action": meant})
    list(rollout(task, quiet, episodes=1, seed=3, max_steps=10))
    assert (np.array(quiet.executed) == meant).all()


def test_noise_has_the_scale_of_the_action() -> None:
    wide = ArraySpec(name="wide", kind="continuous", shape=(2000,), low=-40.0, high=60.0)
    executed = disturb({"a": np.full(2000, 10, np.float32)}, {"a": wide}, 0.1, np.random.default_rng(0))["a"]
    assert executed.dtype == np.float32
    assert executed.std() == pytest.approx(0.1 * 50, rel=0.1)


class GivesUp(ExpertPolicy):
    """Fails at the start of every third episode and in the middle of the one after it."""

    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        if seed % 3 == 0:
            raise ExpertFailed("at once")
        super().begin(slot, task, instruction, env, seed)
        family, expert = self._running[slot]

        def later(observation: Any) -> Any:
            if seed % 3 == 1:
                raise ExpertFailed("later")
            return expert(observation)

        self._running[slot] = family, later


@pytest.mark.parametrize("num_envs", [1, 3])
def test_where_the_expert_fails_the_episode_is_dropped_and_counted(num_envs: int) -> None:
    run = rollout(DISCRETE, GivesUp(), episodes=7, seed=0, num_envs=num_envs)
    assert [episode.provenance["seed"] for episode in run] == [2, 5]
    assert run.dropped == [0, 1, 3, 4, 6]
    with pytest.warns(UserWarning, match=f"{DISCRETE}.*gave up 5 of 7 episodes"):
        assert len(list(collect(DISCRETE, GivesUp(), episodes=7, seed=0))) == 2


def test_a_function_of_the_observation_is_a_policy() -> None:
    def turn(observation: Any) -> int:
        assert set(observation) == {"image", "direction", "mission"}
        return 0

    [episode] = collect(DISCRETE, turn, episodes=1)
    assert (episode.actions["action"] == 0).all()
    assert not episode.success
    assert episode.truncated
    assert episode.provenance["policy"].endswith("turn")
    assert as_policy(policy := RandomPolicy()) is policy
    with pytest.raises(ValueError, match="did you mean 'expert'"):
        as_policy("exprt")


def test_a_long_episode_is_cut_and_its_record_grows_beyond_one_buffer() -> None:
    [episode] = rollout(CONTINUOUS.replace("close", "open"), RandomPolicy(), episodes=1, seed=0, max_steps=200)
    assert episode.num_steps == 200
    assert episode.truncated
    assert not episode.terminated
    assert episode.success is False
    # the state holds the step before: no row was lost where the buffer grew
    np.testing.assert_array_equal(episode.observations["state"][1:, 18:36], episode.observations["state"][:-1, :18])


def test_values_that_do_not_fit_their_spec_are_refused() -> None:
    wrong = Recorder({"action": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match=r"'metaworld/drawer-close'.*received float32 \(3,\), expected float32 \(4,\)"):
        list(rollout(CONTINUOUS, wrong, episodes=1, seed=0))
    beyond = Recorder({"action": np.array(9)})
    with pytest.raises(ValueError, match=r"action 'action'.*expected \[0, 6\]"):
        list(rollout(DISCRETE, beyond, episodes=1, seed=0, noise=(1.0,), max_steps=3))
    with pytest.raises(ValueError, match="num_envs=0"):
        rollout(DISCRETE, RandomPolicy(), episodes=1, seed=0, num_envs=0)
    with pytest.raises(ValueError, match="render_size"):
        rollout(DISCRETE, RandomPolicy(), episodes=1, seed=0, on_frame=print)


def test_frames_are_shown_after_the_reset_and_after_each_step() -> None:
    frames: list[tuple[int, tuple[int, ...]]] = []
    run = rollout(
        DISCRETE,
        ExpertPolicy(),
        episodes=2,
        seed=0,
        render_size=32,
        on_frame=lambda index, frame: frames.append((index, frame.shape)),
    )
    lengths = [episode.num_steps for episode in run]
    assert frames == [(i, (32, 32, 3)) for i, length in enumerate(lengths) for _ in range(length + 1)]


def test_collecting_in_processes_gives_the_same_episodes_in_order() -> None:
    plan = [
        CollectJob(task=DISCRETE, episodes=5, noise=(0.0, 0.2)),
        CollectJob(task=CONTINUOUS, episodes=3, policy="random", max_steps=30, only_success=True, seed=7),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chunks = list(collect_many(plan, workers=2, chunk=2))
    assert [len(chunk) for chunk in chunks][:3] == [2, 2, 1]
    assert len(chunks) == 5
    assert_same([e for chunk in chunks[:3] for e in chunk], collect(DISCRETE, episodes=5, noise=(0.0, 0.2)))
    expected = rollout(CONTINUOUS, RandomPolicy(), episodes=3, seed=7, max_steps=30)
    assert_same([e for chunk in chunks[3:] for e in chunk], [e for e in expected if e.success])


def die(observation: Any) -> int:
    os._exit(3)


def stumble(observation: Any) -> int:
    raise ZeroDivisionError("no luck")


def test_a_job_whose_process_dies_or_raises_is_named() -> None:
    plan = [CollectJob(task=DISCRETE, episodes=2), CollectJob(task="babyai/GoToObj", episodes=1, policy=die, seed=5)]
    run = collect_many(plan, workers=2)
    assert len(next(run)) == 2
    with pytest.raises(RuntimeError, match=r"babyai/GoToObj .*seeds 5 to 5.* died twice"):
        next(run)
    run = collect_many([CollectJob(task="babyai/GoToObj", episodes=1, policy=stumble)], workers=1)
    with pytest.raises(RuntimeError, match=r"collecting babyai/GoToObj .*no luck"):
        next(run)
    with pytest.raises(ValueError, match="unknown task"):
        next(collect_many([CollectJob(task="babyai/GoToOb", episodes=1)], workers=1))


def test_the_policy_sees_values_and_raw_observation_of_the_same_moment() -> None:
    family, seen = family_of(CONTINUOUS), []

    class Looks(RandomPolicy):
        def act(self, slots: list[int], observed: list[Observed]) -> list[Values | None]:
            seen.extend(observed)
            return super().act(slots, observed)

    [episode] = rollout(find_task(CONTINUOUS), Looks(), episodes=1, seed=1, max_steps=5)
    for step, moment in enumerate(seen):
        np.testing.assert_array_equal(moment.values["state"], family.observation(moment.raw)["state"])
        np.testing.assert_array_equal(moment.values["state"], episode.observations["state"][step])
