"""Drawings of emoji by one vendor, as `emoji-datasource-VENDOR` holds them, with their names from `emojibase-data`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources import pictures
from opengato.sources.fetch import Package

# Territories drawn with another country's flag, which keeps that country's name (Bouvet Island: Norway's); and Sark,
# whose file shows Saudi Arabia's flag in this version of the packages.
BORROWED_FLAGS = frozenset(
    (
        "1f1e7-1f1fb 1f1e8-1f1f5 1f1e8-1f1f6 1f1e9-1f1ec 1f1ea-1f1e6 1f1ed-1f1f2 1f1f2-1f1eb 1f1f8-1f1ef 1f1fa-1f1f2"
    ).split()
)
QUOTES = str.maketrans({"’": "'", "“": '"', "”": '"'})
GOOGLE = Package(
    registry="npm",
    name="emoji-datasource-google",
    version="16.0.0",
    sha256="fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    licence="MIT; drawings Apache-2.0",
)
NAMES = Package(
    registry="npm",
    name="emojibase-data",
    version="17.0.0",
    sha256="d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
    licence="MIT",
)


class EmojiSource(sources.Source):
    """One drawing per emoji (no skin-tone variants) and its name; Chinese names in the provenance.

    The first package of the card holds the drawings, at `img/VENDOR/64`.
    """

    vendor: str

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        drawings = roots[self.card.packages[0].name]
        names, chinese = (_labels(roots[NAMES.name], language, self.card.name) for language in ("en", "zh"))
        folder = drawings / "img" / self.vendor / "64"
        listing = sources.require(drawings / "emoji.json", self.card.name)
        entries = {entry["image"]: entry for entry in json.loads(listing.read_text(encoding="utf-8"))}

        def candidates() -> Iterator[tuple[Path, str]]:
            for image, entry in sorted(entries.items()):
                name = _look_up(names, entry)
                path = folder / image
                if name and len(name) <= pictures.LONGEST_CAPTION and path.exists() and path.stem not in BORROWED_FLAGS:
                    yield path, name.lower().translate(QUOTES)

        for path, picture in pictures.distinct(candidates()):
            entry = entries[path.name]
            episode = document(
                self.card.tasks[0],
                picture.caption,
                image=picture.png,
                instruction=pictures.INSTRUCTION,
                source=self.card.name,
                item=path.stem,
                concept=picture.concept,
                category=entry["category"],
                caption_zh=_look_up(chinese, entry),
            )
            yield sources.split_of(picture.concept), episode


def _labels(root: Path, language: str, source: str) -> dict[str, str]:
    path = sources.require(root / language / "data.json", source)
    return {entry["hexcode"]: entry["label"] for entry in json.loads(path.read_text(encoding="utf-8"))}


def _look_up(labels: Mapping[str, str], entry: Mapping[str, Any]) -> str | None:
    """The label of an emoji; the two packages disagree on where a code carries the variation selector FE0F."""
    unified = entry["unified"]
    codes = (unified, entry.get("non_qualified") or unified, unified.replace("-FE0F", ""))
    return next((labels[code] for code in codes if code in labels), None)
