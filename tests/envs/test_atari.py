"""Atari: the games of the emulator as Gymnasium plays them, pictures, ends, and planning that leaves no trace."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from PIL import Image

from opengato.envs import all_tasks, find_task
from opengato.envs.atari import Family
from opengato.envs.atari.games import GAMES, HOLD_UP, LOOK_AHEAD

pytest.importorskip("ale_py")
import ale_py
from ale_py import roms

from opengato.envs.atari import simulator
from opengato.envs.atari.simulator import AtariEnv, EmulatorModel
from tests.house import PACKAGE

FAMILY = Family()
gymnasium.register_envs(ale_py)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_all_57_games_are_in_the_emulator_under_the_names_of_gymnasium() -> None:
    assert len(GAMES) == 57
    assert [task.id for task in all_tasks("atari")] == sorted(f"atari/{name}" for name in GAMES)
    for name in GAMES:
        game = gymnasium.spec(f"ALE/{name}-v5").kwargs["game"]
        assert roms.get_rom_path(game) is not None
        assert re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() == game
    assert set(LOOK_AHEAD) | set(HOLD_UP) <= set(GAMES)


def test_instructions_tell_all_games_apart() -> None:
    texts = [task.instruction for task in all_tasks("atari")]
    assert len(set(texts)) == 57
    assert all(re.fullmatch(r"[A-Za-z ,:]{20,90}", text) for text in texts), texts


def test_human_scores_keep_their_sign() -> None:
    """A table that is often copied lost the minus of three games."""
    people = {name: game.human_score for name, game in GAMES.items()}
    assert people["Breakout"] == 30.5
    assert {name for name, score in people.items() if score < 0} == {"DoubleDunk", "FishingDerby", "Skiing", "Tennis"}


def test_random_scores_are_measured_for_all_games() -> None:
    for task in all_tasks("atari"):
        assert task.random_score is not None, task.id
        assert task.random_score.episodes >= 10


@pytest.mark.parametrize("name", ["Breakout", "MsPacman"])
def test_a_game_plays_as_in_gymnasium_and_shows_the_brighter_of_two_frames(name: str) -> None:
    """Gymnasium's own environment, frame by frame, with sticky actions and the emulator's seed: an independent way."""
    env = AtariEnv(name, max_steps=4500)
    observation, _ = env.reset(seed=7)
    reference: Any = gymnasium.make(
        f"ALE/{name}-v5", full_action_space=True, frameskip=1, repeat_action_probability=0.25
    ).unwrapped
    reference.ale.setInt("random_seed", env.episode_seed)
    reference.load_game()
    reference.ale.reset_game()
    for _ in range(env.console.getEpisodeFrameNumber()):
        reference.step(0)
    generator, total = np.random.default_rng(0), 0.0
    for _ in range(150):
        action = int(generator.integers(18))
        observation, reward, terminated, _, info = env.step(action)
        frames, rewards, ends, _, infos = zip(*(reference.step(action) for _ in range(4)), strict=True)
        assert reward == sum(rewards)
        assert terminated == ends[-1]
        assert info["lives"] == infos[-1]["lives"]
        brighter = Image.fromarray(np.maximum(frames[2], frames[3]))
        np.testing.assert_array_equal(observation, brighter.resize((64, 80), Image.Resampling.BOX))
        total += reward
    assert total > 0, "this many steps earn something"


def test_an_episode_ends_with_the_last_life_or_after_its_steps() -> None:
    env = AtariEnv("Breakout", max_steps=4500)
    env.reset(seed=0)
    terminated, steps, lives = False, 0, [5]
    while not terminated:
        _, _, terminated, truncated, info = env.step(1)  # serve, and miss
        assert not truncated
        lives.append(info["lives"])
        steps += 1
    assert lives[-1] == 0
    assert sorted(lives, reverse=True) == lives
    assert steps < 400
    short = AtariEnv("Pong", max_steps=3)
    short.reset(seed=0)
    assert [short.step(0)[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]
    assert find_task("atari/Pong").max_steps == 4500


def test_planning_leaves_the_episode_where_it_is() -> None:
    """With and without plans in between, the same actions lead through the same screens."""

    def screens(planned: bool) -> list[np.ndarray]:
        env = AtariEnv("Seaquest", max_steps=4500)
        seen = [env.reset(seed=2)[0]]
        model, generator = EmulatorModel(env), np.random.default_rng(0)
        for _ in range(12):
            if planned:
                model.outcomes(generator.integers(model.num_actions, size=(2, 15)))
            seen.append(env.step(1)[0])
        return seen

    np.testing.assert_array_equal(screens(planned=True), screens(planned=False))


def test_plans_foresee_what_happens_where_no_action_sticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulator that follows the plan itself is the oracle of rewards and lost lives."""
    monkeypatch.setattr(simulator, "STICKY", 0.0)
    env = AtariEnv("Breakout", max_steps=4500)
    env.reset(seed=1)
    model = EmulatorModel(env)
    plans_NH = np.random.default_rng(0).integers(model.num_actions, size=(2, 150))
    reward_NH, lost_NH = model.outcomes(plans_NH)
    lives, rewards, losses = 5, [], []
    for action in plans_NH[0]:
        _, reward, terminated, _, info = env.step(model.actions[action].value)
        rewards.append(reward)
        losses.append(info["lives"] < lives)
        lives = info["lives"]
        assert not terminated
    np.testing.assert_array_equal(reward_NH[0], rewards)
    np.testing.assert_array_equal(lost_NH[0], losses)
    assert lost_NH.any()


def test_the_chicken_of_freeway_crosses_when_the_stick_is_held_up() -> None:
    env = FAMILY.make("Freeway")
    observation, _ = env.reset(seed=0)
    act, points = FAMILY.expert(env), 0.0
    for _ in range(250):
        observation, reward, *_ = env.step(act(observation))
        points += float(reward)
    assert points >= 2


def test_the_expert_takes_actions_that_the_game_uses() -> None:
    env = FAMILY.make("Asterix")  # has no button
    observation, _ = env.reset(seed=0)
    act = FAMILY.expert(env)
    used = {act(observation) for _ in range(9)}
    assert used <= {action.value for action in env.unwrapped.console.getMinimalActionSet()}


def test_pictures_are_the_screen() -> None:
    env = FAMILY.make("Pong", render_size=48)
    env.reset(seed=0)
    picture: Any = env.render()
    assert picture.shape == (48, 48, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(env.render(), picture)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3


def test_environments_leave_no_files_open() -> None:
    FAMILY.make("Pong").close()
    before = open_files()
    for _ in range(10):
        FAMILY.make("Pong").close()
    assert open_files() <= before


def test_errors_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="did you mean 'atari/Pong'"):
        find_task("atari/Pongg")
    with pytest.raises(ValueError, match="did you mean 'Qbert'"):
        FAMILY.make("QBert")
    env = FAMILY.make("Pong")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="received 18, expected an integer from 0 to 17"):
        env.step(18)
    with pytest.raises(ValueError, match="render_size"):
        env.render()
    monkeypatch.delitem(sys.modules, "opengato.envs.atari.simulator")
    monkeypatch.delattr("opengato.envs.atari.simulator")
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(ImportError, match=r"pip install 'opengato\[atari\]'"):
        FAMILY.make("Pong")


def test_games_are_listed_without_the_emulator() -> None:
    code = """
import sys
from opengato.envs import all_tasks
assert len(all_tasks("atari")) == 57
assert "ale_py" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
