"""BabyAI's environments and their bot: the half of the family that loads minigrid."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import gymnasium
import minigrid  # noqa: F401 - registers the levels
import numpy as np
from minigrid.core.actions import Actions
from minigrid.envs.babyai.core import roomgrid_level
from minigrid.utils.baby_ai_bot import BabyAIBot

from opengato.core.environment import ExpertFailed
from opengato.envs.gridworld import GridEnv

# Level generators print each rejected draw. Shadowing `print` in that one module silences them in every thread, which
# redirecting the process's stdout would not.
vars(roomgrid_level)["print"] = lambda *_, **__: None

# Looks of the bot at its stack of subgoals before one action. Plans needed at most 9 in 3000 episodes of all levels,
# with none or a fifth of the actions disturbed; on UnlockToUnlock the bot pushes subgoals without end. It looks in
# every turn of the only loop that the map does not bound, so that this count stops it always, in any thread or
# process, and at the same step on any machine, as a clock would not.
MAX_LOOKS = 100
# Draws of a place for one thing, and places drawn for the agent in a row, before a generator of levels gives its map up
# and draws another. Without these limits it goes on for ever where a room is full (seed 1,000,436 of SynthS5R2), or
# where whatever free cell it draws for the agent faces something. The one free cell of the largest map (22 x 22) is
# missed in so many draws once in a billion times.
MAX_DRAWS, MAX_PLACES = 10_000, 1000


def make(gym_id: str, render_size: int) -> GridEnv:
    """A level by its Gymnasium id, without the layers that check every step."""
    mode = "rgb_array" if render_size else None
    level = gymnasium.make(gym_id, render_mode=mode, disable_env_checker=True).unwrapped
    assert isinstance(level, roomgrid_level.RoomGridLevel)
    vars(level)["place_obj"] = bounded(level.place_obj)
    return GridEnv(level, render_size)


def bounded(place: Callable[..., Any]) -> Callable[..., Any]:
    """A level's `place_obj` that gives up: with RecursionError, upon which the level draws another map."""
    places_of_agent = 0

    def place_obj(thing: Any, *arguments: Any, max_tries: float = math.inf, **settings: Any) -> Any:
        nonlocal places_of_agent
        places_of_agent = places_of_agent + 1 if thing is None else 0  # the agent is placed as nothing
        if places_of_agent > MAX_PLACES:
            places_of_agent = 0
            raise RecursionError(f"the agent found no place in {MAX_PLACES} draws")
        return place(thing, *arguments, max_tries=min(max_tries, MAX_DRAWS), **settings)

    return place_obj


class BotExpert:
    """The bot as an expert: called with each observation of one episode, it answers with an action."""

    def __init__(self, env: gymnasium.Env) -> None:
        self.env = GridEnv.below(env, family="babyai")
        self.level = self.env.level
        self.next_step = self.level.step_count
        with self._failures():
            self.bot = _Bot(self.level)

    def __call__(self, observation: dict[str, Any]) -> int:
        """The planned action in 0..6, after whatever action was executed since the last call.

        ExpertFailed: the bot cannot go on with this episode. ValueError: a step went by without asking it.
        """
        if self.level.step_count != self.next_step:
            raise ValueError(
                f"the BabyAI expert was asked at step {self.level.step_count}, expected {self.next_step}: ask it "
                "once for every observation, also where another action is executed, and make a new one after each reset"
            )
        self.next_step += 1
        with self._failures():
            action = self.bot.plan_action(observation["image"], self.env.last_action)
            if action == Actions.done:
                raise RuntimeError("it believes that it is done")
        return int(action)

    @contextmanager
    def _failures(self) -> Generator[None]:
        """Any error of the bot as ExpertFailed: it fails by assertions, and by positions that it could not find."""
        try:
            yield
        except Exception as error:
            raise ExpertFailed(
                f"BabyAIBot cannot go on with {self.level.mission!r} at step {self.level.step_count}: "
                f"{type(error).__name__} {error}"
            ) from error


class _Plan(list):
    """The bot's stack of subgoals, which can be looked at only so often before an action."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        if self.looks > MAX_LOOKS:
            raise RuntimeError(f"it plans in circles: {MAX_LOOKS} turns and no action")
        return super().__getitem__(index)


class _Bot(BabyAIBot):
    """The bot of minigrid, fed with observations and stopped when it plans in circles."""

    def __init__(self, level: roomgrid_level.RoomGridLevel) -> None:
        super().__init__(level)
        self.level = level
        self.stack = self.subgoals = _Plan(self.stack)
        self.image = np.zeros((0, 0, 3), np.uint8)

    def plan_action(self, image: np.ndarray, last_action: int | None) -> int:
        """The next action, seeing `image` (7, 7, 3) after `last_action` (None at the start)."""
        self.image = image
        self.subgoals.looks = 0
        return self.replan(last_action)

    def _process_obs(self) -> None:
        """Mark the cells in view as seen.

        The bot would compute its view a second time for this, a third of the time of an episode; the cells seen are
        those whose object in the observation is not 0 ("unseen").
        """
        size = self.level.agent_view_size
        ahead, right = self.level.dir_vec, self.level.right_vec
        corner = self.level.agent_pos + ahead * (size - 1) - right * (size // 2)
        i, j = np.nonzero(self.image[:, :, 0])
        x = corner[0] - ahead[0] * j + right[0] * i
        y = corner[1] - ahead[1] * j + right[1] * i
        inside = (x >= 0) & (x < self.vis_mask.shape[0]) & (y >= 0) & (y < self.vis_mask.shape[1])
        self.vis_mask[x[inside], y[inside]] = True
