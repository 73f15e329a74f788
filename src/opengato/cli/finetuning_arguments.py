"""What `opengato finetune`, `opengato few-shot` and `opengato study` take; see `arguments`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from opengato.cli.argument_types import Agent, Flag, Settings, Stores, Workers


@dataclass(frozen=True, kw_only=True, slots=True)
class Finetune:
    """Go on training an agent with episodes of your own; what it leaves is an agent like any other.

    For example:
        opengato finetune tiny --data data/mine
        opengato finetune tiny --data data/mine --mode lora steps=300
        opengato finetune runs/tiny --data data/mine --replay data/tiny/babyai=0.2
        opengato finetune runs/maml-tiny --data data/mine --meta steps=1,5,10
        opengato finetune runs/data2vec-sounds --data data/asterisk/train --spell
    """

    agent: Agent
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    settings: Settings = ()
    """What to change of how it is trained; `--dry-run` lists what there is."""
    data: Annotated[Stores, arg(metavar="STORE[=WEIGHT]", help_behavior_hint="")] = ()
    """A store of new episodes; may be given several times, with weights among one another."""
    replay: Annotated[Stores, arg(metavar="STORE=SHARE", help_behavior_hint="")] = ()
    """A store of old episodes and its share of all that is read, so that what they taught is not forgotten."""
    mode: Literal["full", "head", "lora", "private"] = "full"
    """What is trained: everything, heads, low-rank adapters beside the trunk's matrices, or parts of each new task."""
    meta: Flag = False
    """Adapt to each task of the data by 1, 5 and 10 steps of plain gradient descent, as after meta-training."""
    spell: Flag = False
    """Teach it to spell what is said in recordings, letter by letter (CTC): a new head behind the trunk."""
    out: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/AGENT-MODE)")] = None
    """Where checkpoints, the log and the agent go; with --spell by default runs/AGENT-spell."""
    dry_run: Flag = False
    """Only print every setting."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FewShot:
    """Measure how many episodes of a task that agents have not seen they need to learn it.

    Each start x task x number of episodes x series is fine-tuned and played. The same command goes on where it was
    broken off; finished results are kept.

    For example:
        opengato few-shot small
        opengato few-shot small --show
        opengato few-shot mine.json series=5 --out runs/mine
    """

    study: Annotated[str, Positional, arg(metavar="PRESET|FILE")]
    """`small` or `gato`, or a JSON file like the one that `--show` prints."""
    settings: Settings = ()
    """What to change in it."""
    out: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/few-shot-STUDY)")] = None
    """Where data, `few_shot.json` and `few_shot.png` go."""
    workers: Workers = None
    """Processes that collect episodes."""
    show: Flag = False
    """Only print the study as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyOf:
    """Train several ways with several seeds, measure all on the same tasks: a table and a picture.

    The same command goes on where it was broken off; finished results are kept.

    For example:
        opengato study encodings
        opengato study scaling --jobs 2
        opengato study fusion
    """

    study: Annotated[str, Positional, arg(metavar="STUDY")]
    """`encodings`: tokens or vectors; `scaling`: three sizes, four lengths; `fusion`: an encoder a sense, or none."""
    out: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/STUDY)")] = None
    """Where the runs, `study.json` and `study.png` go."""
    data: Annotated[Path, arg(metavar="FOLDER")] = Path("data")
    """Where the episodes are collected."""
    jobs: Annotated[int, arg(metavar="N")] = 1
    """Trainings at once, each on its share of the cores: for small networks quicker than one after another."""
    workers: Workers = None
    """Processes that collect episodes."""
