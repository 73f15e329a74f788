"""Films of a thing that moves and is heard: stamps of Tux Paint with their sounds, over photographs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.core.film import write_film
from opengato.core.picture import opened
from opengato.core.sound import flac, read_sound
from opengato.sources import pictures
from opengato.sources.moving import cut_out, draw, placed
from opengato.sources.photographs import PHOTOGRAPHS, photographs
from opengato.sources.tuxpaint_stamps import LICENCE, STAMPS, Stamp, stamps

SIDE, FRAMES, FPS, RATE = 64, 8, 4, 16_000
LARGEST = 34  # pixels of a cut-out
WAYS = {"to the right": (1, 0), "to the left": (-1, 0), "down": (0, 1), "up": (0, -1)}
THING = re.compile(r"(?:an?|the|two|some) [^.!?;]+", re.IGNORECASE)
TAKES = 2  # films of a stamp that moves one way


class Source(sources.Source):
    """`caption/composed`: "a cow, moving to the left", with its sound."""

    card = sources.SourceCard(
        name="composed",
        title="Stamps that move and are heard",
        what="films of two seconds, 8 frames of 64x64, in which a stamp of Tux Paint moves one of four ways over a "
        "photograph, with the sound that the package has of it (animals, instruments, tools), and its caption; 688 "
        "films of 86 stamps to learn from, 32 of four others held out: to see that a model looks and listens, not how "
        "well in general",
        tasks=("caption/composed",),
        licence=f"{LICENCE}; photographs GPL-2+ (MATE)",
        split="by what moves (`pictures.concept`) and by photograph, about 8 % test",
        packages=(STAMPS, PHOTOGRAPHS),
        synthetic=True,
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        heard = [stamp for stamp in stamps(roots[STAMPS.name], "composed") if stamp.sound is not None]
        grounds = photographs(roots[PHOTOGRAPHS.name], "composed", shorter=SIDE)
        for index, stamp in enumerate(stamp for stamp in heard if stamp.picture.suffix == ".png"):
            caption, cutout, sound = caption_of(stamp), cut_out(opened(stamp.picture), LARGEST), _two_seconds(stamp)
            if caption is None or cutout is None or sound is None:
                continue
            concept = pictures.concept(caption)
            split = sources.split_of(concept)
            for take in range(TAKES):
                generator = np.random.default_rng((index, take))
                ground = grounds[split][int(generator.integers(len(grounds[split])))]
                for way in WAYS:
                    yield (
                        split,
                        document(
                            "caption/composed",
                            f"{caption}, moving {way}",
                            video=write_film(film(ground, cutout, way, generator), FPS),
                            audio=sound,
                            instruction=pictures.FILM_INSTRUCTION,
                            source="composed",
                            item=stamp.item,
                            concept=concept,
                        ),
                    )


def film(ground: np.ndarray, cutout: np.ndarray, way: str, generator: np.random.Generator) -> np.ndarray:
    """Frames (FRAMES, SIDE, SIDE, 3) of a cut-out that crosses the middle of a still ground."""
    direction = np.array(WAYS[way], np.float64)
    middle = (SIDE - 1) / 2
    reach, aside = generator.uniform(10, 16), generator.uniform(-8, 8)
    still = placed(middle + generator.uniform(-8, 8), middle)
    frames = []
    for along in np.linspace(-reach, reach, FRAMES):
        x, y = middle + along * direction + aside * direction[::-1]
        frames.append(draw(ground, [cutout], [still, placed(x, y)], (SIDE, SIDE))[0])
    return np.stack(frames)


def caption_of(stamp: Stamp) -> str | None:
    """The English caption without its full stop, begun in lower case; None where it names nothing ("a ...")."""
    caption = stamp.captions["en"].strip().rstrip(".!")
    if not THING.fullmatch(caption) or len(caption) > pictures.LONGEST_CAPTION:
        return None
    return caption[0].lower() + caption[1:]


def _two_seconds(stamp: Stamp) -> bytes | None:
    """The beginning of the stamp's sound, or all of it and then silence; None where it cannot be read."""
    assert stamp.sound is not None
    try:
        samples = read_sound(stamp.sound.read_bytes(), RATE)
    except ValueError:
        return None
    wanted = RATE * FRAMES // FPS
    return flac(np.pad(samples[:wanted], (0, max(0, wanted - len(samples)))), RATE)
