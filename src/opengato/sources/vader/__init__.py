"""English sentences of reviews, editorials and tweets with the mood that twenty readers felt in them."""

from __future__ import annotations

import html
import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode
from opengato.sources.answers import answered, normalised, unambiguous
from opengato.sources.fetch import Package

ARCHIVE = "additional_resources/hutto_ICWSM_2014.tar.gz"
FILES = {
    "movies": ("movieReviewSnippets", "is this sentence of a film review positive or negative?"),
    "amazon": ("amazonReviewSnippets", "is this sentence of a product review positive or negative?"),
    "nyt": ("nytEditorialSnippets", "is this sentence of a newspaper positive or negative?"),
    "tweets": ("tweets", "is this tweet positive or negative?"),
}
MARGIN = 0.5  # mean ratings, from -4 to 4, nearer to 0 than this are left out
TEST_SHARE = 0.2


class Source(sources.Source):
    """`sentiment/vader-movies`, `-amazon`, `-nyt`, `-tweets`: answer "positive" or "negative"."""

    card = sources.SourceCard(
        name="vader",
        title="Ground truth of VADER",
        what="sentences with the mean mood of 20 human raters, from -4 to 4; those nearer to 0 than 0.5 left out: "
        "10,070 of film reviews, 2,968 of product reviews, 2,928 of New York Times editorials, 3,276 tweets "
        "[Hutto & Gilbert 2014]",
        tasks=tuple(f"sentiment/vader-{part}" for part in FILES),
        licence="MIT (package); the sentences are those of Rotten Tomatoes, Amazon, the New York Times and Twitter",
        split="product reviews and editorials by document, others by sentence; 20 % test; doubles left out before",
        packages=(
            Package(
                registry="pypi",
                name="vaderSentiment",
                version="0.5",
                sha256="5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
                licence="MIT",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        archive = sources.require(roots["vaderSentiment"] / ARCHIVE, "vader")
        origins: dict[str, tuple[str, str]] = {}
        moods: list[tuple[str, str]] = []
        for part, (file, _) in FILES.items():
            for number, text, mood in _rated(archive, file):
                origins.setdefault(text, (part, number))
                moods.append((text, mood))
        for text, mood in unambiguous(moods):
            part, number = origins[text]
            group, is_document, _ = number.partition("_")
            concept = f"{part} {group}" if is_document else normalised(text)
            facts = {"instruction": FILES[part][1], "source": "vader", "item": number}
            yield sources.split_of(concept, TEST_SHARE), answered(f"sentiment/vader-{part}", text, mood, **facts)


def _rated(archive: Path, file: str) -> Iterator[tuple[str, str, str]]:
    """The number of each sentence, the sentence, and "positive" or "negative"."""
    with tarfile.open(archive) as bundle:
        stream = bundle.extractfile(f"{archive.name.removesuffix('.tar.gz')}/{file}_GroundTruth.txt")
        assert stream is not None
        for line in io.TextIOWrapper(stream, encoding="utf-8", errors="replace"):
            number, rating, text = line.rstrip("\r\n").split("\t", 2)
            if abs(float(rating)) >= MARGIN:
                yield number, html.unescape(text).strip(), "positive" if float(rating) > 0 else "negative"
