"""Held-out pairs of something seen or heard and what was written about it, for retrieval and drawing."""

from __future__ import annotations

from pathlib import Path

from opengato.core.episode import MEDIA, Episode
from opengato.evaluators.heldout import held_out_pictures, held_out_tasks
from opengato.evaluators.imported import held_out_episodes


def held_out_pairs(task_id: str, data: Path, limit: int | None = None) -> list[Episode]:
    """The held-out pairs of a task, `limit` at most: of the shipped sample where it has some, else of the corpus."""
    if task_id in held_out_tasks(task_id.partition("/")[0]):
        pictures = held_out_pictures(task_id)[:limit]
        return [picture.episode(task_id, picture.caption) for picture in pictures]
    return held_out_episodes(task_id, data)[:limit]


def shown(episode: Episode) -> list[bytes]:
    """The pictures, sounds and films of a pair, in the order of their names."""
    specs = episode.observation_specs
    return [episode.observations[name][0] for name in sorted(specs) if specs[name].kind in MEDIA]


def written(episode: Episode) -> str:
    """The text of a pair."""
    (text,) = (values[0] for name, values in episode.actions.items() if episode.action_specs[name].kind == "text")
    return str(text)
