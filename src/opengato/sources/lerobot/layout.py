"""Where a LeRobot dataset of version 3 keeps what, and how our fields are named in it."""

from __future__ import annotations

from opengato.core.episode import ArraySpec
from opengato.core.spaces import Side

VERSION = "v3.0"
INFO, STATS, TASKS, OURS_FILE = "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/opengato.json"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
CHUNK_FILES = 1000
DATA_MEGABYTES, VIDEO_MEGABYTES = 100, 200
INDICES = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64"}
INDICES |= {"task_index": "int64"}
REWARD, DONE, SUCCESS = "next.reward", "next.done", "next.success"
OBSERVATION, IMAGES, ACTION = "observation", "observation.images", "action"


def feature_name(side: Side, key: str, spec: ArraySpec) -> str:
    """`camera` seen is `observation.images.camera`; `action`, `action.grip`; a plain observation is its `.state`."""
    dotted = key.replace("/", ".")
    if side == "action":
        return ACTION if dotted == ACTION else f"{ACTION}.{dotted}"
    if spec.kind == "image":
        return f"{IMAGES}.{dotted.removeprefix('images.')}"
    return f"{OBSERVATION}.{'state' if dotted == OBSERVATION else dotted}"


def field_name(feature: str) -> tuple[Side, str] | None:
    """The side and our key of a feature of others; None for what is neither seen nor done."""
    if feature == ACTION:
        return "action", ACTION
    side, _, rest = feature.partition(".")
    if side in (OBSERVATION, ACTION):
        return ("observation" if side == OBSERVATION else "action"), rest.replace(".", "/")
    return None
