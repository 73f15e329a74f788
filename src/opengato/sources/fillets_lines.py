"""What is said in Fish Fillets, level by level: a language's file has each line in English and in its own words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from opengato.sources import Split, split_of
from opengato.sources.fetch import Package

PACKAGE = Package(
    registry="debian",
    name="fillets-ng-data",
    version="1.0.1-1.1",
    sha256="25de89afd8b1adf7bcace8290248a6a22c89cd42300317e69000e162c032cf84",
    licence="GPL-2.0-or-later",
)
FOLDER = "usr/share/games/fillets-ng/script"
TEST_SHARE = 0.1
_STRING = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(rf'dialogId\("([^"]+)",\s*"[^"]*",\s*{_STRING}\s*\)(?:\s*dialogStr\({_STRING}\))?')


def split_of_level(level: str) -> Split:
    """The split of all that is said in a level, in whatever language."""
    return split_of(f"fillets {level}", TEST_SHARE)


def lines(path: Path) -> Iterator[tuple[str, str, str]]:
    """(name, English, the language's words or nothing) of each line in a file of dialogues."""
    for name, english, other in _LINE.findall(path.read_text(encoding="utf-8")):
        yield name, _plain(english), _plain(other)


def _plain(text: str) -> str:
    return " ".join(text.replace('\\"', '"').replace("\\n", " ").split())
