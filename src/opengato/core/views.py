"""Other ways to learn from a captioned picture and its like: to draw what is told, and to read what was written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from opengato.core.episode import MEDIA_SPECS, Episode
from opengato.core.serialize import PART

View = Literal["recorded", "drawn", "composed", "read"]
DRAW = "draw"
"""The family of tasks in which pictures are drawn."""
RETRIEVE = "retrieve"
"""The family of tasks in which one half of a pair finds the other."""
PICTURE = MEDIA_SPECS["image"]
COMPOSE = "think of something, name it and draw it"
"""What an agent is told whose answer is a caption and its picture."""


def drawing_instruction(caption: str) -> str:
    """What an agent is told that is to draw."""
    return f"draw: {caption}"


def drawing_task(task: str) -> str:
    """`draw/emoji` for `caption/emoji`."""
    return f"{DRAW}/{task.partition('/')[2]}"


def retrieval_task(task: str) -> str:
    """`retrieve/caption-emoji` for `caption/emoji`."""
    return task_on(RETRIEVE, task)


def task_on(family: str, task: str) -> str:
    """The task of a family that asks something else about the items of a task: `anomaly/caption-emoji`."""
    return f"{family}/{task.replace('/', '-', 1)}"


def task_about(task_id: str) -> str:
    """The task whose items are asked about: `caption/emoji` for `anomaly/caption-emoji`."""
    return task_id.partition("/")[2].replace("-", "/", 1)


def is_captioned_picture(episode: Episode) -> bool:
    """Whether an episode shows one picture, once, and writes one text about it."""
    pictures, texts = _pictures_and_texts(episode)
    return episode.num_steps == len(pictures) == len(texts) == 1


def _pictures_and_texts(episode: Episode) -> tuple[list[str], list[str]]:
    pictures = [name for name, spec in episode.observation_specs.items() if spec.kind == "image"]
    return pictures, [name for name, spec in episode.action_specs.items() if spec.kind == "text"]


def as_drawn(episode: Episode) -> Episode:
    """The picture as an action, told its caption; ValueError for an episode that is no captioned picture."""
    pictures, texts = _pictures_and_texts(episode)
    if not is_captioned_picture(episode):
        raise ValueError(
            f"an episode of {episode.task!r} with {episode.num_steps} steps, {len(pictures)} pictures and {len(texts)} "
            "texts cannot be drawn; expected a picture and its caption"
        )
    return replace(
        episode,
        task=drawing_task(episode.task),
        instruction=drawing_instruction(str(episode.actions[texts[0]][0])),
        observation_specs={},
        observations={},
        action_specs={PICTURE.name: PICTURE},
        actions={PICTURE.name: episode.observations[pictures[0]]},
    )


def as_composed(episode: Episode) -> Episode:
    """The caption and its picture as one message; ValueError for an episode that is no captioned picture."""
    drawn = as_drawn(episode)
    [caption] = _pictures_and_texts(episode)[1]
    return replace(
        drawn,
        instruction=COMPOSE,
        action_specs={f"{PART}000000": episode.action_specs[caption], f"{PART}000001": PICTURE},
        actions={f"{PART}000000": episode.actions[caption], f"{PART}000001": drawn.actions[PICTURE.name]},
    )


def as_read(episode: Episode) -> Episode:
    """What was written as an observation by itself; ValueError where nothing was observed or no text was written."""
    written = {name: spec for name, spec in episode.action_specs.items() if spec.kind == "text"}
    if episode.num_steps != 1 or not episode.observation_specs or not written:
        raise ValueError(
            f"an episode of {episode.task!r} with {episode.num_steps} steps, the observation "
            f"{sorted(episode.observation_specs)} and the action {sorted(episode.action_specs)} makes no pair; "
            "expected one step that observes something and writes a text about it"
        )
    return replace(
        episode,
        task=retrieval_task(episode.task),
        instruction="",
        observation_specs=written,
        observations={name: episode.actions[name] for name in written},
        action_specs={},
        actions={},
    )


VIEWS: dict[View, Callable[[Episode], Episode]] = {
    "recorded": lambda episode: episode,
    "drawn": as_drawn,
    "composed": as_composed,
    "read": as_read,
}
