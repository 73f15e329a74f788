"""The games of Atari, described without the emulator.

One step of `atari/Pong`: a picture in, one of 18 positions of joystick and button out, every 4 frames (1/15 s).

    (80, 64, 3) uint8  ->  10     stick up, button pressed
"""

from __future__ import annotations

from types import ModuleType

import gymnasium

from opengato.core.config import choose
from opengato.core.environment import Expert
from opengato.core.episode import ArraySpec
from opengato.envs.atari.games import GAMES, HOLD_UP, LOOK_AHEAD, Game
from opengato.envs.loading import load_simulator
from opengato.envs.table import Row, TableFamily

STICK_UP = 2
MAX_STEPS = 4500  # 18,000 frames, five minutes of play
SCREEN = ArraySpec(
    name="atari/screen",
    kind="image",
    shape=(80, 64, 3),
    dtype="uint8",
    meaning="the screen, each pixel the brighter of the last two frames, as means of areas: 20 patches of 16 x 16",
)
JOYSTICK = ArraySpec(
    name="atari/joystick",
    kind="discrete",
    dtype="int64",
    num_values=18,
    meaning="0 nothing, 1 fire, 2 up, 3 right, 4 left, 5 down, 6 up right, 7 up left, 8 down right, 9 down left, "
    "10 to 17: as 2 to 9, with fire",
)


class Family(TableFamily):
    """57 games as tasks `atari/<Game>`: `atari/Pong` plays as Gymnasium's `ALE/Pong-v5`.

    * What is random are sticky actions: in each frame the emulator repeats the action before with a chance of 0.25
      [Machado et al. 2018, arXiv:1709.06009, sec. 5.2], and the 0 to 30 frames before the first step. Without them the
      games are deterministic, and an agent could learn a sequence by heart.
    * All games take all 18 actions, so that they share one layout; a game ignores what it does not use. The experts
      plan with those that it uses.
    * A step is 4 frames. An episode lasts five minutes of play, as those of the human testers did, and not the usual
      thirty; losing a life ends nothing.
    * The reward is the change of the game's own score, not clipped.
    """

    name = "atari"
    packages = ("ale-py", "gymnasium", "numpy", "pillow")

    def table(self) -> dict[str, Row]:
        return {name: _row(name, game) for name, game in GAMES.items()}

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """The environment of game `name` (`Pong`): observation Box(80, 64, 3) uint8, action Discrete(18).

        ValueError names the games near an unknown one; ImportError says how to get the emulator.
        """
        return _simulator().AtariEnv(choose(name, GAMES, what="Atari game"), MAX_STEPS, render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        """Look-ahead on the episode just reset, in an emulator of its own; in `HOLD_UP` a stick held up."""
        if env.get_wrapper_attr("name") in HOLD_UP:
            return lambda _: STICK_UP
        return _simulator().look_ahead(env)


def _row(name: str, game: Game) -> Row:
    looks_ahead = name in LOOK_AHEAD
    scripted = "the stick held up" if name in HOLD_UP else None
    return Row(
        instruction=game.instruction,
        observation=SCREEN,
        action=JOYSTICK,
        max_steps=MAX_STEPS,
        expert="look-ahead by random shooting" if looks_ahead else scripted,
        privileged="the whole state of the emulator, in which it tries its plans" if looks_ahead else "",
        human_score=game.human_score,
    )


def _simulator() -> ModuleType:
    """The half of this family that needs ale-py."""
    return load_simulator("opengato.envs.atari.simulator", extra="atari")
