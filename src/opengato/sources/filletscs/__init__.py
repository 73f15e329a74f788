"""Two fishes talk their way through a game: their lines as Czech actors spoke them, with what is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode
from opengato.sources import fillets_lines, speech
from opengato.sources.fetch import Package
from opengato.sources.recordings import UnfitError

SOUNDS = "fillets-ng-data-cs"


class Source(sources.Source):
    """`speech/filletscs`; the English of each line stands in the provenance."""

    card = sources.SourceCard(
        name="filletscs",
        title="Fish Fillets - Next Generation, spoken in Czech",
        what="WHAT",
        tasks=("speech/filletscs",),
        licence="GPL-2.0-or-later",
        split="whole levels of the game, the same as those of the lines as text, about 10 % test; lines of a test "
        "level that come again elsewhere are left out; the speakers are the same in both",
        packages=(
            fillets_lines.PACKAGE,
            Package(
                registry="debian",
                name=SOUNDS,
                version="1.0.1-1.1",
                sha256="3ecef99b9456f1c80c9625c6f2418642b52d58e7167a46bad7a412db17991b14",
                licence="GPL-2.0-or-later",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        scripts = sources.require(roots[fillets_lines.PACKAGE.name] / fillets_lines.FOLDER, self.card.name)
        sounds = sources.require(roots[SOUNDS] / "usr/share/games/fillets-ng/sound", self.card.name)
        levels = sorted(path.parent for path in scripts.glob("*/dialogs_cs.lua"))
        told: set[str] = set()
        for split in ("test", "train"):
            for level in (level for level in levels if fillets_lines.split_of_level(level.name) == split):
                for key, english, czech in fillets_lines.lines(level / "dialogs_cs.lua"):
                    said = speech.transcript(czech)
                    path = sounds / level.name / "cs" / f"{key}.ogg"
                    if not said or said in told or not path.exists():
                        continue
                    facts = {"source": "filletscs", "level": level.name, "item": key, "english": english}
                    try:
                        episode = speech.spoken("speech/filletscs", said, path, **facts)
                    except UnfitError:
                        continue
                    told.add(said)
                    yield split, episode
