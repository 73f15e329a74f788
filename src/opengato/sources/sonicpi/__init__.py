"""Sonic Pi's samples: short sounds of instruments and machines, named by what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.core.sound import read_sound
from opengato.sources.fetch import Package
from opengato.sources.recordings import RATE, compact, named

PACKAGE = "sonic-pi-samples"
SECONDS = 4  # of a sound: a longer one is cut
TEST_SHARE = 0.2
# The first that fits the name of a file says what it is.
CLASSES = {
    r".*snare|sn_": "snare drum",
    r".*kick|bd_|drum_bass": "bass drum",
    r".*(cymbal|splash)": "cymbal",
    r".*tom_": "tom",
    r"tabla": "tabla",
    r"ambi": "ambience",
    r"bass": "bass",
    r"guit": "guitar",
    r"loop": "loop",
    r"vinyl": "vinyl",
    r"mehackit_robot|glitch_robot": "robot",
    r"mehackit_phone": "phone",
    r"elec": "electronic",
    r"perc|drum|glitch_perc": "percussion",
}
NAMES = tuple(sorted(set(CLASSES.values())))


class Source(sources.Source):
    """`sound/sonicpi`: the name of a sound, one of fourteen."""

    card = sources.SourceCard(
        name="sonicpi",
        title="Sonic Pi's samples 3.2.2",
        what="161 sounds of fourteen kinds, cut after four seconds, 3.8 minutes in all",
        tasks=("sound/sonicpi",),
        licence="CC0-1.0",
        split="by name without its number, about 20 % test",
        packages=(
            Package(
                registry="debian",
                name=PACKAGE,
                version="3.2.2~repack-8",
                sha256="25f2312d2fae005e6ad0f4726b8ed3084e776006a5a132083506e960224ac79d",
                licence="CC0-1.0",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        folder = sources.require(roots[PACKAGE] / "usr/share/sonic-pi/samples", self.card.name)
        for path in sorted(folder.glob("*.flac")):
            name = class_of(path.stem)
            if name is None:
                continue
            sound, _ = compact(read_sound(path.read_bytes(), RATE)[: SECONDS * RATE], SECONDS)
            concept = path.stem.rstrip("0123456789")
            facts = {"source": self.card.name, "item": path.stem, "concept": concept}
            yield (
                sources.split_of(concept, TEST_SHARE),
                document("sound/sonicpi", name, audio=sound, instruction=named(NAMES), **facts),
            )


def class_of(stem: str) -> str | None:
    """What the sound in a file of this name is; None where it is one of its kind."""
    return next((name for pattern, name in CLASSES.items() if re.match(pattern, stem)), None)
