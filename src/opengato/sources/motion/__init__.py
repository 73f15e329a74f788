"""Films of one drawing that moves, and the question which way: nothing but the order of the frames tells."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.core.film import write_film
from opengato.sources import pictures
from opengato.sources.emoji_sets import GOOGLE
from opengato.sources.moving import cut_out, draw, placed, soft_ground

SIDE, FRAMES, FPS = 64, 8, 4
LARGEST = 26  # pixels of a drawing at scale 1
CATEGORIES = frozenset(("Activities", "Animals & Nature", "Food & Drink", "Objects", "Travel & Places"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A question with two answers; a film of the first one, shown backwards, is a film of the second."""

    question: str
    answers: tuple[str, str]


KINDS = {
    "side": Kind(question="which way does it move, right or left?", answers=("right", "left")),
    "height": Kind(question="which way does it move, up or down?", answers=("down", "up")),
    "turn": Kind(
        question="which way does it go round, clockwise or counterclockwise?", answers=("clockwise", "counterclockwise")
    ),
    "size": Kind(question="does it come nearer or go farther away?", answers=("nearer", "farther")),
}


class Source(sources.Source):
    """`video/motion-side`, `-height`, `-turn` and `-size`: each film forwards and backwards, so both answers.

    So every frame, and every set of frames without their order, is exactly as frequent with one answer as with the
    other: what does not look at the order is right in half of the cases, whatever it learns.
    """

    pairs: ClassVar[Mapping[sources.Split, int]] = {"train": 500, "test": 50}
    """Films of each question, to be doubled."""
    card = sources.SourceCard(
        name="motion",
        title="Which way a drawing moves",
        what="films of 8 frames of 64x64 in which an emoji moves right or left, up or down, in a circle, nearer or "
        "farther away, over a ground of soft colours; 4,000 to learn from, 400 held out, half of them the other half "
        "backwards",
        tasks=tuple(f"video/motion-{kind}" for kind in KINDS),
        licence="drawings Apache-2.0 (Noto, Google)",
        split="by drawing (`pictures.concept`): those of the held-out films move in no other",
        packages=(GOOGLE,),
        synthetic=True,
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        drawings = list(cutouts(roots[GOOGLE.name]))
        for split, count in self.pairs.items():
            mine = [(name, cutout) for name, cutout in drawings if sources.split_of(pictures.concept(name)) == split]
            if not mine:
                raise ValueError(f"source 'motion': expected drawings for {split}, found none among {len(drawings)}")
            for index in range(count):
                for number, (task, kind) in enumerate(KINDS.items()):
                    generator = np.random.default_rng((split == "test", index, number))
                    name, cutout = mine[int(generator.integers(len(mine)))]
                    frames = film(task, cutout, generator)
                    for answer, shown in zip(kind.answers, (frames, frames[::-1]), strict=True):
                        yield (
                            split,
                            document(
                                f"video/motion-{task}",
                                answer,
                                video=write_film(shown, FPS, lossless=True),
                                instruction=kind.question,
                                source="motion",
                                drawing=name,
                                pair=index,
                            ),
                        )


def cutouts(root: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(name, (H, W, 4)) of the emoji that are things with a shape, in the order of their files."""
    listing = sources.require(root / "emoji.json", "motion")
    for entry in sorted(json.loads(listing.read_text(encoding="utf-8")), key=lambda entry: entry["image"]):
        path = root / "img" / "google" / "64" / entry["image"]
        if entry["category"] in CATEGORIES and path.exists():
            with Image.open(path) as picture:
                cutout = cut_out(picture, LARGEST)
            if cutout is not None:
                yield entry["short_name"].replace("_", " ").replace("-", " "), cutout


def film(kind: str, cutout: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Frames (FRAMES, SIDE, SIDE, 3) of a cut-out that moves as the first answer of a kind says, at a steady pace."""
    ground, middle = soft_ground(generator, SIDE), placed((SIDE - 1) / 2, (SIDE - 1) / 2)
    begin, end = sorted(generator.uniform(13, SIDE - 14, 2))
    if end - begin < 18:  # slower than 2.5 pixels a frame is no motion to be seen
        begin, end = 13.0, SIDE - 14.0
    other, turn = generator.uniform(14, SIDE - 15), generator.uniform(-0.4, 0.4)
    radius, angle = generator.uniform(12, 17), generator.uniform(0, 2 * math.pi)
    frames = []
    for part in np.linspace(0, 1, FRAMES):
        along = begin + (end - begin) * part
        if kind == "side":
            place = placed(along, other, turn=turn)
        elif kind == "height":
            place = placed(other, along, turn=turn)
        elif kind == "turn":
            now = angle + 1.7 * math.pi * part
            place = placed(31.5 + radius * math.cos(now), 31.5 + radius * math.sin(now), turn=turn, scale=0.8)
        else:
            place = placed((begin + end) / 2, other, turn=turn, scale=0.4 * 3.0**part)
        frames.append(draw(ground, [cutout], [middle, place], (SIDE, SIDE))[0])
    return np.stack(frames)
