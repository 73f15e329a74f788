"""Atari's environments and the model that look-ahead plans in: the half of the family that loads ale-py.

Letters: N plans, H steps of a plan.
"""

from __future__ import annotations

import re
from typing import Any

import gymnasium
import numpy as np
from ale_py import Action, ALEInterface, LoggerMode, roms
from PIL import Image

from opengato.core.environment import Expert
from opengato.envs import lookahead

STICKY = 0.25  # the chance of a frame to repeat the action before
FRAMES_PER_STEP = 4
HEIGHT, WIDTH = 80, 64  # of an observation
MAX_IDLE_FRAMES = 30  # before the first step
ACTIONS = sorted(Action.__members__.values(), key=lambda action: action.value)
# As many plans as cost a hundredth of a second for each step of the episode. No action sticks in them (with sticky ones
# Asterix came out worse), so they are made anew before the episode has gone far from what they foresaw.
PLANNING = lookahead.Config(plans=8, horizon=21, follow=3, discount=0.97)

ALEInterface.setLoggerMode(LoggerMode.Error)


def emulator(name: str, seed: int, sticky: float, frames: int) -> ALEInterface:
    """A console with the game `name` (`MsPacman`) put in, `frames` for each action."""
    console = ALEInterface()
    console.setFloat("repeat_action_probability", sticky)
    console.setInt("frame_skip", frames)
    start(console, name, seed)
    return console


def start(console: ALEInterface, name: str, seed: int) -> None:
    """Put the game in anew: only then does a console read its seed."""
    console.setInt("random_seed", seed)
    rom = roms.get_rom_path(re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
    assert rom is not None, name
    console.loadROM(rom)
    console.reset_game()


class AtariEnv(gymnasium.Env[np.ndarray, np.int64]):
    """One game. `console` is the emulator, `episode_seed` what its draws follow from."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 - Gymnasium's own way
    observation_space = gymnasium.spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(len(ACTIONS))

    def __init__(self, name: str, max_steps: int, render_size: int = 0) -> None:
        self.name = name
        self.console = emulator(name, seed=0, sticky=STICKY, frames=1)
        self.episode_seed = 0
        self.render_mode = "rgb_array" if render_size > 0 else None
        self._render_size, self._max_steps, self._steps = render_size, max_steps, 0
        self._screen = self.console.getScreenRGB()
        self._screen_before = np.empty_like(self._screen)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start the episode of `seed`, or of the next draw if None."""
        super().reset(seed=seed)
        self.episode_seed = int(self.np_random.integers(2**31 - 1))
        start(self.console, self.name, self.episode_seed)
        for _ in range(self.np_random.integers(MAX_IDLE_FRAMES + 1)):
            self.console.act(Action.NOOP)
        self._steps = 0
        self.console.getScreenRGB(self._screen)
        return self._picture(), {"lives": self.console.lives()}

    def step(self, action: int | np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Four frames; `info["lives"]` are those left."""
        if not self.action_space.contains(action):
            raise ValueError(f"action for 'atari/{self.name}': received {action!r}, expected an integer from 0 to 17")
        held, reward = ACTIONS[int(action)], 0
        for frame in range(FRAMES_PER_STEP):
            reward += self.console.act(held)
            if frame == FRAMES_PER_STEP - 2:
                self.console.getScreenRGB(self._screen_before)
        self.console.getScreenRGB(self._screen)
        np.maximum(self._screen, self._screen_before, out=self._screen)  # sprites that flicker are in one of two frames
        self._steps += 1
        terminated = self.console.game_over()
        truncated = not terminated and self._steps >= self._max_steps
        return self._picture(), float(reward), terminated, truncated, {"lives": self.console.lives()}

    def render(self) -> np.ndarray:
        """The screen as pixels (render_size, render_size, 3) uint8."""
        size = self._render_size
        if size <= 0:
            raise ValueError(f"atari/{self.name} was made without pictures; give make(...) a `render_size` above 0")
        return np.asarray(Image.fromarray(self._screen).resize((size, size), Image.Resampling.BOX))

    def _picture(self) -> np.ndarray:
        return np.asarray(Image.fromarray(self._screen).resize((WIDTH, HEIGHT), Image.Resampling.BOX))


class EmulatorModel(lookahead.Model):
    """Plans of the actions that a game uses, played in a second console from the first one's state."""

    def __init__(self, env: AtariEnv) -> None:
        self.episode = env.console
        self.console = emulator(env.name, env.episode_seed, sticky=0.0, frames=FRAMES_PER_STEP)
        self.actions = self.console.getMinimalActionSet()
        self.num_actions = len(self.actions)

    def outcomes(self, plans_NH: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        reward_NH, lost_NH = np.zeros(plans_NH.shape), np.zeros(plans_NH.shape, bool)
        console, here, lives_here = self.console, self.episode.cloneState(), self.episode.lives()
        for plan_H, reward_H, lost_H in zip(plans_NH.tolist(), reward_NH, lost_NH, strict=True):
            console.restoreState(here)
            lives = lives_here
            for step, action in enumerate(plan_H):
                reward_H[step] = console.act(self.actions[action])
                lives_before, lives = lives, console.lives()
                over = console.game_over()
                lost_H[step] = over or lives < lives_before
                if over:
                    break
        return reward_NH, lost_NH


def look_ahead(env: gymnasium.Env) -> Expert:
    """The expert of the episode that `env` is in: called with an observation, it answers with an action 0 to 17."""
    episode = env.unwrapped
    if not isinstance(episode, AtariEnv):
        raise ValueError(f"received the environment {env}, expected one made by the family 'atari'")
    model = EmulatorModel(episode)
    plan = PLANNING.build(model, np.random.default_rng(episode.episode_seed))
    return lambda observation: model.actions[plan(observation)].value
