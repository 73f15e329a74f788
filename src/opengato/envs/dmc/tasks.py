"""The tasks of the suite, described without the simulator: instructions, layouts, sizes."""

from __future__ import annotations

from dataclasses import dataclass

JOINTS = "joint angles in rad, their speeds in rad/s"
ARM = (
    "cosines and sines of the arm's joint angles, their speeds, log of touch forces, hand position and orientation in "
    "the plane, then of each object position, orientation and speeds, and the target: m, m/s, rad/s"
)
DOG = (
    "joint angles and speeds, heights of torso and pelvis, their directions, speed of the centre of mass, inertial "
    "sensors, forces at feet and mouth, muscle activations: rad, m, s"
)
HUMANOID = (
    "joint angles in rad, head height in m, hands and feet relative to the torso in m, the torso's vertical, speed of "
    "the centre of mass in m/s, speeds of all joints"
)
QUADRUPED = "joint angles, speeds and activations, torso velocity, uprightness, accelerometer and gyro, forces at toes"


@dataclass(frozen=True, slots=True)
class Layout:
    """What tasks of one body show: a name, how many numbers, what they are; `actions` of [-1, 1] and what they do."""

    name: str
    size: int
    meaning: str
    actions: int
    acts_on: str = "torque at each joint, as a share of the motors' own"


CARTPOLE = Layout(
    "cartpole", 5, "cart position in m, cosine and sine of the pole's angle, speeds in m/s and rad/s", 1,
    "force on the cart, in units of 10 N",
)  # fmt: skip
TWO_POLES = Layout("cartpole-two-poles", 8, CARTPOLE.meaning + ", by pole", 1, CARTPOLE.acts_on)
THREE_POLES = Layout("cartpole-three-poles", 11, CARTPOLE.meaning + ", by pole", 1, CARTPOLE.acts_on)
ACROBOT = Layout("acrobot", 6, "sines, then cosines of both arms' directions, joint speeds in rad/s", 1)
CUP = Layout("ball_in_cup", 8, "cup x, z and ball x, z in m from where they hang, their speeds", 2, "force on the cup")
CHEETAH = Layout("cheetah", 17, "height in m, pitch and joint angles in rad, forward speed first among all speeds", 6)
STAND_DOG = Layout("dog", 223, DOG, 38, "activation of each muscle")
FETCH_DOG = Layout("dog-fetch", 232, DOG + "; ball position and speed, target, seen from the head", 38, "muscles")
FINGER = Layout("finger", 9, "angles of both joints, tip of the spinner, three speeds, log of two touch forces", 2)
FINGER_TURN = Layout("finger-turn", 12, FINGER.meaning + ", target position and distance in m", 2)
FISH = Layout(
    "fish", 21, "joint angles, uprightness, velocities of body and joints", 5, "wanted angles of tail and fins"
)
FISH_SWIM = Layout(
    "fish-swim", 24, "joint angles, uprightness, target seen from the mouth in m, velocities", 5, FISH.acts_on
)
HOPPER = Layout("hopper", 15, "height in m, pitch, " + JOINTS + ", log of touch forces at toe and heel", 4)
PERSON = Layout("humanoid", 67, HUMANOID, 21)
PURE = Layout("humanoid-pure-state", 55, "position, orientation and joint angles, then their speeds", 21)
CMU = Layout("humanoid_CMU", 137, HUMANOID, 56)
LQR_2 = Layout("lqr_2_1", 4, "positions of 2 masses on springs in m, speeds in m/s", 1, "force on the first, in 6 N")
LQR_6 = Layout(
    "lqr_6_2", 12, "positions of 6 masses on springs in m, speeds in m/s", 2, "forces on the first two, in 6 N"
)
ARM_ONE = Layout("manipulator", 44, ARM, 5)
PENDULUM = Layout("pendulum", 3, "cosine and sine of the angle from upright, speed in rad/s", 1)
POINT = Layout("point_mass", 4, "x, y in m, speeds in m/s", 2, "force along two directions, in 0.1 N")
QUAD = Layout("quadruped", 78, QUADRUPED, 12, "wanted lift, yaw and stretch of each leg")
QUAD_ESCAPE = Layout("quadruped-escape", 101, QUADRUPED + "; the origin, 20 distances to the ground", 12, QUAD.acts_on)
QUAD_FETCH = Layout("quadruped-fetch", 90, QUADRUPED + "; ball and target, seen from the body", 12, QUAD.acts_on)
REACHER = Layout("reacher", 6, "two joint angles in rad, finger to target in m, joint speeds in rad/s", 2)
STACK_2 = Layout("stacker-2", 49, ARM, 5)
STACK_4 = Layout("stacker-4", 63, ARM, 5)
SWIMMER_6 = Layout("swimmer6", 25, "joint angles, target seen from the nose in m, velocities of each link", 5)
SWIMMER_15 = Layout("swimmer15", 61, SWIMMER_6.meaning, 14)
WALKER = Layout("walker", 24, "directions of 7 limbs as cosine and sine, torso height in m, all speeds", 6)

# By the suite's names of domain and task, in its order.
TASKS: dict[tuple[str, str], tuple[Layout, str]] = {
    ("acrobot", "swingup"): (ACROBOT, "swing the two arms up and hold the tip as near to the top as you can"),
    ("acrobot", "swingup_sparse"): (ACROBOT, "swing the two arms up and hold the tip inside the small ball on top"),
    ("ball_in_cup", "catch"): (CUP, "swing the ball on its string into the cup and keep it there"),
    ("cartpole", "balance"): (CARTPOLE, "hold the upright pole up, in the middle, with little force"),
    ("cartpole", "balance_sparse"): (CARTPOLE, "hold the upright pole within 6 degrees of the vertical, in the middle"),
    ("cartpole", "swingup"): (CARTPOLE, "swing the hanging pole up, and hold it in the middle with little force"),
    ("cartpole", "swingup_sparse"): (CARTPOLE, "swing the hanging pole up to within 6 degrees of the vertical"),
    ("cartpole", "two_poles"): (TWO_POLES, "swing two poles in a chain up and balance them"),
    ("cartpole", "three_poles"): (THREE_POLES, "swing three poles in a chain up and balance them"),
    ("cheetah", "run"): (CHEETAH, "run forward on two legs as fast as you can, up to 10 m/s"),
    ("dog", "stand"): (STAND_DOG, "stand upright on four legs"),
    ("dog", "walk"): (STAND_DOG, "walk forward on four legs at 1 m/s"),
    ("dog", "trot"): (STAND_DOG, "trot forward on four legs at 3 m/s"),
    ("dog", "run"): (STAND_DOG, "run forward on four legs at 9 m/s"),
    ("dog", "fetch"): (FETCH_DOG, "fetch the ball with the mouth and bring it to the target"),
    ("finger", "spin"): (FINGER, "spin the body on its hinge with the finger, fast and without stopping"),
    ("finger", "turn_easy"): (FINGER_TURN, "turn the body with the finger until its tip is on the large target"),
    ("finger", "turn_hard"): (FINGER_TURN, "turn the body with the finger until its tip is on the small target"),
    ("fish", "upright"): (FISH, "right yourself in the water and stay upright"),
    ("fish", "swim"): (FISH_SWIM, "swim to the target and keep your mouth on it"),
    ("hopper", "stand"): (HOPPER, "stand on one leg, the torso high above the foot"),
    ("hopper", "hop"): (HOPPER, "hop forward on one leg at 2 m/s"),
    ("humanoid", "stand"): (PERSON, "stand upright with the body of a human"),
    ("humanoid", "walk"): (PERSON, "walk at 1 m/s with the body of a human"),
    ("humanoid", "run"): (PERSON, "run at 10 m/s with the body of a human"),
    ("humanoid", "run_pure_state"): (PURE, "run at 10 m/s with the body of a human, knowing only joints and speeds"),
    ("humanoid_CMU", "stand"): (CMU, "stand upright with a body of 56 joints"),
    ("humanoid_CMU", "walk"): (CMU, "walk at 1 m/s with a body of 56 joints"),
    ("humanoid_CMU", "run"): (CMU, "run at 10 m/s with a body of 56 joints"),
    ("lqr", "lqr_2_1"): (LQR_2, "bring two masses on springs to rest by forces on the first"),
    ("lqr", "lqr_6_2"): (LQR_6, "bring six masses on springs to rest by forces on the first two"),
    ("manipulator", "bring_ball"): (ARM_ONE, "bring the ball to the target with the robot arm"),
    ("manipulator", "bring_peg"): (ARM_ONE, "bring the peg to the target with the robot arm"),
    ("manipulator", "insert_ball"): (ARM_ONE, "put the ball into the basket with the robot arm"),
    ("manipulator", "insert_peg"): (ARM_ONE, "put the peg into the slot with the robot arm"),
    ("pendulum", "swingup"): (PENDULUM, "swing the pendulum up with a weak motor and hold it"),
    ("point_mass", "easy"): (POINT, "push the point to the target and hold it there"),
    ("point_mass", "hard"): (POINT, "push the point to the target, by pushes whose directions you must find out"),
    ("quadruped", "walk"): (QUAD, "walk forward on four legs at 0.5 m/s"),
    ("quadruped", "run"): (QUAD, "run forward on four legs at 5 m/s"),
    ("quadruped", "escape"): (QUAD_ESCAPE, "climb out of the hollow and get away from its middle"),
    ("quadruped", "fetch"): (QUAD_FETCH, "push the ball to the target in the middle"),
    ("reacher", "easy"): (REACHER, "bring the finger onto the large target and hold it there"),
    ("reacher", "hard"): (REACHER, "bring the finger onto the small target and hold it there"),
    ("stacker", "stack_2"): (STACK_2, "stack two boxes at the target with the robot arm"),
    ("stacker", "stack_4"): (STACK_4, "stack four boxes at the target with the robot arm"),
    ("swimmer", "swimmer6"): (SWIMMER_6, "swim to the target with six links and stay there"),
    ("swimmer", "swimmer15"): (SWIMMER_15, "swim to the target with fifteen links and stay there"),
    ("walker", "stand"): (WALKER, "stand upright on two legs"),
    ("walker", "walk"): (WALKER, "walk forward on two legs at 1 m/s"),
    ("walker", "run"): (WALKER, "run forward on two legs at 8 m/s"),
}
# The suite's own choice for comparing agents; those from pixels are the ones that Gato learnt.
BENCHMARK = tuple(
    (domain, task)
    for domain, task in TASKS
    if domain not in ("dog", "humanoid_CMU", "lqr", "quadruped", "stacker")
    and (domain, task) not in {("point_mass", "hard"), ("cartpole", "two_poles"), ("cartpole", "three_poles")}
    and not (domain == "manipulator" and task != "bring_ball")
    and task != "run_pure_state"
)
# Those whose model is one file of the suite; Gato has 26 with random physics.
CHANGEABLE = tuple((domain, task) for domain, task in BENCHMARK if domain not in ("swimmer", "manipulator"))

REGULATOR = "a linear-quadratic regulator"
SWING = "a swing up by energy, then a linear regulator"
GEOMETRY = "a controller on the geometry of the task"
PLANNER = "model-predictive control: plans sampled in the simulator's own physics"
SEES_STATE = "the simulator's state and model"
# What plays; a task that is not here has no expert.
EXPERTS: dict[tuple[str, str], str] = {
    ("acrobot", "swingup"): SWING,
    ("ball_in_cup", "catch"): PLANNER,
    ("cartpole", "balance"): REGULATOR,
    ("cartpole", "balance_sparse"): REGULATOR,
    ("cartpole", "swingup"): SWING,
    ("cartpole", "swingup_sparse"): SWING,
    ("cheetah", "run"): PLANNER,
    ("finger", "turn_easy"): PLANNER,
    ("finger", "turn_hard"): PLANNER,
    ("fish", "upright"): PLANNER,
    ("fish", "swim"): PLANNER,
    ("lqr", "lqr_2_1"): REGULATOR,
    ("lqr", "lqr_6_2"): REGULATOR,
    ("pendulum", "swingup"): SWING,
    ("point_mass", "easy"): GEOMETRY,
    ("point_mass", "hard"): GEOMETRY,
    ("reacher", "easy"): GEOMETRY,
    ("reacher", "hard"): GEOMETRY,
    ("walker", "stand"): PLANNER,
    ("walker", "walk"): PLANNER,
    ("walker", "run"): PLANNER,
}


@dataclass(frozen=True, slots=True)
class Variant:
    """A task of ours: one of the suite's, as it is or with an ending."""

    domain: str
    task: str
    ending: str = ""

    @property
    def name(self) -> str:
        """`cartpole-swingup_sparse-pixels`."""
        return f"{self.domain}-{self.task}{self.ending}"


PIXELS, SMALL, LARGE = "-pixels", "-random-small", "-random-large"
ENDINGS = {  # with what they add to an instruction
    PIXELS: (BENCHMARK, ", by sight"),
    SMALL: (CHANGEABLE, ", with a body that is a little different each time"),
    LARGE: (CHANGEABLE, ", with a body that is very different each time"),
}


def expert_of(variant: Variant) -> str | None:
    """What plays a task, if anything: plans are not tried on changed bodies, where an episode would cost the most."""
    expert = EXPERTS.get((variant.domain, variant.task))
    return None if expert == PLANNER and variant.ending in (SMALL, LARGE) else expert


VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for ending, keys in {"": TASKS, **{ending: keys for ending, (keys, _) in ENDINGS.items()}}.items()
    for variant in (Variant(*key, ending) for key in keys)
}
