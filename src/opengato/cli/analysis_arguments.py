"""What `opengato analyse ...` takes; see `arguments`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from opengato.cli.argument_types import Agent


@dataclass(frozen=True, kw_only=True, slots=True)
class AnalyseEmbeddings:
    """Draw a map of tasks by an agent's hidden states: t-SNE of the means over a piece of each episode.

    Episodes are the expert's on unseen seeds, held-out pictures with captions, held-out prose. Needs scikit-learn.

    For example:
        opengato analyse embeddings tiny
        opengato analyse embeddings tiny --tasks babyai,caption --episodes 20 --layer 6
    """

    agent: Agent
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    tasks: Annotated[str | None, arg(metavar="TASKS", help_behavior_hint="(default: four of each family)")] = None
    """Separated by commas, as `opengato evaluate` takes them."""
    episodes: int = 100
    """Episodes of each task, or as many as there are."""
    length: int = 128
    """Positions of the piece that is looked at."""
    layer: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: the middle one)")] = None
    """The block after which to look, from 1 on."""
    seed: int = 0
    """Of the episodes, the pieces and the layout."""
    out: Annotated[Path, arg(metavar="FILE")] = Path("out/embeddings.png")
    """The picture (.png, .svg, .pdf); the points go to a .json beside it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnalyseInterference:
    """Draw which tasks help and which hinder one another: cosines of their gradients on the trunk that they share.

    For example:
        opengato analyse interference tiny
        opengato analyse interference runs/tiny --tasks babyai/GoToLocal,metaworld/reach,caption/emoji
    """

    agent: Agent
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    tasks: Annotated[str | None, arg(metavar="TASKS", help_behavior_hint="(default: four of each family)")] = None
    """Separated by commas, as `opengato evaluate` takes them."""
    episodes: int = 16
    """Episodes of each task."""
    seed: int = 0
    """Of the episodes, and of the piece of each that fits a row."""
    out: Annotated[Path, arg(metavar="FILE")] = Path("out/interference.png")
    """The picture (.png, .svg, .pdf); the numbers go to a .json beside it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnalyseAttention:
    """Draw where an agent looks in a picture while it writes about it: a column a token, a row a head.

    For example:
        opengato analyse attention tiny
        opengato analyse attention tiny --picture photo.jpg --layer 3
    """

    agent: Agent
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    picture: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: a held-out one)")] = None
    """A picture (PNG, JPEG, WebP, ...)."""
    task: str = "caption/emoji"
    """Whose held-out pictures and instruction to take."""
    index: int = 0
    """Which of the held-out pictures."""
    layer: int = 1
    """The block to look into, from 1 on."""
    words: int = 6
    """Tokens to follow at most."""
    out: Annotated[Path, arg(metavar="FILE")] = Path("out/attention.png")
    """The picture (.png, .svg, .pdf); the weights go to a .json beside it."""
