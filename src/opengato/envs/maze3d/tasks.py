"""The tasks of MiniWorld without the simulator: classes, instructions, limits."""

from __future__ import annotations

from opengato.core.episode import ArraySpec
from opengato.envs.table import Row

SIZE = 64  # pixels of a side
VIEW = ArraySpec(name="maze3d/view", kind="image", shape=(SIZE, SIZE, 3), dtype="uint8", meaning="what is ahead, RGB")
MOVES = ("turn left", "turn right", "ahead")
ALL = (*MOVES, "back", "take", "drop", "use", "done")


def _choice(name: str, words: tuple[str, ...]) -> ArraySpec:
    meaning = ", ".join(f"{number} {word}" for number, word in enumerate(words))
    return ArraySpec(name=f"maze3d/{name}", kind="discrete", dtype="int64", num_values=len(words), meaning=meaning)


MOVE = _choice("move", MOVES)
MOVE_OR_END = _choice("move-or-end", (*MOVES, "end"))
MOVE_AND_TAKE = _choice("move-and-take", ALL[:5])
ANY = _choice("any", ALL)
PLANNER = "a shortest path around walls and things, turned into turns and steps"
MAP = "the map: walls, its own place and that of all things"


def _row(instruction: str, max_steps: int, action: ArraySpec = MOVE) -> Row:
    return Row(
        instruction=instruction,
        observation=VIEW,
        action=action,
        max_steps=max_steps,
        expert=PLANNER,
        privileged=MAP,
    )


# By name: MiniWorld's class, and the task.
TASKS = {
    "hallway": ("Hallway", _row("go to the red box at the end of the hallway", 250)),
    "one-room": ("OneRoom", _row("go to the red box in the large room", 180)),
    "one-room-s6": ("OneRoomS6", _row("go to the red box in the small room", 100)),
    "one-room-s6-fast": ("OneRoomS6Fast", _row("go to the red box in the small room with large steps", 50)),
    "four-rooms": ("FourRooms", _row("find the red box in one of the four rooms", 250)),
    "t-maze": ("TMaze", _row("find the red box in an arm of the T", 280)),
    "t-maze-left": ("TMazeLeft", _row("go to the red box in the left arm of the T", 280)),
    "t-maze-right": ("TMazeRight", _row("go to the red box in the right arm of the T", 280)),
    "y-maze": ("YMaze", _row("find the red box in an arm of the Y", 280)),
    "y-maze-left": ("YMazeLeft", _row("go to the red box in the left arm of the Y", 280)),
    "y-maze-right": ("YMazeRight", _row("go to the red box in the right arm of the Y", 280)),
    "wall-gap": ("WallGap", _row("go through the gap in the wall to the red box", 300)),
    "sidewalk": ("Sidewalk", _row("walk along the sidewalk to the red box and keep off the street", 150)),
    "sign": ("Sign", _row("go to the box of the colour that the sign says", 20, MOVE_OR_END)),
    "put-next": ("PutNext", _row("put the red box next to the yellow box", 250, ANY)),
    "pickup-objects": ("PickupObjects", _row("pick up all five things", 400, MOVE_AND_TAKE)),
    "collect-health": ("CollectHealth", _row("stay alive by picking up medical kits", 1000, ANY)),
    "maze-s2": ("MazeS2", _row("find the red box in the maze of 2 by 2 cells", 96)),
    "maze-s3": ("MazeS3", _row("find the red box in the maze of 3 by 3 cells", 216)),
    "maze-s3-fast": ("MazeS3Fast", _row("find the red box in the maze of 3 by 3 cells with large steps", 300)),
    "maze": ("Maze", _row("find the red box in the maze of 8 by 8 cells", 1536)),
}
