"""Other ways to learn from a captioned picture and its like.

To draw what is told, to read what was written, to look at it without a word, to say whether the two belong together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from opengato.core.episode import MEDIA_SPECS, ArraySpec, Episode, objects
from opengato.core.serialize import PART

View = Literal["recorded", "drawn", "composed", "read", "seen", "shown", "matched", "followed", "gapped"]
DRAW = "draw"
"""The family of tasks in which pictures are drawn."""
RETRIEVE = "retrieve"
"""The family of tasks in which one half of a pair finds the other."""
MATCH = "match"
"""The family of tasks in which one says whether two things belong together."""
PROBE = "probe"
"""The family of tasks in which a linear layer names what an agent makes of the items of a task."""
PICTURE = MEDIA_SPECS["image"]
TOGETHER = "do they belong together?"
NEXT = "does the second text follow the first?"
GAPS = "fill in the gaps"
YES, NO = "yes", "no"
ANSWER = ArraySpec(name="answer", kind="text", dtype="str")
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


def as_seen(episode: Episode) -> Episode:
    """What was observed, without a word of what it is; ValueError where nothing was."""
    if not episode.observation_specs:
        raise ValueError(f"an episode of {episode.task!r} observes nothing; expected one that is more than text")
    return replace(episode, instruction="", action_specs={}, actions={})


def as_shown(episode: Episode) -> Episode:
    """What was observed and what was written about it, as one observation; ValueError where there is no pair."""
    written = as_read(episode)
    return replace(
        as_seen(episode),
        observation_specs={**episode.observation_specs, **written.observation_specs},
        observations={**episode.observations, **written.observations},
    )


def as_matched(episode: Episode, other: Episode) -> Episode:
    """Whether what was written in `other` belongs to what was observed in an episode: "yes" if it says the same."""
    own, theirs = (as_shown(each) for each in (episode, other))
    names = list(as_read(episode).observations)
    if any(name not in theirs.observations for name in names):
        raise ValueError(f"episodes of {episode.task!r} and {other.task!r} write other fields: they make no question")
    same = all(own.observations[name][0] == theirs.observations[name][0] for name in names)
    return replace(
        own,
        task=task_on(MATCH, episode.task),
        instruction=TOGETHER,
        observations={**own.observations, **{name: theirs.observations[name] for name in names}},
        action_specs={ANSWER.name: ANSWER},
        actions={ANSWER.name: objects([YES if same else NO])},
    )


def as_followed(episode: Episode, first: str, second: str, *, follows: bool) -> Episode:
    """Whether a piece of a text is what comes after another [Devlin et al. 2018, arXiv:1810.04805, sec. 3.1]."""
    return _asked(episode, NEXT, [first, second], YES if follows else NO)


def as_gapped(episode: Episode, left: str, gaps: str) -> Episode:
    """What is left of a piece of a text; its gaps are to be written [Raffel et al. 2019, arXiv:1910.10683]."""
    return _asked(episode, GAPS, [left], gaps)


def _asked(episode: Episode, question: str, texts: list[str], answer: str) -> Episode:
    """A question about texts that are read one after the other."""
    parts = {f"{PART}{number:06d}": text for number, text in enumerate(texts)}
    return replace(
        episode,
        instruction=question,
        observation_specs={name: ArraySpec(name="text", kind="text", dtype="str") for name in parts},
        observations={name: objects([text]) for name, text in parts.items()},
        action_specs={ANSWER.name: ANSWER},
        actions={ANSWER.name: objects([answer])},
    )


VIEWS: dict[View, Callable[[Episode], Episode]] = {
    "recorded": lambda episode: episode,
    "drawn": as_drawn,
    "composed": as_composed,
    "read": as_read,
    "seen": as_seen,
    "shown": as_shown,
    "matched": lambda episode: as_matched(episode, episode),
    "followed": lambda episode: as_followed(episode, "", "", follows=True),
    "gapped": lambda episode: as_gapped(episode, "", ""),
}
