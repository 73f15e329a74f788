"""A recipe's data: collect what experts can show, import what packages hold; once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from opengato.data.importing import import_source
from opengato.data.store import MANIFEST, EpisodeStore
from opengato.rollout import CollectJob, LocalCrew
from opengato.train.collecting import collect_stores


def collect_store(jobs: tuple[CollectJob, ...], folder: Path, workers: int) -> None:
    """Collect `jobs` into a store, unless it holds just these already; a broken-off collection goes on.

    Warns if some are missing. RuntimeError if a task was given up.
    """
    [summary] = collect_stores({folder: jobs}, LocalCrew(workers))
    if summary.given_up:
        raise RuntimeError("\n".join([f"{folder} is not whole; the same command goes on", *summary.names()]))
    if summary.dropped or summary.lost:
        missing = "; ".join([summary.left_out(), *summary.names()])
        warnings.warn(f"{folder}: {missing}, of {summary.asked} episodes", stacklevel=2)


def import_stores(names: tuple[str, ...], folder: Path) -> None:
    """Import corpora to `folder/NAME/{train,test}`, unless they are there."""
    for name in names:
        if not (folder / name / "train" / MANIFEST).is_file():
            import_source(name, folder / name)


def fit_statistics(folders: Sequence[Path], episodes: int = 3000) -> dict[str, dict[str, list[float]]]:
    """Mean and standard deviation of each continuous observation by spec name, over evenly spread episodes of stores.

    A deviation below 0.01 of the largest one is raised to it: a coordinate that hardly moves must not be blown up.
    Where nothing moves at all it is 1.
    """
    values: dict[str, list[np.ndarray]] = {}
    for store in map(EpisodeStore, folders):
        for index in np.linspace(0, len(store) - 1, min(episodes, len(store))).astype(int):
            episode = store[int(index)]
            for name, spec in episode.observation_specs.items():
                if spec.kind == "continuous":
                    array = np.asarray(episode.observations[name], np.float64)
                    values.setdefault(spec.name, []).append(array.reshape(len(array), -1))
    statistics: dict[str, dict[str, Any]] = {}
    for name, arrays in values.items():
        sizes = sorted({array.shape[1] for array in arrays})
        if len(sizes) > 1:
            raise ValueError(f"observations named {name!r} hold {sizes} numbers; give each kind a name of its own")
        joined = np.concatenate(arrays)
        std = joined.std(0)
        statistics[name] = {
            "mean": _six_digits(joined.mean(0)),
            "std": _six_digits(np.maximum(std, 0.01 * std.max()) if std.max() > 0 else np.ones_like(std)),
        }
    return statistics


def _six_digits(values: np.ndarray) -> list[float]:
    """Rounded to six significant digits, so that small units survive."""
    return [float(f"{value:.6g}") for value in values]
