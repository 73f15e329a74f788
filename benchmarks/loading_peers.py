"""Episodes read at random: our store beside Minari, a LeRobot dataset and raw records in a memory map.

    python benchmarks/loading_peers.py

All hold the same episodes of the shape of Meta-World's. Each is opened once and gives the arrays of whole episodes:
Minari 0.5 by `dataset[i]` (HDF5); LeRobot's layout, version 3, as its library reads it, through `datasets` over Arrow
files in the memory map, `rows[a:b]` as numpy arrays; raw records as copies of slices, without names, checks or facts.
Ours checks a checksum and the specs at each read. Files are in the memory of the operating system for all of them.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from _episodes import control_episodes
from _measure import Work, arguments, ratio, report, take_turns

from opengato.core.episode import Episode
from opengato.data.importing import format_of
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.sources.format import Options

TASK = "metaworld/drawer-open"
OURS = "store"


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=7, episodes=1000)
    if options.quick:
        options.rounds, options.episodes = 1, 10
    episodes = control_episodes(TASK, options.episodes)
    order = np.random.default_rng(0).permutation(options.episodes).tolist()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        contestants = {
            OURS: store(episodes, order, folder / "store"),
            "raw records": raw(episodes, order, folder / "raw"),
            "LeRobot layout": lerobot(episodes, order, folder / "lerobot"),
            "Minari": minari(episodes, order, folder / "minari"),
        }
        turns = take_turns(contestants, options.rounds, "episodes/s")
    ours, *others = turns.values()
    figures = {"episodes": options.episodes, "mean steps": float(np.mean([e.num_steps for e in episodes]).round(1))}
    ratios = [ratio(ours, other) for other in others]
    return report("loading_peers", options, turns.values(), ratios=ratios, figures=figures)


def store(episodes: list[Episode], order: list[int], folder: Path) -> Work:
    """Ours."""
    with StoreWriter(folder) as writer:
        writer.append(episodes)
    opened = EpisodeStore(folder)
    return lambda: sum(len(opened[index].observations["state"]) > 0 for index in order)


def raw(episodes: list[Episode], order: list[int], folder: Path) -> Work:
    """All numbers of a step side by side in one file, and where each episode begins."""
    steps = [np.hstack([e.observations["state"], e.actions["action"], e.rewards[:, None]]) for e in episodes]
    ends = np.cumsum([0, *map(len, steps)])
    folder.mkdir()
    np.save(folder / "records.npy", np.concatenate(steps).astype(np.float32))
    records = np.load(folder / "records.npy", mmap_mode="r")
    return lambda: sum(len(np.array(records[ends[index] : ends[index + 1]])) > 0 for index in order)


def lerobot(episodes: list[Episode], order: list[int], folder: Path) -> Work:
    """Rows of its parquet files, through `datasets`."""
    write("lerobot", episodes, folder)
    files: list[Any] = sorted(str(path) for path in folder.glob("data/**/*.parquet"))
    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_parquet(files, cache_dir=str(folder / "cache")).with_format("numpy")
    ends = np.cumsum([0, *(episode.num_steps for episode in episodes)])
    assert len(rows) == ends[-1]
    return lambda: sum(len(rows[int(ends[index]) : int(ends[index + 1])]["action"]) > 0 for index in order)


def minari(episodes: list[Episode], order: list[int], folder: Path) -> Work:
    """Its own reader of its own files."""
    from minari import MinariDataset

    write("minari", episodes, folder)
    [place] = folder.glob("**/data")
    dataset = MinariDataset(place)
    return lambda: sum(len(dataset[index].rewards) > 0 for index in order)


def write(form: str, episodes: list[Episode], folder: Path) -> None:
    """By our export, which the tests read back with the packages of those formats."""
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        format_of(form).write(episodes, folder, Options())


if __name__ == "__main__":
    main()
