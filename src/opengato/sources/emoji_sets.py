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
CATEGORIES = {
    "Activities": "activities",
    "Animals & Nature": "animals and nature",
    "Flags": "flags",
    "Food & Drink": "food and drink",
    "Objects": "objects",
    "People & Body": "people and body",
    "Smileys & Emotion": "smileys and emotion",
    "Symbols": "symbols",
    "Travel & Places": "travel and places",
}
WHICH = pictures.which(CATEGORIES.values())
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
    """One drawing per emoji (no skin-tone variants): its name in English and in Chinese, and its category.

    The first package of the card holds the drawings, at `img/VENDOR/64`.
    """

    vendor: str

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        listed = list(catalogue(roots[self.card.packages[0].name], roots[NAMES.name], self.vendor, self.card.name))
        chinese = _labels(roots[NAMES.name], "zh", self.card.name)
        entries = {path: entry for path, entry, _ in listed}
        for path, picture in pictures.distinct((path, name) for path, _, name in listed):
            entry = entries[path]
            category, in_chinese = entry["category"], _look_up(chinese, entry)
            written = [
                (f"caption/{self.card.name}", picture.caption, pictures.INSTRUCTION),
                (f"caption/{self.card.name}-zh", in_chinese, pictures.instruction_in("zh")),
                (f"label/{self.card.name}", CATEGORIES.get(category), WHICH),
            ]
            for task, text, instruction in written:
                if text:
                    episode = document(
                        task,
                        text,
                        image=picture.png,
                        instruction=instruction,
                        source=self.card.name,
                        item=path.stem,
                        concept=picture.concept,
                        category=category,
                        caption_zh=in_chinese,
                    )
                    yield sources.split_of(picture.concept), episode


def catalogue(drawings: Path, names: Path, vendor: str, source: str) -> Iterator[tuple[Path, dict[str, Any], str]]:
    """(file, entry of the package's list, English name) of every emoji that is drawn and has a short name, sorted."""
    labels = _labels(names, "en", source)
    folder = drawings / "img" / vendor / "64"
    listing = sources.require(drawings / "emoji.json", source)
    for entry in sorted(json.loads(listing.read_text(encoding="utf-8")), key=lambda entry: entry["image"]):
        name, path = _look_up(labels, entry), folder / entry["image"]
        if name and len(name) <= pictures.LONGEST_CAPTION and path.exists() and path.stem not in BORROWED_FLAGS:
            yield path, entry, name.lower().translate(QUOTES)


def _labels(root: Path, language: str, source: str) -> dict[str, str]:
    path = sources.require(root / language / "data.json", source)
    return {entry["hexcode"]: entry["label"] for entry in json.loads(path.read_text(encoding="utf-8"))}


def _look_up(labels: Mapping[str, str], entry: Mapping[str, Any]) -> str | None:
    """The label of an emoji; the two packages disagree on where a code carries the variation selector FE0F."""
    unified = entry["unified"]
    codes = (unified, entry.get("non_qualified") or unified, unified.replace("-FE0F", ""))
    return next((labels[code] for code in codes if code in labels), None)
