"""Changes to what is observed that leave the answer as it is, drawn anew each time: more from few recordings.

Letters: H height, W width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from opengato.core.episode import Episode, is_absent, objects
from opengato.core.picture import as_rgb, decoded
from opengato.data.sounds import varied


@dataclass(frozen=True, kw_only=True, slots=True)
class Augment:
    """How far things may change; nothing by default.

    Pictures are turned by up to `turn` degrees, shrunk or enlarged by up to a share `zoom`, moved by up to a share
    `shift` of their sides, and mirrored with probability `mirror`; what comes in has the colour of their first pixel.
    Of a text that is observed each word is left out with probability `words`, but never all of them. A sound is made
    another with probability `sounds` (`data/sounds.py`).
    """

    turn: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    mirror: float = 0.0
    words: float = 0.0
    sounds: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.turn <= 180:
            raise ValueError(f"`turn` is {self.turn}, expected 0 to 180 degrees")
        for name in ("zoom", "shift", "words"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}, expected a share from 0 up to 1, without 1")
        for name in ("mirror", "sounds"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}, expected a probability from 0 to 1")

    @property
    def moves(self) -> bool:
        """Whether pictures are changed."""
        return any((self.turn, self.zoom, self.shift, self.mirror))


def augmented(episode: Episode, augment: Augment, generator: np.random.Generator) -> Episode:
    """The episode with other pictures, texts and sounds to be observed; each is drawn by itself.

    The generator is asked for no more than is needed: what changes nothing draws nothing.
    """
    observations = dict(episode.observations)
    for name, spec in episode.observation_specs.items():
        if spec.kind == "image" and augment.moves:
            observations[name] = objects([_moved(value, augment, generator) for value in observations[name]])
        elif spec.kind == "text" and augment.words:
            observations[name] = objects([_thinned(value, augment.words, generator) for value in observations[name]])
        elif spec.kind == "audio" and augment.sounds:
            observations[name] = objects([_reheard(value, augment.sounds, generator) for value in observations[name]])
    return replace(episode, observations=observations)


def _moved(value: Any, augment: Augment, generator: np.random.Generator) -> Any:
    """A picture as (H, W, 3) uint8, of its own size."""
    if is_absent(value):
        return value
    picture = decoded(value) if isinstance(value, bytes) else as_rgb(Image.fromarray(value))
    width, height = picture.size
    angle = math.radians(generator.uniform(-augment.turn, augment.turn))
    scale = 1 + generator.uniform(-augment.zoom, augment.zoom)
    right, down = generator.uniform(-augment.shift, augment.shift, 2) * (width, height)
    flip = -1 if generator.random() < augment.mirror else 1
    # Pillow asks where each pixel comes from: back from its place to the middle, turned and scaled the other way.
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    rows = ((flip * cos, flip * sin), (-sin, cos))
    middle, moved = (width / 2, height / 2), (width / 2 + right, height / 2 + down)
    matrix = [(*row, origin - row[0] * moved[0] - row[1] * moved[1]) for row, origin in zip(rows, middle, strict=True)]
    changed = picture.transform(
        picture.size,
        Image.Transform.AFFINE,
        (*matrix[0], *matrix[1]),
        Image.Resampling.BILINEAR,
        fillcolor=picture.getpixel((0, 0)),
    )
    return np.asarray(changed)


def _reheard(sound: bytes, probability: float, generator: np.random.Generator) -> bytes:
    """A sound as it is or, by lot, another version of it."""
    return sound if is_absent(sound) or generator.random() >= probability else varied(sound, generator)


def _thinned(text: str, share: float, generator: np.random.Generator) -> str:
    """A text without a share of its words; a text without spaces loses characters."""
    joint = " " if " " in text.strip() else ""
    words = text.split() if joint else list(text)
    kept = generator.random(len(words)) >= share
    return joint.join(word for word, keep in zip(words, kept, strict=True) if keep) if kept.any() else text
