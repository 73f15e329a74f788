"""Finished episodes whose turn in a store has not come yet: in memory, and after a while on disk."""

from __future__ import annotations

import json
import math
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from opengato.core.episode import Episode
from opengato.data.store import MANIFEST, EpisodeStore, StoreWriter
from opengato.rollout import Outcome

Key = tuple[str, int]  # which job, which seed
TAG = "waits as"  # in the provenance of an episode on disk: its key
PARK_BYTES, PARK_SECONDS = 64_000_000, 60.0


class Ahead:
    """Outcomes by key. Episodes survive in `folder` whatever stops the program, at most PARK_SECONDS after they came.

    Outcomes without an episode are not kept on disk: they are found again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._memory: dict[Key, Outcome] = {}
        self._disk: dict[Key, int] = {}
        self._bytes, self._since = 0, time.monotonic()
        if (folder / MANIFEST).is_file():
            self._store = EpisodeStore(folder)
            for place, provenance in enumerate(self._store.column("provenance").tolist()):
                job, seed = json.loads(provenance)[TAG]
                self._disk[job, seed] = place

    def __contains__(self, key: Key) -> bool:
        return key in self._memory or key in self._disk

    def put(self, key: Key, outcome: Outcome) -> None:
        """Keep an outcome until it is asked for."""
        if not self._memory:
            self._since = time.monotonic()
        self._memory[key] = outcome
        self._bytes += _size(outcome.episode)

    def pop(self, key: Key) -> Outcome | None:
        """The outcome of a key, once; None if it has not come."""
        if key in self._memory:
            outcome = self._memory.pop(key)
            self._bytes -= _size(outcome.episode)
            return outcome
        if key not in self._disk:
            return None
        episode = self._store[self._disk.pop(key)]
        provenance = {name: value for name, value in episode.provenance.items() if name != TAG}
        return Outcome(seed=key[1], kind="collected", episode=replace(episode, provenance=provenance))

    def park_if_old(self) -> None:
        """Park what has waited long, or takes much memory."""
        if self._bytes >= PARK_BYTES or time.monotonic() - self._since >= PARK_SECONDS:
            self.park()

    def park(self) -> None:
        """Move the episodes in memory to the disk."""
        self._since = time.monotonic()
        waiting = {key: outcome.episode for key, outcome in self._memory.items() if outcome.episode is not None}
        if not waiting:
            return
        with StoreWriter(self.folder, flush_seconds=math.inf) as writer:
            first = len(writer)
            tagged = (replace(e, provenance={**e.provenance, TAG: list(key)}) for key, e in waiting.items())
            writer.append(tagged)
        self._store = EpisodeStore(self.folder)
        self._disk |= {key: first + i for i, key in enumerate(waiting)}
        for key in waiting:
            del self._memory[key]
        self._bytes = 0

    @property
    def spent(self) -> bool:
        """Whether there is a folder of which all has been asked for."""
        return not self._disk and self.folder.is_dir()

    def remove(self) -> None:
        """Delete the folder; what it held must be safe elsewhere."""
        self._disk.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


def _size(episode: Episode | None) -> int:
    if episode is None:
        return 0
    arrays = (*episode.observations.values(), *episode.actions.values(), episode.rewards)
    return sum(_bytes(array) for array in arrays)


def _bytes(array: np.ndarray) -> int:
    return sum(len(item) for item in array) if array.dtype == object else array.nbytes
