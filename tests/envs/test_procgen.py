"""Procgen: levels by number, copies that go on as the level would, experts that reach it, a library found alone."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from opengato.envs import all_tasks, find_task
from opengato.envs.procgen import Family, library
from opengato.envs.procgen.games import GAMES
from opengato.envs.procgen.simulator import LevelModel, ProcgenEnv
from opengato.rollout.collect import TRAIN_SEED
from tests.house import ROOT

FAMILY = Family()
needs_procgen = pytest.mark.skipif(importlib.util.find_spec("procgen") is None, reason=library.INSTALL)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_sixteen_games_with_instructions_that_tell_them_apart() -> None:
    tasks = all_tasks("procgen")
    assert len(tasks) == len({task.instruction for task in tasks}) == 16
    assert all(re.fullmatch(r"[a-z ,']{25,90}", task.instruction) for task in tasks)
    assert {task.observation_specs["state"].name for task in tasks} == {"procgen/view"}


def test_actions_of_plans_are_actions() -> None:
    for game in GAMES.values():
        assert set(game.actions) <= set(range(library.NUM_ACTIONS))


def test_without_the_library_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for cached in (library._folder, library._library):
        monkeypatch.setattr(library, cached.__name__, cached.__wrapped__)
    with pytest.raises(ImportError, match="run: pip install --no-deps procgen-mirror"):
        FAMILY.make("coinrun")


def test_the_version_that_the_error_names_is_the_one_that_make_installs() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert library.INSTALL.split()[-1] in lines
    assert f"grep '^{library.INSTALL.split()[-1].split('=')[0]}=='" in (ROOT / ".ci" / "setup").read_text(
        encoding="utf-8"
    )


def test_an_unknown_game_suggests_a_near_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'procgen/coinrun'"):
        find_task("procgen/coinrum")
    with pytest.raises(ValueError, match="did you mean 'coinrun'"):
        FAMILY.make("coinrum")


@needs_procgen
def test_the_library_needs_none_of_its_package() -> None:
    FAMILY.make("maze").close()
    assert not {"procgen", "gym", "gym3"} & set(sys.modules)


@needs_procgen
def test_the_seed_is_the_number_of_the_level() -> None:
    """Its own counter says which level Procgen shows; levels for training are others than those for evaluation."""
    env = ProcgenEnv("coinrun", max_steps=1000)
    for seed in (0, 5, TRAIN_SEED):
        env.reset(seed=seed)
        assert env.levels.info["level_seed"].tolist() == [seed]
    env.reset()
    drawn = env.level
    env.reset()
    assert env.level != drawn
    assert env.levels.info["level_seed"].tolist() == [env.level]


@needs_procgen
@pytest.mark.parametrize("name", ["coinrun", "starpilot"])
def test_a_restored_copy_goes_on_as_the_level_does(name: str) -> None:
    env = ProcgenEnv(name, max_steps=1000)
    env.reset(seed=3)
    generator = np.random.default_rng(0)
    for action in generator.integers(9, size=20):
        env.step(action)
    copies = library.Levels(name, level=3, num=2)
    copies.restore([env.levels.state()] * 2)
    for action in generator.integers(9, size=30):
        observation, reward, *_ = env.step(action)
        copies.step(np.array([action, 4]))
        np.testing.assert_array_equal(copies.rgb[0], observation)
        assert copies.reward_N[0] == reward
    assert not np.array_equal(copies.rgb[0], copies.rgb[1]), "the other copy did nothing and is elsewhere"


@needs_procgen
def test_planning_leaves_the_episode_where_it_is_and_foresees_it() -> None:
    env = ProcgenEnv("bigfish", max_steps=1000)
    env.reset(seed=1)
    model, before = LevelModel(env, actions=range(9), plans=4), env.levels.state()
    plans_NH = np.random.default_rng(0).integers(9, size=(4, 200))
    reward_NH, lost_NH = model.outcomes(plans_NH)
    assert env.levels.state() == before
    rewards, over = [], False
    for action in plans_NH[0]:
        _, reward, over, _, info = env.step(action)
        rewards.append(reward)
        if over:
            break
    np.testing.assert_array_equal(reward_NH[0, : len(rewards)], rewards)
    assert not reward_NH[0, len(rewards) :].any(), "nothing is earned after the end"
    assert lost_NH[0].nonzero()[0].tolist() == ([len(rewards) - 1] if over and not info["success"] else [])
    assert lost_NH.any(axis=1).any(), "some of these fish are eaten"


@needs_procgen
@pytest.mark.parametrize("name", ["coinrun", "maze"])
def test_the_expert_completes_a_level(name: str) -> None:
    env = FAMILY.make(name)
    observation, info = env.reset(seed=2)
    act, over = FAMILY.expert(env), False
    while not over:
        observation, reward, over, truncated, info = env.step(act(observation))
        assert not truncated
    assert info["success"]
    assert reward == 10.0


@needs_procgen
def test_an_episode_that_goes_nowhere_is_truncated_when_procgen_ends_it() -> None:
    env = FAMILY.make("maze")
    env.reset(seed=0)
    ends = [env.step(4)[2:4] for _ in range(500)]
    assert ends == [(False, False)] * 499 + [(False, True)]
    assert env.unwrapped.levels.first_N[0], "Procgen's own limit is the same"


@needs_procgen
def test_pictures_and_errors_and_open_files() -> None:
    env = FAMILY.make("leaper", render_size=32)
    env.reset(seed=0)
    picture = np.asarray(env.render())
    assert picture.shape == (32, 32, 3)
    assert picture.dtype == np.uint8
    with pytest.raises(ValueError, match="received 15, expected an integer from 0 to 14"):
        env.step(15)
    before = open_files()
    for _ in range(100):
        other = FAMILY.make("leaper")
        with pytest.raises(ValueError, match="render_size"):
            other.render()
        other.close()
    assert open_files() <= before
