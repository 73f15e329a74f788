"""Tux Paint's stamps, photographs and drawings, with captions in nine languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources import pictures
from opengato.sources.tuxpaint_stamps import LICENCE, STAMPS, Stamp, picture_of, stamps

CODES = {"zh": "zh_CN"}
"""Where the package calls a language otherwise."""
CATEGORIES = (
    "animals",
    "clothes",
    "food",
    "hobbies",
    "household",
    "people",
    "plants",
    "seasonal",
    "space",
    "sports",
    "town",
    "vehicles",
)
WHICH = pictures.which(CATEGORIES)


class Source(sources.Source):
    """`caption/tuxpaint` in English, `caption/tuxpaint-fr` and so on; `label/tuxpaint` is the folder of a stamp."""

    card = sources.SourceCard(
        name="tuxpaint",
        title="Tux Paint's stamps with captions in nine languages",
        what="665 photographs and drawings of things, 64x64 on white, with human captions in English, "
        f"{', '.join(pictures.LANGUAGES.values())}, and twelve categories; symbols, captions of more than 60 letters "
        "and near-duplicates left out",
        tasks=(
            "caption/tuxpaint",
            *(f"caption/tuxpaint-{language}" for language in pictures.LANGUAGES),
            "label/tuxpaint",
        ),
        licence=LICENCE,
        split="by concept of the English caption (`pictures.concept`), about 8 % test",
        packages=(STAMPS,),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        duplicates = pictures.Duplicates()
        for stamp in stamps(roots[STAMPS.name], self.card.name):
            caption = plain(stamp.captions["en"])
            if len(caption) > pictures.LONGEST_CAPTION:
                continue
            made = _drawn(stamp)
            if made is None or duplicates.seen(made[1]):
                continue
            concept = pictures.concept(caption)
            for task, text, instruction in self._written(stamp):
                episode = document(
                    task,
                    text,
                    image=made[0],
                    instruction=instruction,
                    source=self.card.name,
                    item=stamp.item,
                    concept=concept,
                    category=stamp.category,
                )
                yield sources.split_of(concept), episode

    def _written(self, stamp: Stamp) -> Iterator[tuple[str, str, str]]:
        """(task, text, instruction) of all that can be said about a stamp."""
        yield "caption/tuxpaint", plain(stamp.captions["en"]), pictures.INSTRUCTION
        for language in pictures.LANGUAGES:
            caption = plain(stamp.captions.get(CODES.get(language, language), ""))
            if 0 < len(caption) <= pictures.LONGEST_CAPTION:
                yield f"caption/tuxpaint-{language}", caption, pictures.instruction_in(language)
        if stamp.category in CATEGORIES:
            yield "label/tuxpaint", stamp.category, WHICH


def _drawn(stamp: Stamp) -> tuple[bytes, np.ndarray] | None:
    try:
        return pictures.square_png(picture_of(stamp))
    except ValueError:  # an SVG without a size
        return None


def plain(caption: str) -> str:
    """A caption without the full stop that only some of its translators wrote."""
    return caption.rstrip(" .。｡")
