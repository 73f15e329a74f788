"""Pictures of a recorded episode: those it holds, or those of its environment when its actions are played again.

Letters: H height, W width of a frame (H, W, 3) uint8.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from opengato.core.episode import Episode
from opengato.core.serialize import observation_order
from opengato.envs import family_of, find_task, make
from opengato.evaluators.video import FASTEST, SECONDS, SLOWEST, outcome, with_strip, write_video
from opengato.sources.format import pixels


def render(episode: Episode, path: Path | str, size: int = 256) -> Path:
    """Write an episode as a video, `size` pixels wide; ValueError says why it cannot be drawn."""
    shown = pictures(episode, size) or replayed(episode, size)
    fps = min(FASTEST, max(SLOWEST, round(len(shown) / SECONDS)))
    return write_video(path, with_strip(shown, episode.instruction, outcome(episode)), fps)


def pictures(episode: Episode, size: int) -> list[np.ndarray]:
    """What the episode itself holds of pictures, several side by side; none if it holds none."""
    kinds = {key: spec for key, spec in episode.observation_specs.items() if spec.kind == "image"}
    keys = [key for key in observation_order(episode.observation_specs) if key in kinds]
    stacks = [pixels(episode.observations[key], kinds[key]) for key in keys]
    width = size // max(1, len(stacks))
    rows = [[_scaled(stack[step], width) for stack in stacks] for step in range(episode.num_steps if stacks else 0)]
    height = max((frame.shape[0] for row in rows for frame in row), default=0)
    return [np.concatenate([np.pad(f, ((0, height - f.shape[0]), (0, 0), (0, 0))) for f in row], 1) for row in rows]


def replayed(episode: Episode, size: int) -> list[np.ndarray]:
    """Frames of the environment while it is played again, from the same seed with the same actions.

    ValueError where the record does not say enough, or the environment takes another way than it did then.
    """
    why = "the episode holds no pictures, and it cannot be played again: "
    try:
        task = find_task(episode.task)
    except ValueError as error:
        raise ValueError(f"{why}{error}; name the module that registers its task with --env") from error
    told = episode.provenance
    seed = told.get("seed")
    if not isinstance(seed, int):
        raise ValueError(f"{why}its record names no seed")
    if told.get("noise") or not told.get("executed_as_meant", True):
        raise ValueError(f"{why}its record keeps the actions that were meant, and others were executed")
    if (task.observation_specs, task.action_specs) != (episode.observation_specs, episode.action_specs):
        raise ValueError(f"{why}the task {task.id!r} has other fields than the record")
    family, env = family_of(task.id), make(task.id, render_size=size)
    try:
        raw, _ = env.reset(seed=seed)
        frames: list[Any] = []
        for step in range(episode.num_steps):
            seen = family.observation(raw)
            if any(not np.array_equal(seen[key], episode.observations[key][step]) for key in seen):
                raise ValueError(f"{why}the environment went another way at step {step}; it, or its versions, changed")
            frames.append(env.render())
            raw, *_ = env.step(family.action({key: values[step] for key, values in episode.actions.items()}))
        return [np.asarray(frame) for frame in [*frames, env.render()]]
    finally:
        env.close()


def _scaled(frame: np.ndarray, width: int) -> np.ndarray:
    height = max(1, round(frame.shape[0] * width / frame.shape[1]))
    larger = width >= frame.shape[1]
    how = Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(frame).resize((width, height), how))
