"""Chinese poems of the Song dynasty."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources.answers import normalised
from opengato.sources.fetch import Package

FOLDER = "dist/songci"
# Other files hold selections of the same poems.
PART = re.compile(r"ci\.song\.(\d+)\.json")
SHORTEST, LONGEST = 20, 600  # characters of a poem: below stand fragments


class Source(sources.Source):
    """`text/poetry`: a poem a document: its tune and its author on the first line, then a sentence a line."""

    card = sources.SourceCard(
        name="poetry",
        title="Ci poems of the Song dynasty",
        what="20,518 poems in classical Chinese, simplified characters, 960 to 1279, with tune and author",
        tasks=("text/poetry",),
        licence="poems public domain; collection MIT",
        split="by poem, doubles left out before, about 8 % test",
        packages=(
            Package(
                registry="npm",
                name="chinese-poetry",
                version="2.0.1",
                sha256="25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86",
                licence="MIT",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        folder = sources.require(roots["chinese-poetry"] / FOLDER, "poetry")
        numbers = {int(match[1]): path for path in folder.iterdir() if (match := PART.fullmatch(path.name))}
        seen: set[str] = set()
        for number in sorted(numbers):
            for poem in json.loads(numbers[number].read_text(encoding="utf-8")):
                text = "\n".join(line.strip() for line in poem["paragraphs"])
                key = normalised(text)
                if SHORTEST <= len(text) <= LONGEST and key not in seen:
                    seen.add(key)
                    title = f"{poem['rhythmic']} {poem['author']}"
                    episode = document(self.card.tasks[0], f"{title}\n{text}", source="poetry", work=title)
                    yield sources.split_of(key), episode
