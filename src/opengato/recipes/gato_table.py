"""What Gato was trained on, and what of it stands here: Table 1 as data [Reed et al. 2022, arXiv:2205.06175].

    opengato recipes gato

Gato's episodes and pages are not public. What stands here is made anew: the simulator with an expert at hand, or a
smaller set of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.table import Table

from opengato.core.config import plugins
from opengato.envs import matching

Status = Literal["has", "stand_in", "missing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One data set of Table 1; `weight` in percent, None where nothing is printed.

    `here` names task families (`envs`), or a pattern of their tasks, and corpora (`sources`) of this project: those of
    the row (`has`), or others in their place (`stand_in`).
    """

    name: str
    weight: float
    tasks: int = 1
    episodes: float | None = None
    tokens: float | None = None
    status: Status = "missing"
    here: tuple[str, ...] = ()
    note: str = ""


def _captions(name: str) -> Row:
    return Row(
        name=name,
        weight=0.67,
        status="stand_in",
        here=("openclipart", "emoji", "twemoji"),
        note="drawings of 64 x 64 pixels and their names",
    )


def _suite(name: str, *, tasks: int, episodes: float, tokens: float, weight: float, here: str) -> Row:
    return Row(
        name=name,
        tasks=tasks,
        episodes=episodes,
        tokens=tokens,
        weight=weight,
        status="has",
        here=(here,),
        note="controllers and plans, for some of them",
    )


CONTROL = (
    Row(
        name="DM Lab",
        tasks=254,
        episodes=16.4e6,
        tokens=194e9,
        weight=9.35,
        status="stand_in",
        here=("maze3d",),
        note="mazes of MiniWorld, played by planners that know the map",
    ),
    Row(
        name="ALE Atari",
        tasks=51,
        episodes=63.4e3,
        tokens=1.26e9,
        weight=9.5,
        status="has",
        here=("atari",),
        note="played by plans in the emulator, where they are good; five minutes a game",
    ),
    Row(name="ALE Atari Extended", tasks=28, episodes=28.4e3, tokens=565e6, weight=10.0),
    Row(
        name="Sokoban",
        tasks=1,
        episodes=27.2e3,
        tokens=298e6,
        weight=1.33,
        status="has",
        here=("sokoban",),
        note="shortest solutions",
    ),
    Row(
        name="BabyAI",
        tasks=46,
        episodes=4.61e6,
        tokens=22.8e9,
        weight=9.06,
        status="has",
        here=("babyai",),
        note="played by BabyAI's own bot",
    ),
    _suite("DM Control Suite", tasks=30, episodes=395e3, tokens=22.5e9, weight=4.62, here="dmc/*"),
    _suite("DM Control Suite Pixels", tasks=28, episodes=485e3, tokens=35.5e9, weight=7.07, here="dmc/*-pixels"),
    _suite(
        "DM Control Suite Random Small", tasks=26, episodes=10.6e6, tokens=313e9, weight=3.04, here="dmc/*-random-small"
    ),
    _suite(
        "DM Control Suite Random Large", tasks=26, episodes=26.1e6, tokens=791e9, weight=3.04, here="dmc/*-random-large"
    ),
    Row(
        name="Meta-World",
        tasks=45,
        episodes=94.6e3,
        tokens=3.39e9,
        weight=8.96,
        status="has",
        here=("metaworld",),
        note="played by its scripted policies, not by MPO",
    ),
    Row(
        name="Procgen Benchmark",
        tasks=16,
        episodes=1.6e6,
        tokens=4.46e9,
        weight=5.34,
        status="has",
        here=("procgen",),
        note="played by plans in copies of the level",
    ),
    Row(name="RGB Stacking simulator", tasks=1, episodes=387e3, tokens=24.4e9, weight=1.33),
    Row(name="RGB Stacking real robot", tasks=1, episodes=15.7e3, tokens=980e6, weight=1.33),
    Row(
        name="Modular RL",
        tasks=38,
        episodes=843e3,
        tokens=69.6e9,
        weight=8.23,
        status="stand_in",
        here=("bodies",),
        note="walkers, hoppers and humanoids cut from Gymnasium's bodies",
    ),
    Row(name="DM Manipulation Playground", tasks=4, episodes=286e3, tokens=6.58e9, weight=1.68),
    Row(name="Playroom", tasks=1, episodes=829e3, tokens=118e9, weight=1.33),
)
VISION_AND_LANGUAGE = (
    Row(
        name="MassiveText",
        weight=6.7,
        status="stand_in",
        here=("austen", "shakespeare"),
        note="novels and plays in the public domain",
    ),
    Row(name="M3W", weight=4.0),
    _captions("ALIGN"),
    _captions("MS-COCO Captions"),
    _captions("Conceptual Captions"),
    _captions("LTIP"),
    Row(name="OKVQA", weight=0.67),
    Row(name="VQAv2", weight=0.67),
)
ROWS = CONTROL + VISION_AND_LANGUAGE
PRINTED = {"control": 85.3, "vision and language": 14.7}
"""Sums of weights as the paper prints them; those of the rows differ by their rounding."""


def covered() -> dict[Status, float]:
    """The share of the rows' weight, from 0 to 1, by what this project has of it."""
    shares: dict[Status, float] = {"has": 0.0, "stand_in": 0.0, "missing": 0.0}
    for row in ROWS:
        shares[row.status] += row.weight
    total = sum(shares.values())
    return {status: weight / total for status, weight in shares.items()}


def statement() -> str:
    """The shares of `covered` in a sentence."""
    shares = covered()
    return (
        f"By weight, {shares['has']:.1%} of Gato's data has its tasks here, {shares['stand_in']:.1%} a stand-in, "
        f"{shares['missing']:.1%} is missing."
    )


def table() -> Table:
    """Table 1, with what stands here for each row."""
    made = Table(title="Gato's training data", title_justify="left", caption=statement(), box=box.SIMPLE_HEAD)
    made.add_column("data set", no_wrap=True)
    for name in ("tasks", "episodes", "tokens", "weight"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("here", no_wrap=True)
    made.add_column("which")
    for rows, kind in ((CONTROL, "control"), (VISION_AND_LANGUAGE, "vision and language")):
        for row in rows:
            which = ", ".join(map(_counted, row.here)) + (f": {row.note}" if row.note else "")
            counts = (str(row.tasks), _short(row.episodes), _short(row.tokens), f"{row.weight:.2f}%")
            made.add_row(row.name, *counts, row.status.replace("_", "-"), which)
        made.add_row(
            kind, str(sum(row.tasks for row in rows)), "", "", f"{PRINTED[kind]}%", style="bold", end_section=True
        )
    return made


def _counted(name: str) -> str:
    """A family with the number of its tasks; a corpus as it is."""
    return f"{name} ({len(matching(name))} tasks)" if name.partition("/")[0] in plugins("envs") else name


def _short(count: float | None) -> str:
    """A count as the paper prints it: 63.4K, 1.26B."""
    if count is None:
        return ""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count:g}"
