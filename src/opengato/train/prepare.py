"""A recipe's data: collect what experts can show, import what packages hold; once."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from opengato.core.config import to_json
from opengato.data.importing import import_source
from opengato.data.store import MANIFEST, EpisodeStore, StoreWriter, read_manifest
from opengato.rollout import CollectJob, collect_many


def collect_store(jobs: tuple[CollectJob, ...], folder: Path, workers: int) -> None:
    """Collect `jobs` into a store, unless it holds just these already. A broken-off collection starts anew."""
    plan = hashlib.sha256(json.dumps(to_json(jobs)).encode()).hexdigest()[:16]
    if (folder / MANIFEST).is_file():
        complete = read_manifest(folder)["extra"].get("complete")
        if complete == plan:
            return
        if complete is not None:
            raise ValueError(
                f"{str(folder)!r} holds the whole collection of another plan ({complete}, this is {plan}); "
                "delete it, choose another data folder, or give the recipe another name"
            )
        shutil.rmtree(folder)
    total = sum(job.episodes for job in jobs)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    extra = {"licence": "made by this machine", "synthetic": "simulated episodes by scripted experts"}
    with Progress(*columns) as progress, StoreWriter(folder, extra) as writer:
        bar = progress.add_task(f"collecting {folder.name}", total=total)
        for episodes in collect_many(list(jobs), workers):
            progress.update(bar, advance=writer.append(episodes))
    with StoreWriter(folder, {"complete": plan}):
        pass


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
