"""The 16 games: what each asks for, in words, and how its expert plans."""

from __future__ import annotations

from dataclasses import dataclass

from opengato.envs import lookahead

MOVES = tuple(range(9))
MOVES_AND_FIRE = (*MOVES, 9, 9, 9)
RIGHT = (*MOVES[:7], 7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 8)  # what is named often is tried often
UP = (1, 2, 2, 4, 5, 5, 5, 7, 8, 8)
CROSS = (1, 3, 5, 7)
# To react in time, to aim at what is hit later, and to find a way (or a winding one) to a goal that alone is rewarded.
REACT = lookahead.Config(plans=24, horizon=25, follow=5)
AIM = lookahead.Config(plans=40, horizon=40, follow=4)
FIND = lookahead.Config(plans=48, horizon=120, follow=30, discount=0.99)
WIND = lookahead.Config(plans=96, horizon=200, follow=50, discount=0.99, switch=0.15)


@dataclass(frozen=True, kw_only=True, slots=True)
class Game:
    """A game as its player is told of it; its expert's plans are drawn from `actions`."""

    instruction: str
    planning: lookahead.Config
    actions: tuple[int, ...] = MOVES
    max_steps: int = 1000  # when Procgen itself ends an episode


GAMES = {
    "bigfish": Game(
        instruction="eat the fish that are smaller than you, grow, and avoid the larger ones", planning=REACT
    ),
    "bossfight": Game(
        instruction="evade the shots of the boss ship, and shoot it when its shield is down",
        actions=MOVES_AND_FIRE,
        planning=REACT,
    ),
    "caveflyer": Game(
        instruction="fly the ship through the caves to the friendly ship at their end",
        actions=MOVES_AND_FIRE,
        planning=FIND,
    ),
    "chaser": Game(instruction="collect all green orbs of the maze and escape the enemies", planning=REACT),
    "climber": Game(instruction="climb up the platforms and collect the stars", actions=UP, planning=FIND),
    "coinrun": Game(instruction="run and jump to the coin at the far right", actions=RIGHT, planning=FIND),
    "dodgeball": Game(
        instruction="throw balls at the enemies, evade theirs, then leave by the door",
        actions=MOVES_AND_FIRE,
        planning=REACT,
    ),
    "fruitbot": Game(
        instruction="steer through the gaps and collect fruit, but no other things",
        actions=MOVES_AND_FIRE,
        planning=REACT,
    ),
    "heist": Game(
        instruction="collect the keys, open the locks of their colours and steal the gem", actions=CROSS, planning=WIND
    ),
    "jumper": Game(instruction="jump to the carrot, where the compass points, past the spikes", planning=FIND),
    "leaper": Game(
        instruction="cross the lanes of cars and the logs on the river to the finish line",
        actions=UP,
        planning=FIND,
        max_steps=500,
    ),
    "maze": Game(
        instruction="find the way through the maze to the cheese", actions=CROSS, planning=WIND, max_steps=500
    ),
    "miner": Game(
        instruction="dig through the dirt for all diamonds, keep clear of boulders, then go to the exit",
        actions=CROSS,
        planning=FIND,
    ),
    "ninja": Game(instruction="leap from ledge to ledge to the mushroom, past the bombs", actions=RIGHT, planning=FIND),
    "plunder": Game(
        instruction="fire at the ships of the enemy's colour and spare all others",
        actions=MOVES_AND_FIRE,
        planning=AIM,
    ),
    "starpilot": Game(
        instruction="fly through space, evade what comes and shoot it", actions=MOVES_AND_FIRE, planning=REACT
    ),
}
