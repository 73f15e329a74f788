"""The held-out sample that comes with the package: pictures with human captions, and the beginning of a novel.

`python -m opengato.data.make_heldout` made it from test splits; its licences lie beside it.
"""

from __future__ import annotations

import functools
import importlib.resources
from dataclasses import dataclass
from pathlib import Path

from opengato.core.config import choose
from opengato.core.episode import Episode, document
from opengato.data.store import EpisodeStore

TEXTS = {"text/austen": ("text.txt", "Northanger Abbey")}
"""File and title of the text of each task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A picture as encoded bytes, its human caption, and the instruction under which captions were learnt."""

    png: bytes
    caption: str
    instruction: str

    def episode(self, task_id: str, caption: str) -> Episode:
        """The document in which `caption` is written about this picture."""
        return document(task_id, caption, image=self.png, instruction=self.instruction)


def held_out_folder() -> Path:
    """Where the sample lies."""
    return Path(str(importlib.resources.files("opengato") / "assets" / "heldout"))


def held_out_tasks(family: str) -> list[str]:
    """Tasks of `caption` or `text` that the sample has something of."""
    return sorted(task for task in (*_pictures(), *TEXTS) if task.partition("/")[0] == family)


@functools.cache
def held_out_text(task_id: str) -> str:
    """The held-out text of a task such as `text/austen`."""
    file, _ = TEXTS[choose(task_id, TEXTS, what="held-out text")]
    return (held_out_folder() / file).read_text(encoding="utf-8")


def held_out_pictures(task_id: str) -> list[Picture]:
    """The held-out pictures of a task such as `caption/emoji`, in the order of the sample."""
    return _pictures()[choose(task_id, _pictures(), what="held-out set of pictures")]


@functools.cache
def _pictures() -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = {}
    for episode in EpisodeStore(held_out_folder() / "captions"):
        picture = Picture(
            png=bytes(episode.observations["image"][0]),
            caption=str(episode.actions["caption"][0]),
            instruction=episode.instruction,
        )
        found.setdefault(episode.task, []).append(picture)
    return found
