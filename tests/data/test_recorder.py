"""The recorder writes what happened, the moment it is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import opengato
from opengato.data.store import EpisodeStore
from opengato.data.validate import validate_store
from opengato.envs import make
from opengato.rollout import collect
from tests.envs.own import Guide, Line, goal_of
from tests.test_rollout import assert_same


def play(env: gymnasium.Env, seeds: range, actor: Any = None) -> list[list[Any]]:
    """Random actions (or those of an actor made of the environment), and all that was seen and done."""
    seen = []
    for seed in seeds:
        env.action_space.seed(seed)
        observation, _ = env.reset(seed=seed)
        act, steps, over = actor and actor(env), [], False
        while not over and len(steps) < 40:
            action = act(observation) if act else env.action_space.sample()
            before = observation
            observation, reward, terminated, truncated, _ = env.step(action)
            steps.append((before, action, reward))
            over = terminated or truncated
        seen.append(steps)
    return seen


def test_everything_is_recorded_of_an_environment_nobody_knows(tmp_path: Path) -> None:
    env = opengato.Recorder(Line(), tmp_path, task="mine/line", instruction=goal_of)
    seen = play(env, range(4), Guide)
    assert len(env) == len(EpisodeStore(tmp_path)) == 4, "before it is closed"
    env.close()
    store = EpisodeStore(tmp_path)
    assert len(store.entries) == 1, "many small files become one"
    assert validate_store(tmp_path) == []
    for seed, (episode, steps) in enumerate(zip(store, seen, strict=True)):
        assert episode.task == "mine/line"
        assert episode.instruction == f"go to place {steps[0][0]['goal']}"
        assert episode.success
        assert episode.terminated
        assert not episode.truncated
        assert episode.provenance["seed"] == seed
        assert episode.provenance["executed_as_meant"]
        assert episode.observation_specs["place"].name == "mine/line/observation/place"
        for step, (observation, action, reward) in enumerate(steps):
            assert episode.observations["place"][step] == observation["place"]
            assert episode.observations["goal"][step] == observation["goal"]
            assert episode.actions["direction"][step] == action["direction"] + 1
            np.testing.assert_array_equal(episode.actions["speed"][step], action["speed"])
            assert episode.rewards[step] == reward


def test_a_known_task_is_recorded_as_it_is_collected(tmp_path: Path) -> None:
    """The recorder and the collector agree on everything but who they are."""
    task = "babyai/GoToObjS4"
    (collected,) = collect(task, episodes=1, seed=5)
    env = opengato.Recorder(make(task), tmp_path, task=task)
    env.reset(seed=5)
    for action in collected.actions["action"]:
        env.step(int(action))
    env.close()
    (recorded,) = EpisodeStore(tmp_path)
    assert recorded.observation_specs == collected.observation_specs
    object.__setattr__(recorded, "provenance", collected.provenance)
    assert_same([recorded], [collected])


class Noisy(gymnasium.Wrapper):
    """Executes 0 and says what was meant."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(0)
        return observation, reward, terminated, truncated, {**info, "intended_action": action}


def test_what_was_meant_is_kept(tmp_path: Path) -> None:
    env = opengato.Recorder(gymnasium.make("CartPole-v1"), tmp_path / "a", task="mine/pole", instruction="hold")
    env.reset(seed=0)
    env.intend(1)
    env.step(0)
    env.step(0)
    env.finish(success=True)
    env.close()
    (episode,) = EpisodeStore(tmp_path / "a")
    assert episode.actions["action"].tolist() == [1, 0], "what is meant holds for one step"
    assert not episode.provenance["executed_as_meant"]
    assert episode.truncated
    assert episode.success
    noisy = opengato.Recorder(
        Noisy(gymnasium.make("CartPole-v1")), tmp_path / "b", task="mine/pole", instruction="hold"
    )
    (steps,) = play(noisy, range(1))
    noisy.close()
    (episode,) = EpisodeStore(tmp_path / "b")
    assert episode.actions["action"].tolist() == [action for _, action, _ in steps]


def test_an_unfinished_episode_is_not_kept(tmp_path: Path) -> None:
    env = opengato.Recorder(gymnasium.make("CartPole-v1"), tmp_path, task="mine/pole", instruction="hold")
    env.reset(seed=0)
    env.step(0)
    env.reset(seed=1)
    env.step(0)
    env.finish()
    for call in (lambda: env.step(0), env.finish):
        with pytest.raises(ValueError, match=r"call `reset\(\)`"):
            call()
    env.reset(seed=2)
    env.step(0)
    env.close()
    (episode,) = EpisodeStore(tmp_path)
    assert episode.provenance["seed"] == 1
    assert episode.num_steps == 1


class Reuses(gymnasium.Env):
    """Gives the same array at each step, with other numbers in it."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.state = np.zeros(2, np.float32)
        return self.state, {}

    def step(self, action: np.ndarray) -> Any:
        self.state += 1
        action[:] = 0
        return self.state, 0.0, bool(self.state[0] == 3), False, {}


def test_arrays_that_an_environment_reuses_are_copied(tmp_path: Path) -> None:
    env = opengato.Recorder(Reuses(), tmp_path, task="mine/reuse", instruction="go")
    env.reset()
    for _ in range(3):
        env.step(np.full(2, 0.5, np.float32))
    env.close()
    (episode,) = EpisodeStore(tmp_path)
    assert episode.observations["observation"][:, 0].tolist() == [0, 1, 2]
    assert (episode.actions["action"] == 0.5).all()
    assert episode.success is None


def test_recording_goes_on_in_the_same_store(tmp_path: Path) -> None:
    for seeds in (range(2), range(2, 5)):
        env = opengato.Recorder(Line(), tmp_path, task="mine/line", instruction=goal_of, about={"licence": "CC0"})
        play(env, seeds, Guide)
        env.close()
    store = EpisodeStore(tmp_path)
    assert [episode.provenance["seed"] for episode in store] == [0, 1, 2, 3, 4]
    assert store.extra["licence"] == "CC0"


def test_what_is_finished_outlives_a_kill(tmp_path: Path) -> None:
    code = f"""
import os, signal
import gymnasium, opengato
env = opengato.Recorder(gymnasium.make("CartPole-v1", max_episode_steps=5), {str(tmp_path)!r}, "mine/pole", "hold")
for seed in range(3):
    env.reset(seed=seed)
    for _ in range(5):
        env.step(env.action_space.sample())
env.reset(seed=3)
env.step(0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    paths = {"PYTHONPATH": str(Path(opengato.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | paths, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert validate_store(tmp_path) == []
    assert len(EpisodeStore(tmp_path)) == 3


def test_what_it_cannot_know_it_asks_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"task 'mine/line' is not known.*say what is to be done"):
        opengato.Recorder(Line(), tmp_path, task="mine/line")
    with pytest.raises(ValueError, match="expected `family/name`"):
        opengato.Recorder(Line(), tmp_path, task="line", instruction="go")
