"""What the commands about episodes take: collect, import, export, data, inspect; see `arguments`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from opengato.cli.argument_types import Flag, Store, Workers


@dataclass(frozen=True, kw_only=True, slots=True)
class Collect:
    """Collect episodes of tasks by their experts, or by random actions, into a store; the same command goes on.

    `all` is every task with an expert whose simulator is installed. All of them, and tasks of several families, go to
    a store for each family: FOLDER/FAMILY.

    For example:
        opengato collect babyai/GoToLocal --episodes 500 --out data/go
        opengato collect 'metaworld/door-*' --noise 0 0.1 --only-success
        opengato collect babyai/GoToObj babyai/OpenDoor --policy random
        opengato collect all --episodes 5 --out data/all
        opengato collect all --ray --workers 64
    """

    tasks: Annotated[tuple[str, ...], Positional, arg(metavar="TASK [TASK ...]")]
    """Tasks or patterns of tasks, or `all`; `opengato tasks` lists them."""
    policy: Literal["expert", "random"] = "expert"
    """Who acts."""
    episodes: int = 100
    """Episodes of each task; a larger number adds to what a folder holds."""
    out: Annotated[Path, arg(metavar="FOLDER")] = Path("data/collected")
    """A new store, or one that the same command began."""
    noise: tuple[float, ...] = (0.0,)
    """Each episode draws one of these shares of its actions to disturb; the record keeps what the policy meant."""
    only_success: Flag = False
    """Leave out episodes that fail."""
    min_return: Annotated[float | None, arg(metavar="X", help_behavior_hint="")] = None
    """Leave out episodes whose return is lower."""
    dedupe: Flag = True
    """Keep episodes that are told, see and do the same as one before."""
    seed: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: 1000000)")] = None
    """Episode i of each task has seed N + i. Seeds below a million are for evaluation."""
    workers: Workers = None
    """Processes; the episodes do not depend on it."""
    time_limit: Annotated[float, arg(metavar="SECONDS")] = 900.0
    """An episode that takes longer is lost; the summary names it."""
    ray: Flag = False
    """Use the machines of the Ray cluster that this one belongs to (RAY_ADDRESS), or a new one of this machine."""
    json: Flag = False
    """Print what was collected as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """Import a corpus into FOLDER/NAME, or episodes of another format into a store; without a name, list them.

    For example:
        opengato import
        opengato import austen --out data
        opengato import minari:D4RL/door/human-v2
        opengato import lerobot:downloads/pick --task mine/pick
        opengato import folder:pictures --task caption/mine
    """

    name: Annotated[str | None, Positional, arg(metavar="NAME|FORMAT:PLACE", help_behavior_hint="")] = None
    """A corpus; or a format and a folder, or what else it takes."""
    out: Annotated[Path, arg(metavar="FOLDER")] = Path("data")
    """Where its folder goes: a store; of a corpus, one of `train` and one of `test` episodes."""
    task: Annotated[str | None, arg(metavar="FAMILY/NAME", help_behavior_hint="(default: of its own name)")] = None
    """For a format: the task that the episodes are of."""
    instruction: Annotated[str | None, arg(metavar="TEXT", help_behavior_hint="(default: what the data say)")] = None
    """For a format: the instruction of all episodes."""
    list: Flag = False
    """List the corpora, with their licences, and the formats."""
    allow_other_version: Flag = False
    """Take another version of a corpus's package than the tested one."""
    json: Flag = False
    """Print as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """Write a store in another format: `minari`, `lerobot` (version 3), `hf` (parquet), or documents as a `folder`.

    For example:
        opengato export data/mine --to lerobot --out out/mine --fps 30 --video
        opengato export data/go --to minari --out out/minari --task babyai/GoToLocal
    """

    folder: Store
    """A store."""
    to: Annotated[str, arg(metavar="FORMAT")]
    """Which format."""
    out: Annotated[Path, arg(metavar="FOLDER")]
    """A new folder."""
    task: Annotated[str | None, arg(metavar="TASK", help_behavior_hint="(default: all)")] = None
    """Only the episodes of one task."""
    fps: int = 10
    """Steps a second, for formats that keep time."""
    video: Flag = False
    """For `lerobot`: pictures as videos, which are small and lose a little; else PNG files, which are exact."""
    json: Flag = False
    """Print as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataValidate:
    """Check a store: the checksum of each file, each episode, all counts. Exit code 1 if something is wrong.

    For example:
        opengato data validate data/austen/train
        opengato data validate data
    """

    folder: Store
    """A store, or a folder with stores in it."""
    json: Flag = False
    """Print as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataShow:
    """Show one episode of a store: its facts and its first steps; its tokens; its pictures.

    For example:
        opengato data show data/tiny/babyai 7
        opengato data show data/tiny/babyai 7 --tokens --recipe tiny-tokens
        opengato data show data/mine 0 --render out/first.mp4 --env mine.py
    """

    folder: Store
    """A store."""
    index: Annotated[int, Positional, arg(metavar="N")] = 0
    """Which episode; -1 is the last."""
    tokens: Flag = False
    """Print it position by position, as an agent reads it, each with its value decoded."""
    recipe: Annotated[str | None, arg(metavar="RECIPE", help_behavior_hint="(default: the store's)")] = None
    """For --tokens: whose layout."""
    render: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Write its pictures (.mp4, .webp, .gif); where it has none, it is played again in its environment."""
    size: int = 256
    """For --render: width of the picture in pixels."""
    json: Flag = False
    """Print its facts and specs as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataStats:
    """Count a store: per task its episodes, steps, mean length and return, success; where the data come from.

    For example:
        opengato data stats data/tiny/babyai
    """

    folder: Store
    """A store."""
    json: Flag = False
    """Print as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspect:
    """Show what a network is trained on, position by position.

    Of a recipe, one group of its mixture; of a store, some of its episodes in the layout of a recipe. `*` marks the
    positions that are predicted.

    For example:
        opengato inspect tiny --group 3 --row 0
        opengato inspect data/tiny/babyai --json
    """

    what: Annotated[str, Positional, arg(metavar="RECIPE|FOLDER")]
    """A recipe whose data are there, or a store."""
    group: int = 0
    """Which group of rows; training takes them in order."""
    row: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Only one row of the group."""
    recipe: str = "tiny"
    """For a store: whose layout."""
    data: Annotated[Path, arg(metavar="FOLDER")] = Path("data")
    """For a recipe: where its data are."""
    json: Flag = False
    """Print a line of JSON for each position."""
