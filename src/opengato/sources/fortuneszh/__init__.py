"""Modern Chinese prose: the sections of the Debian reference, which Debian's Chinese fortunes quote whole."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources.fetch import Package
from opengato.sources.prose import HIGHEST, paragraphs, pieces

FILE = "usr/share/games/fortunes/chinese"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
QUOTED = re.compile(r"\n *-- Osamu Aoki .*", re.DOTALL)
TABLE = re.compile("[┌┬┐├┼┤└┴┘│]")
FULL_LINE = 64  # columns: a line so wide was broken by the printer, not by the writer
SHORTEST = 100  # characters


class Source(sources.Source):
    """`text/fortuneszh`: a section of the handbook a document; longer ones are cut as prose is."""

    card = sources.SourceCard(
        name="fortuneszh",
        title="The Debian reference in Chinese",
        what="sections of a handbook in modern Chinese with commands between, 249,000 characters; tables left out",
        tasks=("text/fortuneszh",),
        licence="GPL-3.0-or-later",
        split="whole sections, about 8 % test",
        packages=(
            Package(
                registry="debian",
                name="fortunes-zh",
                version="2.98",
                sha256="211c5ddee59d0ae74ce01cbfd02f7c8714740bae1835d5661eb2254edd739105",
                licence="GPL-3.0-or-later",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        path = sources.require(roots["fortunes-zh"] / FILE, "fortuneszh")
        text = COLOURS.sub("", path.read_text(encoding="utf-8")).replace("\xa0", " ")
        for item in text.split("\n%\n"):
            section = unwrapped(QUOTED.sub("", item))
            if QUOTED.search(item) and len(section) >= SHORTEST:
                title = section.partition("\n")[0]
                parts = [section] if len(section) <= HIGHEST else pieces(paragraphs(section, unwrap=False))
                for index, part in enumerate(parts):
                    episode = document(self.card.tasks[0], part, source="fortuneszh", work=title, piece=index)
                    yield sources.split_of(title), episode


def unwrapped(text: str) -> str:
    """Lines without tables and margins, each joined to the next where the printer broke it."""
    lines: list[str] = []
    wide = False
    for line in (line.rstrip() for line in text.split("\n")):
        if TABLE.search(line):
            continue
        said = line.strip()
        if wide and said:
            lines[-1] += (" " if lines[-1][-1].isascii() and said[0].isascii() else "") + said
        else:
            lines.append(said)
        wide = _columns(line) >= FULL_LINE
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)
