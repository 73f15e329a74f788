"""Pictures, sounds and films as a few numbers, for the simple methods of `benchmarks/_baselines.py`.

Letters: F frames, H height, W width, M mel bands.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from opengato.core.episode import MEDIA, Episode, Kind, is_absent
from opengato.core.film import read_film
from opengato.core.picture import decoded
from opengato.core.sound import read_sound
from opengato.modalities.audio.mel import log_mel

RATE, WINDOW, HOP, MELS = 16_000, 1024, 640, 24
FRAMES, FPS = 8, 4.0
PICTURE, FRAME = 32, 16  # pixels a side


def pixels(episode: Episode) -> np.ndarray:
    """The picture of an episode, 32 x 32, as one vector."""
    return np.asarray(decoded(value_of(episode, "image")).resize((PICTURE, PICTURE)), np.float32).ravel() / 255


def spectrum(episode: Episode) -> np.ndarray:
    """Log-mel spectrum (F, M) of the sound of an episode, 25 frames a second."""
    return log_mel(read_sound(value_of(episode, "audio"), RATE), RATE, WINDOW, HOP, MELS)


def statistics(episode: Episode) -> np.ndarray:
    """Mean, deviation and maximum of the spectrum over time, and how long it is; zeros where there is no sound."""
    if is_absent(value_of(episode, "audio")):
        return np.zeros(3 * MELS + 1)
    spectrum_FM = spectrum(episode)
    return np.concatenate([spectrum_FM.mean(0), spectrum_FM.std(0), spectrum_FM.max(0), [len(spectrum_FM)]])


def frames(episode: Episode) -> np.ndarray:
    """The film of an episode as 8 frames of 16 x 16 pixels (F, H, W, 3), the last one repeated where it is shorter."""
    film = read_film(value_of(episode, "video"), FPS, FRAMES)
    film = np.stack([np.asarray(Image.fromarray(frame).resize((FRAME, FRAME))) for frame in film])
    return np.concatenate([film, np.repeat(film[-1:], FRAMES - len(film), axis=0)]).astype(np.float32) / 255


def path(frames_FHW3: np.ndarray) -> np.ndarray:
    """Where, in each frame, that is which differs from the median of all frames, how wide it is, and how it turns.

    The turn is the area that the path encloses, positive as a clock turns: rows count downwards.
    """
    change_FHW = np.abs(frames_FHW3 - np.median(frames_FHW3, axis=0)).sum(-1)
    weight_FHW = change_FHW / np.maximum(change_FHW.sum((1, 2), keepdims=True), 1e-6)
    row, column = np.indices(change_FHW.shape[1:])
    row_F, column_F = (np.tensordot(weight_FHW, axis, 2) for axis in (row, column))
    square_F = np.tensordot(weight_FHW, row**2 + column**2, 2)
    width_F = np.sqrt(np.maximum(square_F - row_F**2 - column_F**2, 0))
    area = float((column_F[:-1] * row_F[1:] - column_F[1:] * row_F[:-1]).sum())
    return np.concatenate([row_F, column_F, width_F, [area]])


def features(episode: Episode, kinds: Iterable[Kind]) -> np.ndarray:
    """What an episode shows of these kinds as one vector."""
    parts = {"image": pixels, "audio": statistics, "video": lambda one: frames(one).ravel()}
    return np.concatenate([parts[kind](episode) for kind in kinds])


def kinds_of(episodes: Iterable[Episode]) -> list[Kind]:
    """The kinds of pictures, sounds and films that any of the episodes shows."""
    shown = {spec.kind for episode in episodes for spec in episode.observation_specs.values()}
    return [kind for kind in MEDIA if kind in shown]


def value_of(episode: Episode, kind: Kind) -> bytes:
    """The last picture, sound or film of an episode; no bytes where it has none."""
    found = [episode.observations[name][-1] for name, spec in episode.observation_specs.items() if spec.kind == kind]
    return found[-1] if found else b""
