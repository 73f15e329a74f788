"""Open Clip Art drawings with the titles their authors gave them, and the folders they were put into."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources import pictures
from opengato.sources.fetch import Package

PNG, SVG, WORDS = "openclipart-png", "openclipart-svg", "wamerican"
MOST_REPEATS = 5

# Icon themes, plain geometric shapes and gradients have titles that do not tell what is to be seen.
SKIPPED_FOLDERS = re.compile(
    r"computer/icons|computer/buttons|shapes|special|signs_and_symbols/led|signs_and_symbols/map_sym|pantyhose"
)
# Titles in other languages by these authors, in part made of words that are English too; and one who saved new
# drawings over old ones without changing the title ("blue_fedora.png" says "svg_globe_green").
SKIPPED_AUTHORS = re.compile(r"archit|rollandin|yves_g|nicu buculei", re.IGNORECASE)
# "unsorted", "logos" and folders of a handful say too little.
CATEGORIES: dict[str, str] = {
    name: name.replace("_", " ")
    for name in (
        "animals buildings computer food geography office people plants recreation signs_and_symbols tools "
        "transportation"
    ).split()
}
WHICH = pictures.which(CATEGORIES.values())
SKIPPED_TITLES = re.compile(r"@|collection|^menu clip|example|\b(?:nazi|sexy|stripper|nude|naked)\b", re.IGNORECASE)
_CLEANING = (
    (re.compile(r"^clipart by [^-]+ - ", re.IGNORECASE), ""),
    (re.compile(r"\.(?:svg|png)\b|\b(?:in )?svg(?: format| theme)?\b|-aj\b", re.IGNORECASE), ""),
    (re.compile(r"[_#|]+|\b0\d\b"), " "),
    (re.compile(r"(?<=[a-z]{2})(?=[A-Z])"), " "),
    (re.compile(r"\(b and w\)|\bb&w\b|\bbw\b", re.IGNORECASE), "in black and white"),
    (re.compile(r"\s-\s(?:rpg map elements?|body part|clothing)$", re.IGNORECASE), ""),
    (re.compile(r"(?:[\s\-.,:]*\d)*[\s\-.,:]*$"), ""),
    (re.compile(r"\s+"), " "),
)


class Source(sources.Source):
    """`caption/openclipart`: drawings with a title that is English, not that of a series and not a file name.

    `label/openclipart`: the top folder of those whose folder says what they show.
    """

    card = sources.SourceCard(
        name="openclipart",
        title="Open Clip Art Library 0.18",
        what="drawings, 64x64 on white, with their titles; icon themes, series titles, titles that are not English "
        "(by Debian's word list) and near-duplicate drawings left out; twelve categories",
        tasks=("caption/openclipart", "label/openclipart"),
        licence="public domain (Creative Commons dedication)",
        split="by concept (`pictures.concept`), about 8 % test",
        packages=(
            Package(
                registry="debian",
                name=PNG,
                version="1:0.18+dfsg-19",
                sha256="f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02",
                licence="public domain",
            ),
            Package(
                registry="debian",
                name=SVG,
                version="1:0.18+dfsg-19",
                sha256="989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5",
                licence="public domain",
            ),
            Package(
                registry="debian",
                name=WORDS,
                version="2020.12.07-2",
                sha256="c8f8e2b2ad0d37bfdd41f0e40f1e4c8e5f907467d768a1d3698b164e9617f0b4",
                licence="SCOWL (permissive); used as a filter only",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        png = sources.require(roots[PNG] / "usr/share/openclipart/png", "openclipart")
        svg = sources.require(roots[SVG] / "usr/share/openclipart/svg", "openclipart")
        listing = sources.require(roots[WORDS] / "usr/share/dict/american-english", "openclipart")
        words = frozenset(listing.read_text(encoding="utf-8").lower().split())
        titles = dict(_titles(png, svg))
        repeats = Counter(titles.values())

        def candidates() -> Iterator[tuple[Path, str]]:
            captions = {
                item: caption_of(item, title, words) for item, title in titles.items() if repeats[title] <= MOST_REPEATS
            }
            again = Counter(captions.values())
            for item, caption in captions.items():
                if caption and again[caption] <= MOST_REPEATS:
                    yield png / f"{item}.png", caption

        for path, picture in pictures.distinct(candidates()):
            item = path.relative_to(png).with_suffix("").as_posix()
            category = item.split("/")[0]
            written = [("caption/openclipart", picture.caption, pictures.INSTRUCTION)]
            if category in CATEGORIES:
                written.append(("label/openclipart", CATEGORIES[category], WHICH))
            for task, text, instruction in written:
                episode = document(
                    task,
                    text,
                    image=picture.png,
                    instruction=instruction,
                    source="openclipart",
                    item=item,
                    concept=picture.concept,
                    category=category,
                )
                yield sources.split_of(picture.concept), episode


def _titles(png: Path, svg: Path) -> Iterator[tuple[str, str]]:
    """(item, title), sorted, of every drawing whose SVG twin has a title; an item is a path without its ending."""
    for path in sorted(png.rglob("*.png")):
        item = path.relative_to(png).with_suffix("").as_posix()
        twin = svg / f"{item}.svg"
        if path.is_symlink() or SKIPPED_FOLDERS.search(item) or not twin.exists():
            continue
        found = re.search(r"<dc:title[^>]*>([^<]+)<", twin.read_text(encoding="utf-8", errors="replace"))
        if found and found.group(1).strip():
            yield item, found.group(1).strip()


def caption_of(item: str, title: str, words: frozenset[str]) -> str | None:
    """The caption for a title, lower-cased and trimmed, or None where the title says nothing in English.

    `words` are the English words: more than half of a title's words of three letters or more must be among them.
    Country names in a folder of flags get the word "flag".
    """
    if SKIPPED_TITLES.search(title) or SKIPPED_AUTHORS.search(title) or SKIPPED_AUTHORS.search(item):
        return None
    title = html.unescape(html.unescape(title))
    for pattern, replacement in _CLEANING:
        title = pattern.sub(replacement, title)
    if "/flags/" in item and " - " in title:
        # "United States - Ohio": the emoji of the same flag is "flag: ohio", and they must share a concept.
        title = ("historic " if title.lower().startswith("historic") else "") + title.rsplit(" - ", 1)[1]
    caption = title.strip(" -.,:;!?\"'").lower()
    known = [word in words for word in re.findall(r"[^\W\d_]{3,}", caption)]
    if not known or sum(known) * 2 <= len(known) or "\ufffd" in caption or len(caption) > pictures.LONGEST_CAPTION:
        return None
    if "/flags/" in item and "flag" not in caption:
        caption = f"{caption} flag"
    return caption
