"""Make the held-out sample in `assets/heldout`: `python -m opengato.data.make_heldout`.

It keeps how the files were made. They hold a part of the test splits small enough to ship, so that evaluation and the
demo need no download: `captions/` is a store of captioned pictures, `text.txt` the beginning of a held-out novel.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections import defaultdict
from itertools import chain, zip_longest
from pathlib import Path

from opengato.core.config import plugin
from opengato.core.episode import Episode
from opengato.data.store import StoreWriter
from opengato.sources.fetch import default_cache

HELD_OUT = Path(__file__).parents[1] / "assets" / "heldout"
CAPTION_SOURCES, TEXT_SOURCE = ("emoji", "openclipart"), "austen"
PICTURES, FLAGS = 192, 6  # in all; of each source at most
CHARACTERS = 180_000

LICENCE = """\
Held-out sample of public data, made by `python -m opengato.data.make_heldout`; none of it is in a training split.

text.txt: the beginning of Jane Austen's "Northanger Abbey" (1817). Public domain.

captions/, task caption/openclipart: drawings and titles of the Open Clip Art Library 0.18. Given to the public domain
by their authors (Creative Commons Public Domain Dedication). `provenance.item` is the path of each in the library.

captions/, task caption/emoji: Noto Emoji, Copyright Google LLC, Apache License 2.0 (the text is in this project's
LICENSE; drawings of flags are in the public domain). From https://github.com/googlefonts/noto-emoji by way of the npm
package emoji-datasource-google. Changed: put on white and encoded again. `provenance.item` is the code of each.
Names from the npm package emojibase-data, Copyright (c) Miles Johnson, MIT License:

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def diverse(episodes: list[Episode], count: int, flags: int = FLAGS) -> list[Episode]:
    """Up to `count` captioned pictures: one per concept, categories in turn, at most `flags` flags; stable by hash."""
    by_category: dict[str, list[Episode]] = defaultdict(list)
    concepts: set[str] = set()
    for episode in sorted(episodes, key=_order):
        concept = episode.provenance["concept"]
        is_flag = "flag" in episode.actions["caption"][0]
        if concept in concepts or (is_flag and flags == 0):
            continue
        flags -= is_flag
        concepts.add(concept)
        by_category[episode.provenance["category"]].append(episode)
    rounds = zip_longest(*(by_category[category] for category in sorted(by_category)))
    return [episode for episode in chain.from_iterable(rounds) if episode is not None][:count]


def _order(episode: Episode) -> str:
    return hashlib.sha256(f"{episode.provenance['source']}/{episode.provenance['item']}".encode()).hexdigest()


def held_out(name: str, cache: Path) -> list[Episode]:
    """The test split of a corpus's first task, fetched if need be."""
    source = plugin("sources", name).Source()
    task = source.card.tasks[0]
    return [episode for split, episode in source.episodes(cache) if split == "test" and episode.task == task]


def beginning(episodes: list[Episode], characters: int = CHARACTERS) -> str:
    """The first documents of a work, joined by blank lines, up to `characters` characters."""
    text = ""
    for episode in episodes:
        document = episode.actions["text"][0]
        if len(text) + len(document) + 2 > characters:
            break
        text += ("\n\n" if text else "") + document
    return text


def make(folder: Path, cache: Path) -> dict[str, int]:
    """Write the held-out sample to `folder`, replacing what is there; returns the counts."""
    pictures: list[Episode] = []
    for left, name in zip(range(len(CAPTION_SOURCES), 0, -1), reversed(CAPTION_SOURCES), strict=True):
        # The smaller corpus first: the other one fills up what it cannot give.
        pictures += diverse(held_out(name, cache), (PICTURES - len(pictures)) // left)
    text = beginning(held_out(TEXT_SOURCE, cache))
    shutil.rmtree(folder, ignore_errors=True)
    extra = {"licence": "public domain and Apache-2.0, see ../LICENSE.txt", "synthetic": False, "split": "test"}
    with StoreWriter(folder / "captions", extra) as writer:
        writer.append(pictures)
    (folder / "captions" / ".lock").unlink()
    (folder / "text.txt").write_text(text, encoding="utf-8")
    (folder / "LICENSE.txt").write_text(LICENCE, encoding="utf-8")
    return {"pictures": len(pictures), "characters": len(text)}


def main() -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HELD_OUT, help="folder to write (default: the shipped one)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder of downloaded packages")
    arguments = parser.parse_args()
    print(make(arguments.out, arguments.cache))


if __name__ == "__main__":
    main()
