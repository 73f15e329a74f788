"""What each task of the family asks for, shows and takes, without its simulator.

One step of `classic/Taxi`: four integers in, one out.

    [3 1 2 0]  ->  1        the taxi in row 3, column 1; the passenger waits at place 2, wants to go to 0; drive north
"""

from __future__ import annotations

from opengato.core.episode import ArraySpec
from opengato.envs.table import Row


def _numbers(name: str, size: int, meaning: str) -> ArraySpec:
    return ArraySpec(name=f"classic/{name}", kind="continuous", shape=(size,), meaning=meaning)


def _integers(name: str, size: int, num_values: int, meaning: str) -> ArraySpec:
    return ArraySpec(
        name=f"classic/{name}", kind="discrete", shape=(size,), dtype="int64", num_values=num_values, meaning=meaning
    )


def _choice(name: str, num_values: int, meaning: str) -> ArraySpec:
    return ArraySpec(name=f"classic/{name}", kind="discrete", dtype="int64", num_values=num_values, meaning=meaning)


def _force(name: str, size: int, limit: float, meaning: str) -> ArraySpec:
    return ArraySpec(name=f"classic/{name}", kind="continuous", shape=(size,), low=-limit, high=limit, meaning=meaning)


CART = _numbers("cart", 4, "cart position in m and speed in m/s, pole angle in rad and speed in rad/s")
CAR = _numbers("mountain-car", 2, "position along the valley from -1.2 to 0.6 (its floor at -0.52), speed per step")
PENDULUM = _numbers("pendulum", 3, "cosine and sine of the angle (0 is upright), angular speed in rad/s")
ACROBOT = _numbers(
    "acrobot",
    6,
    "cosine and sine of the first angle (0 hangs down) and of the second (relative to it), their speeds in rad/s",
)
LANDER = _numbers(
    "lander", 8, "x, y from the pad, their speeds, angle in rad, angular speed, left and right leg on the ground (0, 1)"
)
WALKER = _numbers(
    "walker",
    24,
    "hull angle and angular speed, speed along x and y; hip angle and speed, knee angle and speed, foot on the ground "
    "(0, 1) of two legs; 10 distances measured by a lidar",
)
ROAD = ArraySpec(
    name="classic/road",
    kind="image",
    shape=(96, 96, 3),
    dtype="uint8",
    meaning="the car from above, heading up; below it speed, wheel speeds, steering and turning rate as bars",
)
CELL = _integers("cell", 2, 12, "row and column, (0, 0) at the top left")
TAXI = _integers(
    "taxi",
    4,
    5,
    "row and column of the taxi; the passenger's place: 0 red (0, 0), 1 green (0, 4), 2 yellow (4, 0), 3 blue (4, 3), "
    "4 in the taxi; the destination, one of the first four",
)
CARDS = _integers("cards", 3, 32, "the player's sum, the dealer's card (1 is an ace), whether an ace counts 11 (0, 1)")

PUSH = _choice("push", 2, "0 push the cart left, 1 right")
DRIVE = _choice("drive", 3, "0 accelerate to the left, 1 roll, 2 accelerate to the right")
ENGINE = _force("engine", 1, 1.0, "force to the right")
TORQUE = _force("torque", 1, 2.0, "torque in N m, counter-clockwise")
JOINT = _choice("joint", 3, "torque of the joint between the links: 0 is -1, 1 is 0, 2 is 1 N m")
BURN = _choice("burn", 4, "0 no engine, 1 the left one, 2 the main one, 3 the right one")
THRUST = _force(
    "thrust", 2, 1.0, "main engine: off below 0, then from half to full; side engines: left below -0.5, right above 0.5"
)
MOTORS = _force("motors", 4, 1.0, "torque of hip and knee of the first leg, then of the second")
STEERING = _force("steering", 3, 1.0, "steering from left to right, gas, brake (the last two: below 0 is 0)")
FROZEN_MOVE = _choice("ice-move", 4, "0 left, 1 down, 2 right, 3 up")
CLIFF_MOVE = _choice("cliff-move", 4, "0 up, 1 right, 2 down, 3 left")
TAXI_MOVE = _choice("taxi-move", 6, "0 south, 1 north, 2 east, 3 west, 4 pick the passenger up, 5 drop the passenger")
HIT = _choice("hit", 2, "0 stick, 1 take a card")

ON_GRID = "value iteration on a grid of states"
ON_TABLE = "value iteration"
CHANCES = "what each action can lead to, with its probability"
LANDING = "gymnasium's landing controller"


def _lake(size: int, slippery: bool) -> Row:
    ice = "; the ice is slippery" if slippery else "; the ice is not slippery"
    return Row(
        instruction=f"cross the frozen lake of {size} by {size} cells to the far corner, around the holes{ice}",
        observation=CELL,
        action=FROZEN_MOVE,
        max_steps={4: 100, 8: 200}[size],
        expert=ON_TABLE,
        privileged=CHANCES,
    )


def _cliff(instruction: str) -> Row:
    return Row(
        instruction=instruction,
        observation=CELL,
        action=CLIFF_MOVE,
        max_steps=200,
        expert=ON_TABLE,
        privileged=CHANCES,
    )


def _taxi(more: str = "") -> Row:
    return Row(
        instruction=f"pick the passenger up and drive to the destination{more}",
        observation=TAXI,
        action=TAXI_MOVE,
        max_steps=200,
        expert=ON_TABLE,
        privileged=CHANCES,
    )


def _landing(action: ArraySpec, instruction: str) -> Row:
    return Row(instruction=instruction, observation=LANDER, action=action, max_steps=1000, expert=LANDING)


TABLE = {
    "CartPole": Row(
        instruction="hold the pole upright",
        observation=CART,
        action=PUSH,
        max_steps=500,
        expert="a linear controller",
    ),
    "MountainCar": Row(
        instruction="swing the car up the hill on the right",
        observation=CAR,
        action=DRIVE,
        max_steps=200,
        expert=ON_GRID,
    ),
    "MountainCarContinuous": Row(
        instruction="swing the car up the hill on the right with little force",
        observation=CAR,
        action=ENGINE,
        max_steps=999,
        expert=ON_GRID,
    ),
    "Pendulum": Row(
        instruction="swing the pendulum up and hold it upright",
        observation=PENDULUM,
        action=TORQUE,
        max_steps=200,
        expert=ON_GRID,
    ),
    "Acrobot": Row(
        instruction="swing the tip of the two links above the line",
        observation=ACROBOT,
        action=JOINT,
        max_steps=500,
        expert="torque along the speed of the second link",
    ),
    "LunarLander": _landing(BURN, "land between the flags with engines that are on or off"),
    "LunarLander-windy": _landing(BURN, "land between the flags in the wind with engines that are on or off"),
    "LunarLanderContinuous": _landing(THRUST, "land between the flags with engines of variable thrust"),
    "LunarLanderContinuous-windy": _landing(
        THRUST, "land between the flags in the wind with engines of variable thrust"
    ),
    "BipedalWalker": Row(
        instruction="walk to the right over gentle ground",
        observation=WALKER,
        action=MOTORS,
        max_steps=1600,
        expert="gymnasium's walking controller, slower",
    ),
    "BipedalWalkerHardcore": Row(
        instruction="walk to the right over stumps, pits and stairs",
        observation=WALKER,
        action=MOTORS,
        max_steps=2000,
    ),
    "CarRacing": Row(
        instruction="drive one lap of the road",
        observation=ROAD,
        action=STEERING,
        max_steps=1000,
        expert="pursuit of a point ahead on the road",
        privileged="the course of the road, the car's position, heading and speed",
    ),
    "FrozenLake-4x4": _lake(4, slippery=False),
    "FrozenLake-4x4-slippery": _lake(4, slippery=True),
    "FrozenLake-8x8": _lake(8, slippery=False),
    "FrozenLake-8x8-slippery": _lake(8, slippery=True),
    "CliffWalking": _cliff("walk along the cliff to the bottom right corner without falling"),
    "CliffWalking-slippery": _cliff("walk along the slippery cliff to the bottom right corner without falling"),
    "Blackjack": Row(
        instruction="come closer to 21 than the dealer without going over it",
        observation=CARDS,
        action=HIT,
        max_steps=22,
        expert="the best strategy, computed from the chances of the cards",
    ),
    "Taxi": _taxi(),
    "Taxi-rainy": _taxi(" in the rain, which makes the taxi drift"),
    "Taxi-fickle": _taxi(", which the passenger may change on the way"),
}
