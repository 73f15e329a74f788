"""Speed of the episode store: written, read in order and at random, beside one `.npz` file an episode.

    python benchmarks/store_speed.py

Both hold the same episodes with all their fields. The store also validates each episode on writing, syncs its files to
the disk, and checks a checksum at each read; `numpy.savez` does none of it. Files are read from the memory of the
operating system on both sides: it is the cost of the format that is measured, not that of the disk.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _episodes import control_episodes
from _measure import Rate, Work, arguments, ratio, report, take_turns

from opengato.core.episode import Episode
from opengato.data.store import EpisodeStore, StoreWriter

KINDS = {"grid": "babyai/GoToLocal", "robot": "metaworld/drawer-open"}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=5, episodes=2000)
    if options.quick:
        options.rounds, options.episodes = 1, 20
    rates: list[Rate] = []
    ratios: list[dict[str, Any]] = []
    figures: dict[str, Any] = {"episodes": options.episodes}
    with tempfile.TemporaryDirectory() as scratch:
        for kind, task in KINDS.items():
            episodes = control_episodes(task, options.episodes)
            figures[f"mean steps of a {kind} episode"] = round(float(np.mean([e.num_steps for e in episodes])), 1)
            turns = take_turns(contestants(kind, episodes, Path(scratch)), options.rounds, "episodes/s")
            rates += turns.values()
            names = list(turns)
            ratios += [ratio(turns[a], turns[b]) for a, b in zip(names[::2], names[1::2], strict=True)]
            for name in ("store", "npz"):
                size = sum(path.stat().st_size for path in Path(scratch, f"{kind}-{name}").iterdir())
                figures[f"bytes of a {kind} episode, {name}"] = round(size / len(episodes))
    return report("store_speed", options, rates, ratios=ratios, figures=figures)


def contestants(kind: str, episodes: list[Episode], folder: Path) -> dict[str, Work]:
    """Pairs of store and npz; writing comes first, and what it wrote is read."""
    store, files = folder / f"{kind}-store", folder / f"{kind}-npz"
    order = np.random.default_rng(0).permutation(len(episodes)).tolist()

    def write_store() -> int:
        shutil.rmtree(store, ignore_errors=True)
        with StoreWriter(store) as writer:
            return writer.append(episodes)

    def write_files() -> int:
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        for index, episode in enumerate(episodes):
            save(files / f"{index:06d}.npz", episode)
        return len(episodes)

    def read_store(indices: list[int]) -> int:
        opened = EpisodeStore(store)
        return sum(opened[index].num_steps > 0 for index in indices)

    def read_files(indices: list[int]) -> int:
        return sum(len(load(files / f"{index:06d}.npz")["rewards"]) > 0 for index in indices)

    in_order = list(range(len(episodes)))
    return {
        f"{kind}: write, store": write_store,
        f"{kind}: write, npz": write_files,
        f"{kind}: read in order, store": lambda: read_store(in_order),
        f"{kind}: read in order, npz": lambda: read_files(in_order),
        f"{kind}: read at random, store": lambda: read_store(order),
        f"{kind}: read at random, npz": lambda: read_files(order),
    }


def save(path: Path, episode: Episode) -> None:
    """All that the store keeps of an episode but its specs."""
    facts = {
        "task": episode.task,
        "instruction": episode.instruction,
        "terminated": episode.terminated,
        "truncated": episode.truncated,
        "success": episode.success,
        "provenance": episode.provenance,
    }
    arrays: dict[str, Any] = {"facts": np.array(json.dumps(facts)), "rewards": episode.rewards}
    arrays |= {f"observation {name}": values for name, values in episode.observations.items()}
    arrays |= {f"action {name}": values for name, values in episode.actions.items()}
    np.savez(path, **arrays)


def load(path: Path) -> dict[str, Any]:
    """Every array of a file, read, and its facts."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return {**arrays, **json.loads(str(arrays["facts"]))}


if __name__ == "__main__":
    main()
