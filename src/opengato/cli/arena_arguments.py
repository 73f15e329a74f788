"""What `opengato compare` takes; see `arguments`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from opengato.cli.argument_types import Workers


@dataclass(frozen=True, kw_only=True, slots=True)
class Compare:
    """Hold recipes against the first one: equal data, equal computing, equally many learning rates; one page.

    A contestant is a recipe, or `RECIPE:key=value,key=value`, one with settings changed. The same command goes on where
    it was broken off; finished runs are kept, so seeds and contestants may be added.

    For example:
        opengato compare tiny tiny-tokens
        opengato compare tiny tiny:train.agent.backbone.depth=3 --seeds 5 --jobs 2
        opengato compare tiny mine.py --suite mine_suite.py --steps 200
    """

    contestants: Annotated[tuple[str, ...], Positional, arg(metavar="RECIPE[:a.b=c,...] ...")]
    """Two or more; the first is the baseline."""
    suite: Annotated[str, arg(metavar="SUITE|FILE")] = "small"
    """`small` or `full`, or a file that defines `suite() -> Suite`."""
    seeds: Annotated[int, arg(metavar="N")] = 3
    """Measured runs of each contestant."""
    steps: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: the suite's)")] = None
    """Steps of the first contestant; the others get as many as compute the same."""
    flops: Annotated[float | None, arg(metavar="X", help_behavior_hint="(default: those of the first's steps)")] = None
    """Floating-point operations of a run, such as 1e14, in the place of --steps."""
    tries: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: the suite's)")] = None
    """Learning rates that each contestant tries; 1 takes its own."""
    episodes: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: the suite's)")] = None
    """Episodes of each control task that finished agents play."""
    out: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/arena-SUITE)")] = None
    """Where the runs, `arena.json` and `arena.html` go."""
    data: Annotated[Path, arg(metavar="FOLDER")] = Path("data")
    """Where episodes are collected and corpora imported."""
    jobs: Annotated[int, arg(metavar="N")] = 1
    """Trainings at once, each on its share of the cores."""
    workers: Workers = None
    """Processes that collect episodes."""
