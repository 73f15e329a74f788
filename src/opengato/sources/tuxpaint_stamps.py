"""The stamps of Tux Paint: pictures with captions in many languages, spoken captions and sounds, file by file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from opengato.sources import require
from opengato.sources.fetch import Package

STAMPS = Package(
    registry="debian",
    name="tuxpaint-stamps-default",
    version="2022.06.04-1",
    sha256="6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
    licence="GPL-2",
)
LICENCE = "GPL-2 (Tux Paint Stamps; their authors stand in the package's docs)"
DRAWN_WIDTH = 512  # pixels of a drawing that has no size of its own
SKIPPED = "symbols"  # letters, digits and signs: their captions say a word where a mark is to be seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """One stamp: `item` is its path without an ending ("animals/birds/cockatoo"), `category` the first folder.

    `captions[language]` is what the authors wrote, "en" first, others by their code in the package ("zh_CN"); `sound`
    is what the thing sounds like, `spoken[language]` a caption read aloud. `picture` is a PNG or an SVG.
    """

    item: str
    category: str
    picture: Path
    captions: Mapping[str, str]
    sound: Path | None
    spoken: Mapping[str, Path]


def stamps(root: Path, source: str) -> Iterator[Stamp]:
    """All stamps of the unpacked package but symbols, sorted; ValueError naming `source` for another layout."""
    folder = require(root / "usr/share/tuxpaint/stamps", source)
    for text in sorted(folder.rglob("*.txt")):
        stem = text.with_suffix("")
        item = stem.relative_to(folder).as_posix()
        pictures = [path for ending in (".png", ".svg") if (path := stem.with_suffix(ending)).is_file()]
        captions = _captions(text)
        if item.startswith(f"{SKIPPED}/") or not pictures or not captions:
            continue
        sounds = [path for ending in (".ogg", ".wav") if (path := stem.with_suffix(ending)).is_file()]
        yield Stamp(
            item=item,
            category=item.split("/")[0],
            picture=pictures[0],
            captions=captions,
            sound=sounds[0] if sounds else None,
            spoken=_spoken(stem),
        )


def picture_of(stamp: Stamp) -> Path | bytes:
    """The picture of a stamp for Pillow: its PNG file, or a PNG of its SVG.

    ValueError where that cannot be drawn, ImportError without the extra `svg`.
    """
    if stamp.picture.suffix == ".png":
        return stamp.picture
    try:
        import resvg_py
    except ImportError as error:
        raise ImportError("stamps that are SVG need resvg-py; run: pip install 'opengato[svg]'") from error
    # Fonts of one machine would make other pictures than those of the next.
    return resvg_py.svg_to_bytes(svg_path=str(stamp.picture), width=DRAWN_WIDTH, skip_system_fonts=True)


def _captions(text: Path) -> dict[str, str]:
    """What the file says: the first line in English, then lines such as `fr.utf8=Un yak.`."""
    first, *others = text.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    if not first.strip():
        return {}
    found = {"en": first}
    for line in others:
        match = re.match(r"([\w@.-]+)\.utf8=(.+)", line)
        if match:
            found[match[1]] = match[2]
    return {language: " ".join(caption.split()) for language, caption in found.items() if caption.strip()}


def _spoken(stem: Path) -> dict[str, Path]:
    """Recordings by language: `yak_desc.ogg` is English, `yak_desc_fr.ogg` French."""
    pattern = re.compile(rf"{re.escape(stem.name)}_desc(?:_([\w@]+))?\.(?:ogg|wav)")
    found = ((pattern.fullmatch(path.name), path) for path in sorted(stem.parent.iterdir()))
    return {match[1] or "en": path for match, path in found if match}
