"""Videos of episodes: frames to MP4 or animated WebP or GIF, with a strip that says what is asked and how it ended.

Letters: H height, W width of a frame (H, W, 3) uint8.
"""

from __future__ import annotations

import functools
import importlib.util
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from opengato.core.config import choose
from opengato.core.episode import Episode
from opengato.core.film import write_film
from opengato.envs import find_task
from opengato.evaluators.acting import Player, policy_of
from opengato.rollout import TRAIN_SEED, rollout

SUFFIXES = (".mp4", ".webp", ".gif")
SECONDS, SLOWEST, FASTEST = 6.0, 5, 30  # length to aim at, frames per second
HOLD_SECONDS = 1.0
BACKGROUND, FOREGROUND, SOLVED, FAILED = (24, 26, 32), (238, 238, 240), (122, 214, 147), (240, 150, 130)


@dataclass(frozen=True, kw_only=True, slots=True)
class Played:
    """A played episode and its video: `frames` pictures at `fps`, the last ones held."""

    episode: Episode
    path: Path
    frames: int
    fps: int
    size: tuple[int, int]

    @property
    def seed(self) -> int:
        return int(self.episode.provenance["seed"])


def play(player: Player, task_id: str, seed: int, out: Path | str, render_size: int = 256) -> Played:
    """Play the episode of `seed` and write its video to `out` (`.mp4`, `.webp`, or a folder to put it in).

    RuntimeError where the pictures of a simulator cannot be drawn (no OpenGL): scores need none.
    """
    find_task(task_id)
    if not 0 <= seed < TRAIN_SEED:
        raise ValueError(f"received seed {seed}, expected one in [0, {TRAIN_SEED}): others are for training")
    frames: list[np.ndarray] = []
    run = rollout(
        task_id,
        policy_of(player),
        episodes=1,
        seed=seed,
        render_size=render_size,
        on_frame=lambda _, pixels: frames.append(pixels),
    )
    episode = next(run, None)
    run.close()
    if episode is None:
        raise ValueError(f"the policy gave up {task_id!r} with seed {seed}: there is nothing to show; try another seed")
    fps = min(FASTEST, max(SLOWEST, round(len(frames) / SECONDS)))
    shown = with_strip(frames, episode.instruction, outcome(episode))
    shown += shown[-1:] * round(HOLD_SECONDS * fps)
    path = Path(out)
    if path.suffix not in SUFFIXES:
        path = path / f"{task_id.replace('/', '-')}-{seed}{'.mp4' if can_write_mp4() else '.webp'}"
    write_video(path, shown, fps)
    return Played(episode=episode, path=path, frames=len(shown), fps=fps, size=(shown[0].shape[1], shown[0].shape[0]))


def outcome(episode: Episode) -> str:
    """How an episode ended: "solved in 23 steps"."""
    steps = f"{episode.num_steps} step{'s' if episode.num_steps != 1 else ''}"
    if episode.success is None:
        return f"return {episode.episode_return:.3g} in {steps}"
    return f"solved in {steps}" if episode.success else f"not solved in {steps}"


def with_strip(frames: Sequence[np.ndarray], instruction: str, ending: str) -> list[np.ndarray]:
    """Frames with a strip below: the instruction on all, the ending on the last one. Their order and number stay.

    The strip has room for two lines of instruction, or more if needed, so that most videos have the same height.
    """
    width = frames[0].shape[1]
    size = max(11, width // 18)
    font = ImageFont.load_default(size)
    lines = textwrap.wrap(instruction, max(8, int(width / (0.52 * size)))) or [""]
    colour = FAILED if ending.startswith("not") else SOLVED

    @functools.cache
    def strip(last: bool) -> np.ndarray:
        height = (max(len(lines), 2) + 1) * (size + 5) + 8
        picture = Image.new("RGB", (width, height + height % 2), BACKGROUND)
        draw = ImageDraw.Draw(picture)
        for row, line in enumerate(lines):
            draw.text((8, 4 + row * (size + 5)), line, font=font, fill=FOREGROUND)
        if last:
            draw.text((8, height - size - 9), ending, font=font, fill=colour)
        return np.asarray(picture)

    final = len(frames) - 1
    return [np.concatenate([frame, strip(index == final)]) for index, frame in enumerate(frames)]


def can_write_mp4() -> bool:
    """Whether PyAV (extra `video`) is installed."""
    return importlib.util.find_spec("av") is not None


def write_video(path: Path | str, frames: Sequence[np.ndarray], fps: int) -> Path:
    """Write frames (H, W, 3) uint8 as `.mp4` (H.264, playable in every browser), `.webp` or `.gif`; all are kept.

    ValueError for no frames, frames of several shapes or another suffix; ImportError says how to get PyAV.
    """
    path = Path(path)
    choose(path.suffix, SUFFIXES, what="kind of video file")
    kinds = {(frame.shape, str(frame.dtype)) for frame in frames}
    if len(kinds) != 1 or any(shape[2:] != (3,) or dtype != "uint8" for shape, dtype in kinds):
        raise ValueError(f"received frames of {sorted(map(str, kinds)) or 'nothing'}, expected one (H, W, 3) uint8")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mp4":
        path.write_bytes(write_film(frames, fps))
    else:
        _write_animation(path, frames, fps)
    return path


def _write_animation(path: Path, frames: Sequence[np.ndarray], fps: int) -> None:
    # Pillow joins a frame that equals the one before it; a repeated frame therefore becomes a longer one.
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=rest, duration=round(1000 / fps), loop=0, quality=60, method=2)
