"""The contract of an outside format of episodes, and what formats share.

A format is a folder here whose `__init__.py` exports a class `Format`; `opengato import NAME:PLACE` and `opengato
export` find it by its name. What a format has no words for (specs, instruction, provenance) is written beside it as
JSON under the key `opengato`, so that what was exported comes back as it was; what others wrote is read without it.
Letters: S steps, H height, W width, C channels.
"""

from __future__ import annotations

import dataclasses
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from opengato.core.episode import ArraySpec, Episode, objects
from opengato.core.picture import decoded
from opengato.sources import Split

OURS = "opengato"  # the key of what other programs need not know


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """What imported episodes are called; None takes what the data say, or a name made of theirs."""

    task: str | None = None
    instruction: str | None = None

    def __post_init__(self) -> None:
        if self.task is not None and not re.fullmatch(r"[^/\s]+/[^/\s]+", self.task):
            raise ValueError(f"received the task {self.task!r}, expected `family/name`, such as 'mine/pick'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How to write: pictures as `video`, which loses a little, or one by one, exact; `fps` steps are a second."""

    video: bool = False
    fps: int = 10

    def __post_init__(self) -> None:
        if self.fps < 1:
            raise ValueError(f"received fps={self.fps}, expected at least 1 step a second")


class Format(ABC):
    """Episodes as another project keeps them. Stateless, no constructor arguments."""

    title: str
    """What it is, in a few words."""
    documents_only = False
    """Whether it can hold only documents: one step that writes a text, having seen one thing or none."""

    @abstractmethod
    def about(self, place: str) -> dict[str, Any]:
        """What the data at `place` say of themselves: licence, origin, environment."""

    @abstractmethod
    def read(self, place: str, labels: Labels) -> Iterator[Episode]:
        """The episodes at `place`, in order; ValueError for what is not there or is of another version."""

    def split(self, episode: Episode) -> Split | None:
        """The part that an episode belongs to, where a format tells those for training from those held out."""
        return None

    @abstractmethod
    def write(self, episodes: Iterable[Episode], folder: Path, options: Options) -> None:
        """Write episodes into the new `folder`; ValueError for those that the format cannot hold."""


def facts(episode: Episode) -> dict[str, Any]:
    """What is to be remembered of an episode besides its arrays."""
    names = ("task", "instruction", "terminated", "truncated", "success", "provenance")
    return {name: getattr(episode, name) for name in names}


def relabelled(episode: Episode, labels: Labels) -> Episode:
    """The episode under the names that were asked for."""
    asked = {name: value for name, value in dataclasses.asdict(labels).items() if value is not None}
    return dataclasses.replace(episode, **asked)


def of_one_kind(episodes: Iterable[Episode]) -> Iterator[Episode]:
    """The episodes; ValueError at the first whose fields differ from the others'."""
    first: Episode | None = None
    for episode in episodes:
        first = first or episode
        if (episode.observation_specs, episode.action_specs) != (first.observation_specs, first.action_specs):
            raise ValueError(
                f"episodes of {first.task!r} and of {episode.task!r} hold other fields, and this format keeps one "
                "kind; export one task at a time: --task FAMILY/NAME"
            )
        yield episode


def place_name(place: str) -> str:
    """A name made of the end of a path or an id: `D4RL/door/human-v2` is `door-human-v2`."""
    parts = [re.sub(r"[^\w.-]+", "-", part) for part in Path(place).parts if part not in ("/", ".", "..")]
    return "-".join(parts[-2:] if not Path(place).exists() else parts[-1:]) or "data"


def words(name: str) -> str:
    """A name as words, for an instruction where the data have none: `door-human-v2` is "door human"."""
    return " ".join(re.sub(r"-v\d+$", "", name).replace("_", " ").replace("-", " ").split())


def pixels(values: Any, spec: ArraySpec) -> np.ndarray:
    """Pictures of an episode as (S, H, W, 3), encoded ones decoded; ValueError if their sizes differ."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    arrays = [np.asarray(decoded(value)) for value in values]
    if len({array.shape for array in arrays}) > 1:
        raise ValueError(f"{spec.name!r} holds pictures of several sizes, and this format keeps one size")
    return np.stack(arrays)


def png(array: np.ndarray) -> bytes:
    """Pixels (H, W, 3) as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def stacked(values: Any, spec: ArraySpec) -> np.ndarray:
    """A field of an episode, as it was read, with the dtype and shape of its spec."""
    if spec.kind == "text":
        return objects([str(value) for value in values])
    if spec.kind == "image":
        return np.asarray(values) if not isinstance(values[0], bytes) else objects(list(values))
    return np.asarray(values).astype(spec.dtype).reshape(len(values), *spec.shape)


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by key as a tree: `{"arm/joints": x}` is `{"arm": {"joints": x}}`."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split("/")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def widened(low: np.ndarray, high: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Bounds of the numbers of an action whose least and largest values were seen; what never moved gets some room."""
    still = np.where(high > low, 0.0, 0.5)
    return tuple((low - still).ravel().tolist()), tuple((high + still).ravel().tolist())
