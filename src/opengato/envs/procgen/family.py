"""The games of Procgen, described without the simulator.

One step of `procgen/coinrun`: a picture in, one of 15 actions out.

    (64, 64, 3) uint8  ->  8     right and up
"""

from __future__ import annotations

import gymnasium

from opengato.core.config import choose
from opengato.core.environment import Expert
from opengato.core.episode import ArraySpec
from opengato.envs.procgen import simulator
from opengato.envs.procgen.games import GAMES, Game
from opengato.envs.table import Row, TableFamily

VIEW = ArraySpec(
    name="procgen/view",
    kind="image",
    shape=(64, 64, 3),
    dtype="uint8",
    meaning="the part of the level around the agent, or all of it where it is small",
)
KEYS = ArraySpec(
    name="procgen/keys",
    kind="discrete",
    dtype="int64",
    num_values=15,
    meaning="0 left and down, 1 left, 2 left and up, 3 down, 4 nothing, 5 up, 6 right and down, 7 right, "
    "8 right and up, 9 to 14: the keys D, A, W, S, Q, E, whose use is the game's (9 fires where there is a weapon)",
)


class Family(TableFamily):
    """16 games as tasks `procgen/<game>`, with Procgen's easy distribution of levels.

    * Level number s is the episode of `reset(seed=s)`: levels for training (from a million on) and for evaluation are
      never the same. The level and the actions decide all that happens.
    * The reward is Procgen's own. `info["success"]` is True at the step that completes the level.
    """

    name = "procgen"
    packages = ("procgen-mirror", "gymnasium", "numpy", "pillow")

    def table(self) -> dict[str, Row]:
        return {name: _row(game) for name, game in GAMES.items()}

    def make(self, name: str, render_size: int = 0) -> gymnasium.Env:
        """The environment of game `name` (`coinrun`): observation Box(64, 64, 3) uint8, action Discrete(15).

        ValueError names the games near an unknown one; ImportError says how to get the simulator.
        """
        game = choose(name, GAMES, what="Procgen game")
        return simulator.ProcgenEnv(game, GAMES[game].max_steps, render_size)

    def expert(self, env: gymnasium.Env) -> Expert:
        """Look-ahead on the episode just reset, in copies of its level."""
        game = GAMES[env.get_wrapper_attr("name")]
        return simulator.look_ahead(env, game.actions, game.planning)


def _row(game: Game) -> Row:
    return Row(
        instruction=game.instruction,
        observation=VIEW,
        action=KEYS,
        max_steps=game.max_steps,
        expert="look-ahead by random shooting",
        privileged="the whole level and all that will happen in it",
    )
