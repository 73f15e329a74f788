"""Letters and syllables of nineteen languages, spoken by people for children who learn to read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode
from opengato.sources import speech
from opengato.sources.fetch import Package

FOLDER = Path("usr/share/klettres")
UNWRITTEN = ("ml",)  # Malayalam: its vowels are marks, which transcripts leave out
SOUND = re.compile(r'<sound\s+name="([^"]+)"\s+file="([^"]+)"')


class Source(sources.Source):
    """`speech/klettres`: what letters sound like, one by one; of the test, syllables that nobody says in training."""

    card = sources.SourceCard(
        name="klettres",
        title="Spoken letters and syllables",
        what="1,294 recordings, 22 minutes, of letters, syllables and short words in nineteen languages; half of them "
        "are letters",
        tasks=("speech/klettres",),
        licence="GPL-2.0-or-later",
        split="by what is said: 46 syllables and words are test, the same in all languages; letters are all train; the "
        "speakers are the same in both",
        packages=(
            Package(
                registry="debian",
                name="klettres-data",
                version="4:22.12.3-1",
                sha256="1186d257a19e84230856baea0b0b1ded8be9195080fcdb2588970b5cd937f5a8",
                licence="GPL-2.0-or-later",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        folder = sources.require(roots["klettres-data"] / FOLDER, self.card.name)
        for listing in sorted(path for path in folder.glob("*/sounds.xml") if path.parent.name not in UNWRITTEN):
            told: set[str] = set()
            for said, path in sounds(listing):
                if said in told or not path.exists():
                    continue
                facts = {"source": "klettres", "language": listing.parent.name, "item": path.stem, "concept": said}
                try:
                    episode = speech.spoken("speech/klettres", said, path, **facts)
                except ValueError:  # nothing to be heard, or nothing that FFmpeg can decode
                    continue
                told.add(said)
                yield "train" if len(said) == 1 else sources.split_of(said), episode


def sounds(listing: Path) -> list[tuple[str, Path]]:
    """(what is said, file) in the order of a language's list."""
    found = SOUND.findall(listing.read_text(encoding="utf-8"))
    return [(speech.transcript(name), listing.parents[1] / file) for name, file in found if speech.transcript(name)]
