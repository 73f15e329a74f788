"""The tasks of Gymnasium-Robotics without the simulator: ids, instructions, what the numbers are."""

from __future__ import annotations

from opengato.core.episode import ArraySpec
from opengato.envs.table import Row

GRIPPER = "the gripper's x, y, z in m, "
BLOCK = "the object's x, y, z in m, the same seen from the gripper, "
FINGERS_AND_SPEEDS = "openings of the two fingers in m, {}speed of the gripper and of the fingers in m per step"
ROTATION = "rotation of the object (Euler angles in rad) and its speeds per step, "
HAND = "24 joint angles in rad and their speeds in rad/s, "
POSE = "position in m and quaternion of the object, "


def _state(name: str, size: int, meaning: str) -> ArraySpec:
    return ArraySpec(name=f"robotics/{name}", kind="continuous", shape=(size,), meaning=meaning)


def _action(name: str, size: int, meaning: str) -> ArraySpec:
    return ArraySpec(name=f"robotics/{name}", kind="continuous", shape=(size,), low=-1.0, high=1.0, meaning=meaning)


ARM = _action("gripper", 4, "displacement of the gripper along x, y, z in 5 cm, fingers (-1 closes, 1 opens)")
PUSH_BALL = _action("ball", 2, "force along x and y")
ANT_JOINTS = _action("ant", 8, "torques of the hips and ankles of four legs")
HAND_JOINTS = _action("hand", 20, "angles for the hand's 20 motors, each from its least to its largest")
FRANKA = _action("franka", 9, "speeds of the arm's 7 joints and 2 fingers, each from its least to its largest")

REACHING = _state(
    "fetch-reach",
    16,
    "the gripper's x, y, z in m, the goal's x, y, z in m, " + GRIPPER + FINGERS_AND_SPEEDS.format(""),
)
CARRYING = _state(
    "fetch-object",
    31,
    "the object's x, y, z in m, the goal's x, y, z in m, " + GRIPPER + BLOCK + FINGERS_AND_SPEEDS.format(ROTATION),
)
BALL = _state("ball", 8, "the ball's x, y in m, the goal's x, y in m, the ball's x, y in m and speed in m/s")
ANT = _state(
    "ant",
    109,
    "the ant's x, y in m, the goal's x, y in m, height in m, quaternion, 8 joint angles in rad, speeds of all, "
    "forces of contact on 13 bodies",
)
FINGERTIPS = _state(
    "fingertips",
    93,
    "x, y, z in m of five fingertips, where they should be, " + HAND + "x, y, z in m of the fingertips",
)
IN_HAND = _state("in-hand", 75, POSE + "the pose wanted, " + HAND + "speed of the object, its pose")
TOUCHED = {
    "touched": _state("in-hand-touched", 167, IN_HAND.meaning + ", 92 touch sensors: 1 where something touches"),
    "felt": _state("in-hand-felt", 167, IN_HAND.meaning + ", 92 touch sensors: the force at each"),
}
KITCHEN = _state(
    "kitchen",
    59,
    "angles in rad of the arm's 7 joints and openings of 2 fingers in m, their speeds, positions of burners, light "
    "switch, cabinets, microwave and kettle, their speeds",
)

SHAPES = {
    "umaze": ("UMaze", 300, "the maze shaped like a U"),
    "open": ("Open", 300, "the open room"),
    "open-diverse-g": ("Open_Diverse_G", 300, "the open room, starting in its corner"),
    "medium": ("Medium", 600, "the medium maze"),
    "medium-diverse-g": ("Medium_Diverse_G", 600, "the medium maze, starting in its corner"),
    "medium-diverse-gr": ("Medium_Diverse_GR", 600, "the medium maze, from one of its four marked cells to another"),
    "large": ("Large", 800, "the large maze"),
    "large-diverse-g": ("Large_Diverse_G", 800, "the large maze, starting in its corner"),
    "large-diverse-gr": ("Large_Diverse_GR", 800, "the large maze, from one of its eight marked cells to another"),
}
ANT_LIMITS = {300: 700, 600: 1000, 800: 1000}
MANIPULATIONS = {
    "block-rotate-z": ("BlockRotateZ", "turn the block in the hand about the upright axis"),
    "block-rotate-parallel": ("BlockRotateParallel", "turn the block in the hand until the wanted face is up"),
    "block-rotate-xyz": ("BlockRotateXYZ", "turn the block in the hand to any wanted rotation"),
    "block": ("Block", "bring the block in the hand to a wanted place and rotation"),
    "egg-rotate": ("EggRotate", "turn the egg in the hand to a wanted rotation"),
    "egg": ("Egg", "bring the egg in the hand to a wanted place and rotation"),
    "pen-rotate": ("PenRotate", "turn the pen in the hand to a wanted direction"),
    "pen": ("Pen", "bring the pen in the hand to a wanted place and direction"),
}
SENSES = {
    "touched": ("_BooleanTouchSensors", ", feeling where it touches"),
    "felt": ("_ContinuousTouchSensors", ", feeling how hard it is touched"),
}
ADROIT = {
    "door": ("Door", 39, 28, "undo the latch and swing the door open", "latch, hinge, palm, handle, 1 if it is open"),
    "hammer": ("Hammer", 46, 26, "hammer the nail into the board", "speeds, palm, hammer, nail, force on the nail"),
    "pen": ("Pen", 45, 24, "turn the blue pen like the green one", "pen, its speed, its direction, the one wanted"),
    "relocate": ("Relocate", 39, 30, "carry the ball to the green target", "palm to ball, palm and ball to target"),
}
KITCHEN_THINGS = {
    "microwave": "open the microwave",
    "kettle": "put the kettle on the burner behind",
    "light-switch": "switch the light on",
    "slide-cabinet": "slide the cabinet open",
    "hinge-cabinet": "open the cabinet on hinges",
    "top-burner": "turn the knob of the top burner",
    "bottom-burner": "turn the knob of the bottom burner",
}


def _fetch() -> dict[str, tuple[str, Row]]:
    def row(instruction: str, expert: str, observation: ArraySpec = CARRYING, privileged: str = "") -> Row:
        return Row(
            instruction=instruction,
            observation=observation,
            action=ARM,
            max_steps=50,
            expert=expert,
            privileged=privileged,
        )

    return {
        "fetch-reach": ("FetchReach-v4", row("move the gripper to the goal", "straight to the goal", REACHING)),
        "fetch-push": (
            "FetchPush-v4",
            row("push the block over the table to the goal", "behind the block, then through it to the goal"),
        ),
        "fetch-slide": (
            "FetchSlide-v4",
            row(
                "hit the puck so that it slides to the goal out of reach",
                "the best of up to 42 strikes tried in a copy of the simulator",
                privileged="the simulator, to try strikes in a copy before the first step",
            ),
        ),
        "fetch-pick-and-place": (
            "FetchPickAndPlace-v4",
            row("pick up the block and hold it at the goal", "above the block, down, close, to the goal"),
        ),
    }


def _mazes() -> dict[str, tuple[str, Row]]:
    table = {}
    for name, (suffix, steps, where) in SHAPES.items():
        table[f"pointmaze-{name}"] = (
            f"PointMaze_{suffix}-v3",
            Row(
                instruction=f"roll the ball to the goal in {where}",
                observation=BALL,
                action=PUSH_BALL,
                max_steps=steps,
                expert="a shortest path through the cells, with a controller of position and speed",
                privileged="the map of the maze",
            ),
        )
    for name, (suffix, steps, where) in SHAPES.items():
        table[f"antmaze-{name}"] = (
            f"AntMaze_{suffix}-v5",
            Row(
                instruction=f"walk the ant to the goal in {where}",
                observation=ANT,
                action=ANT_JOINTS,
                max_steps=ANT_LIMITS[steps],
            ),
        )
    return table


def _hands() -> dict[str, tuple[str, Row]]:
    reach = Row(
        instruction="bring the fingertips to their places",
        observation=FINGERTIPS,
        action=HAND_JOINTS,
        max_steps=50,
        expert="damped least squares on the fingertips",
        privileged="the hand's kinematics: how each motor moves the fingertips",
    )
    table = {"hand-reach": ("HandReach-v3", reach)}
    for name, (suffix, instruction) in MANIPULATIONS.items():
        table[f"hand-{name}"] = (f"HandManipulate{suffix}-v1", _manipulation(instruction, IN_HAND))
        for sense, (sensors, felt) in SENSES.items():
            row = _manipulation(instruction + felt, TOUCHED[sense])
            table[f"hand-{name}-{sense}"] = (f"HandManipulate{suffix}{sensors}-v1", row)
    return table


def _manipulation(instruction: str, observation: ArraySpec) -> Row:
    return Row(instruction=instruction, observation=observation, action=HAND_JOINTS, max_steps=100)


def _adroit() -> dict[str, tuple[str, Row]]:
    table = {}
    for name, (suffix, numbers, motors, instruction, things) in ADROIT.items():
        joints = f"angles in rad of the joints of arm and hand; {things}"
        row = Row(
            instruction=instruction,
            observation=_state(f"adroit-{name}", numbers, joints),
            action=_action(f"adroit-{name}-motors", motors, f"angles for the {motors} motors of arm and hand"),
            max_steps=200,
        )
        table[f"adroit-{name}"] = (f"AdroitHand{suffix}-v1", row)
    return table


def _kitchen() -> dict[str, tuple[str, Row]]:
    table = {}
    for name, instruction in {**KITCHEN_THINGS, "all": "do all seven things in the kitchen"}.items():
        row = Row(instruction=instruction, observation=KITCHEN, action=FRANKA, max_steps=280)
        table[f"kitchen-{name}"] = ("FrankaKitchen-v1", row)
    return table


_ALL = _fetch() | _mazes() | _hands() | _adroit() | _kitchen()
GYMNASIUM = {name: gymnasium_id for name, (gymnasium_id, _) in _ALL.items()}


def kitchen_things(name: str) -> list[str]:
    """What `kitchen-<name>` asks for, as Gymnasium-Robotics calls it: `["light switch"]`."""
    thing = name.removeprefix("kitchen-")
    return [each.replace("-", " ") for each in (KITCHEN_THINGS if thing == "all" else [thing])]


def rows() -> dict[str, Row]:
    """Every task by name."""
    return {name: row for name, (_, row) in _ALL.items()}
