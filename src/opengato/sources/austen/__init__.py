"""Jane Austen's six novels, from the data of an R package; read without R."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources.fetch import Package
from opengato.sources.prose import paragraphs, pieces

HELD_OUT = "Northanger Abbey"
DATABASE = "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
# What an editor or the author's advertiser added around the novel.
NOTES = re.compile(r"^\s*(?:\*Vide a letter from|A NOTE ON THE TEXT)", re.MULTILINE)
STRINGS, STRING = 16, 9  # SEXP types of R's serialisation


class Source(sources.Source):
    """`text/austen`: documents of 1500 to 3000 characters; one whole novel is held out."""

    card = sources.SourceCard(
        name="austen",
        title="Jane Austen's novels",
        what="six novels in English prose, 1811 to 1818; lines unwrapped, double spaces made single",
        tasks=("text/austen",),
        licence="public domain",
        split=f"whole works: {HELD_OUT} is test",
        packages=(
            Package(
                registry="debian",
                name="r-cran-janeaustenr",
                version="1.0.0-1",
                sha256="df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
                licence="MIT",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        database = sources.require(roots["r-cran-janeaustenr"] / DATABASE, "austen")
        for lines in string_vectors(database.read_bytes()):
            title = lines[0].title().replace(" And ", " and ")
            text = NOTES.split("\n".join(lines))[0]
            split = "test" if title == HELD_OUT else "train"
            for index, piece in enumerate(pieces(paragraphs(text, unwrap=True))):
                yield split, document(self.card.tasks[0], piece, source="austen", work=title, piece=index)


def string_vectors(database: bytes) -> Iterator[list[str]]:
    """The character vectors of an R lazy-load database: records of a big-endian length and a zlib stream.

    Each stream is R's XDR serialisation, version 2 or 3, of one vector without attributes. Raises ValueError if not.
    """
    start = 0
    while start + 4 < len(database):
        inflate = zlib.decompressobj()
        record = inflate.decompress(database[start + 4 :])
        start = len(database) - len(inflate.unused_data)
        yield _strings(record)


def _strings(record: bytes) -> list[str]:
    marker, version = struct.unpack_from(">2si", record)
    at = 14  # marker, format version, writer's version, least reader's version
    if version == 3:
        at += 4 + struct.unpack_from(">i", record, at)[0]  # name of the native encoding
    flags, count = struct.unpack_from(">ii", record, at)
    if marker != b"X\n" or version not in (2, 3) or flags & 0xFF != STRINGS:
        raise ValueError(
            f"austen: expected a serialised character vector, received marker {marker!r}, version {version}, "
            f"type {flags & 0xFF}; the package's data format has changed"
        )
    at += 8
    strings = []
    for _ in range(count):
        flags, length = struct.unpack_from(">ii", record, at)
        if flags & 0xFF != STRING:
            raise ValueError(f"austen: expected a string at byte {at}, received type {flags & 0xFF}")
        at += 8
        strings.append(record[at : at + max(length, 0)].decode())
        at += max(length, 0)
    return strings
