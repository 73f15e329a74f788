"""Single notes of instruments: the patches of the Freepats project, made for Gravis's sound card of 1992.

Letters: N samples.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.core.sound import resample
from opengato.sources.fetch import Package
from opengato.sources.recordings import RATE, UnfitError, compact, named

PACKAGE = "freepats"
SECONDS = 4  # of a note: a longer one is cut
TEST_SHARE = 0.2
# Families of General MIDI, by the number of their first instrument; later ones are synthetic or effects.
FAMILIES = {
    0: "piano",
    8: "bells",
    16: "organ",
    24: "guitar",
    32: "bass",
    40: "strings",
    48: None,
    56: "brass",
    64: "reed",
    72: "flute",
    80: None,
}
NAMES = tuple(sorted({name for name in FAMILIES.values() if name} | {"drum"}))
_HEADERS = (129, 63, 47)  # bytes: of the patch, its one instrument, its one layer
_NOTE = struct.Struct("<7sBIIIHIIIHB12s6sBHH36s")  # 96 bytes; of these size, rate and modes are read


class Source(sources.Source):
    """`sound/freepats`: the family of the instrument that plays a note."""

    card = sources.SourceCard(
        name="freepats",
        title="Freepats 20060219",
        what="399 notes of ten families of instruments, cut after four seconds, 6.3 minutes in all; some synthetic",
        tasks=("sound/freepats",),
        licence="GPL-2.0-or-later, with an exception for music",
        split="by instrument, about 20 % test: those of the test are never heard in training",
        packages=(
            Package(
                registry="debian",
                name=PACKAGE,
                version="20060219-4",
                sha256="1282628c7ec015f0d39a8b1ee58a2d942220bbad38173d005bbfbaaf36e1d6f1",
                licence="GPL-2.0-or-later",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        folder = sources.require(roots[PACKAGE] / "usr/share/midi/freepats", self.card.name)
        for path in sorted(folder.rglob("*.pat")):
            name = family_of(path)
            if name is None:
                continue
            # Numbers and loudness aside, "Snare_1" and "Snare_2" are one instrument.
            concept = re.sub(r"(_\d+|_(Low|Mid|High|Mute|Open|Short|Long))+(?=_|$)", "", path.stem[4:])
            for number, (samples_N, rate) in enumerate(notes(path.read_bytes())):
                try:
                    sound, _ = compact(resample(samples_N, rate, RATE)[: SECONDS * RATE], SECONDS)
                except UnfitError:
                    continue
                facts: dict[str, Any] = {"source": self.card.name, "item": f"{path.stem} {number}", "concept": concept}
                yield (
                    sources.split_of(f"freepats {concept}", TEST_SHARE),
                    document("sound/freepats", name, audio=sound, instruction=named(NAMES), **facts),
                )


def family_of(path: Path) -> str | None:
    """The family of the instrument that a file is called after, None where it is none to be heard apart."""
    if path.parent.name.startswith("Drum"):
        return "drum"
    return FAMILIES[max(first for first in FAMILIES if first <= int(path.stem[:3]))]


def notes(patch: bytes) -> Iterator[tuple[np.ndarray, int]]:
    """Samples (N,) in [-1, 1] and their rate, of each note in a file of the format GF1PATCH110."""
    if patch[:11] != b"GF1PATCH110":
        raise ValueError(f"freepats: expected a patch that begins with b'GF1PATCH110', received {patch[:11]!r}")
    (count,) = struct.unpack_from("<B", patch, sum(_HEADERS) - 41)
    at = sum(_HEADERS)
    for _ in range(count):
        fields = _NOTE.unpack_from(patch, at)
        size, rate, modes = fields[2], fields[5], fields[13]
        at += _NOTE.size
        whole = np.frombuffer(patch[at : at + size], "<i2" if modes & 1 else "<i1")
        at += size
        bits = 16 if modes & 1 else 8
        if modes & 2:  # unsigned: the highest bit is turned
            whole = whole ^ whole.dtype.type(-(2 ** (bits - 1)))
        yield (whole / 2 ** (bits - 1)).astype(np.float32), rate
