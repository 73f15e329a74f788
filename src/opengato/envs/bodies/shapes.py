"""Which bodies there are: what each lacks of its model, and what that leaves to move."""

from __future__ import annotations

from dataclasses import dataclass

PARTS = ("thigh", "shin", "foot")
WALKER_LEGS = {"right": ("thigh", "leg", "foot"), "left": ("thigh_left", "leg_left", "foot_left")}
HOPPER_LEG = ("thigh", "leg", "foot")
HUMANOID_JOINTS = 17


@dataclass(frozen=True, slots=True)
class Shape:
    """A body: Gymnasium's model, the bodies cut off with all that hangs on them, and the joints that are left."""

    model: str  # a file of Gymnasium's, without its ending
    cut: tuple[str, ...]
    joints: int
    words: str

    @property
    def planar(self) -> bool:
        """Whether it moves in a plane: its position is x, height and pitch; else x, y, height and a quaternion."""
        return self.model != "humanoid"

    @property
    def observed(self) -> int:
        """Positions but for those along the ground, and all speeds."""
        return 5 + 2 * self.joints if self.planar else 11 + 2 * self.joints


def _leg(parts: int) -> str:
    if parts == 0:
        return "nothing"
    return "a " + " and ".join(PARTS[:parts]) if parts < 3 else "a whole leg"


def _walker(right: int, left: int) -> Shape:
    cut = tuple(leg[parts] for leg, parts in zip(WALKER_LEGS.values(), (right, left), strict=True) if parts < 3)
    return Shape(
        "walker2d_v5", cut, right + left, f"walk forward on {_leg(right)} to the right and {_leg(left)} to the left"
    )


def _hopper(parts: int) -> Shape:
    return Shape("hopper", HOPPER_LEG[parts : parts + 1], parts, f"hop forward on {_leg(parts)} alone")


def _humanoid(words: str, lost: int, *cut: str) -> Shape:
    return Shape("humanoid", cut, HUMANOID_JOINTS - lost, f"walk forward like a human {words}")


SHAPES: dict[str, Shape] = {
    "walker-7-main": _walker(3, 3),
    "walker-6-main": _walker(3, 2),
    "walker-5-main": _walker(3, 1),
    "walker-4-main": _walker(3, 0),
    "walker-5-no-feet": _walker(2, 2),
    "walker-4-no-feet": _walker(2, 1),
    "walker-3-main": _walker(2, 0),
    "walker-3-thighs": _walker(1, 1),
    "walker-2-main": _walker(1, 0),
    "hopper-4-main": _hopper(3),
    "hopper-3-main": _hopper(2),
    "hopper-2-main": _hopper(1),
    "humanoid-main": _humanoid("with all limbs", 0),
    "humanoid-no-right-hand": _humanoid("without the right forearm", 1, "right_lower_arm"),
    "humanoid-no-left-hand": _humanoid("without the left forearm", 1, "left_lower_arm"),
    "humanoid-no-hands": _humanoid("without forearms", 2, "right_lower_arm", "left_lower_arm"),
    "humanoid-no-right-arm": _humanoid("without the right arm", 3, "right_upper_arm"),
    "humanoid-no-left-arm": _humanoid("without the left arm", 3, "left_upper_arm"),
    "humanoid-no-arms": _humanoid("without arms", 6, "right_upper_arm", "left_upper_arm"),
    "humanoid-no-right-shin": _humanoid("without the right shin", 1, "right_shin"),
    "humanoid-no-left-shin": _humanoid("without the left shin", 1, "left_shin"),
    "humanoid-no-right-leg": _humanoid("without the right leg", 4, "right_thigh"),
}
# The planner falls from a leg without a foot as fast as chance does.
PLANNED = tuple(name for name in SHAPES if name not in ("hopper-3-main", "hopper-2-main"))
