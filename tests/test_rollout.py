"""Rollouts: an episode depends on its seed alone; records hold what was meant; failures are counted and named."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from opengato.core.environment import ExpertFailed, TaskInfo
from opengato.core.episode import ArraySpec, Episode, document
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.envs import family_of, find_task
from opengato.rollout import (
    TRAIN_SEED,
    CollectJob,
    ExpertPolicy,
    Observed,
    Outcome,
    Policy,
    RandomPolicy,
    Values,
    as_policy,
    collect,
    digest,
    disturb,
    lacking,
    play,
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


def test_a_job_has_an_outcome_for_each_seed_in_order() -> None:
    job = CollectJob(task=DISCRETE, episodes=7, seed=0, policy=GivesUp())
    assert [(o.seed, o.kind) for o in play(job)] == [
        (seed, "collected" if seed % 3 == 2 else "dropped") for seed in range(7)
    ]
    job = CollectJob(task=CONTINUOUS, episodes=3, policy="random", max_steps=30, only_success=True, seed=7)
    outcomes = list(play(job))
    expected = list(rollout(CONTINUOUS, RandomPolicy(), episodes=3, seed=7, max_steps=30))
    assert [o.kind == "collected" for o in outcomes] == [bool(e.success) for e in expected]
    assert_same([o.episode for o in outcomes if o.episode], [e for e in expected if e.success])
    job = CollectJob(task=DISCRETE, episodes=20)
    returns = [e.episode_return for e in collect(DISCRETE, episodes=20)]
    threshold = sorted(returns)[10]
    kept = [o.episode.episode_return for o in play(replace(job, min_return=threshold)) if o.episode]
    assert kept == [value for value in returns if value >= threshold]


class Stumbles(RandomPolicy):
    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        if seed == 4:
            raise ZeroDivisionError("no luck")
        super().begin(slot, task, instruction, env, seed)


def test_an_error_costs_the_episode_that_it_comes_from() -> None:
    job = CollectJob(task=DISCRETE, episodes=4, policy=Stumbles(), seed=3, max_steps=5)
    outcomes = list(play(job))
    assert [(o.seed, o.kind, o.cause) for o in outcomes if not o.episode] == [(4, "lost", "ZeroDivisionError: no luck")]
    expected = list(rollout(DISCRETE, RandomPolicy(), episodes=4, seed=3, max_steps=5))
    found = [replace(o.episode, provenance=e.provenance) for o, e in zip(outcomes, expected, strict=True) if o.episode]
    assert_same(found, [expected[0], *expected[2:]])


def test_outcomes_cross_a_pipe_without_the_specs_that_both_sides_have() -> None:
    job = CollectJob(task=DISCRETE, episodes=2)
    ours = list(play(job))
    theirs: list[Outcome] = [pickle.loads(pickle.dumps(outcome)) for outcome in ours]
    assert_same([o.episode for o in theirs if o.episode], [o.episode for o in ours if o.episode])
    task = find_task(DISCRETE)
    assert all(o.episode and o.episode.observation_specs is task.observation_specs for o in theirs)
    assert all(o.episode and o.episode.action_specs is task.action_specs for o in theirs)
    assert b"agent stands in" not in pickle.dumps(ours[0]), "words of the spec"
    episode = ours[0].episode
    assert episode is not None
    strange = replace(episode, action_specs={"action": replace(task.action_specs["action"], num_values=9)})
    kept = pickle.loads(pickle.dumps(Outcome(seed=0, kind="collected", episode=strange))).episode
    assert kept.action_specs == strange.action_specs
    assert kept.observation_specs == strange.observation_specs


def test_a_digest_is_that_of_what_is_told_seen_and_done(tmp_path: Path) -> None:
    first, second = collect(DISCRETE, episodes=2)
    with StoreWriter(tmp_path) as writer:
        writer.append([first, document("text/x", "a"), document("text/x", "b")])
    kept, a, b = EpisodeStore(tmp_path)
    assert digest(kept) == digest(first)
    same = replace(first, rewards=first.rewards + 1, provenance={}, success=False)
    assert digest(same) == digest(first)
    view, action = first.observations["view"], first.actions["action"]
    different = [
        second,
        replace(first, instruction="go away"),
        replace(first, task="babyai/GoToObj"),
        replace(first, actions={"action": (action + 1) % 7}),
        replace(first, observations={"view": view[:, ::-1]}),
        a,
        b,
    ]
    assert len({digest(episode) for episode in [first, *different]}) == len(different) + 1


def test_a_family_without_its_simulator_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    family = family_of(DISCRETE)
    assert lacking(family) is None
    monkeypatch.setattr(type(family), "packages", ("no-such-package",))
    assert lacking(family) == "babyai needs the package 'no-such-package'; run: pip install no-such-package"

    def make(self: object, name: str) -> None:
        raise ImportError("BabyAI needs opengato[babyai]")

    monkeypatch.setattr(type(family), "make", make)
    assert lacking(family) == "BabyAI needs opengato[babyai]"


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
