"""The data of an arena: brought once for all, without what some contestant cannot read, a part kept for validation.

Letters: E episodes of a store.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from opengato.core.environment import TaskInfo
from opengato.core.episode import ArraySpec, Episode, objects
from opengato.core.serialize import Serializer
from opengato.data.store import MANIFEST, EpisodeStore, StoreWriter, read_manifest
from opengato.envs import find_task
from opengato.evaluators.arena import Contestant, Suite
from opengato.train.prepare import collect_store, import_stores

VALIDATION = 0.05  # share of the episodes of each task that nobody trains on
ORIGIN = "divided_from"


def bring(suite: Suite, contestants: Sequence[Contestant], data: Path, workers: int) -> tuple[Suite, dict[str, str]]:
    """Collect and import what is missing; the suite of the sources that all can read, and why others are left out."""
    left_out: dict[str, str] = {}
    for name, source in suite.sources.items():
        if source.jobs:
            examples = [example(find_task(job.task)) for job in source.jobs]
            if why := unreadable(contestants, examples):
                left_out[name] = why
                continue
            collect_store(source.jobs, suite.folder(name, data), workers)
        else:
            import_stores((name,), data)
            if why := unreadable(contestants, first_of_each_task(suite.folder(name, data), source.learnt)):
                left_out[name] = why
                continue
        divide(suite.folder(name, data), suite.divided(name, data))
    kept = {name: source for name, source in suite.sources.items() if name not in left_out}
    if not kept:
        raise ValueError(f"suite {suite.name!r} has no source that all contestants can read: {left_out}")
    return dataclasses.replace(suite, sources=kept), left_out


def unreadable(contestants: Sequence[Contestant], episodes: Sequence[Episode]) -> str | None:
    """Which contestant cannot lay out one of the episodes, and why; None where all can."""
    for contestant in contestants:
        serializer: Serializer = contestant.recipe.train.agent.serializer()
        for episode in episodes:
            try:
                serializer.episode(episode)
            except ValueError as error:
                return f"{contestant.name} cannot read {episode.task}: {error}"
    return None


def example(task: TaskInfo) -> Episode:
    """A step of a control task in its shapes, before anything is collected: zeros, or what is lowest."""
    return Episode(
        task=task.id,
        instruction=task.instruction,
        observation_specs=task.observation_specs,
        action_specs=task.action_specs,
        observations={name: lowest(spec) for name, spec in task.observation_specs.items()},
        actions={name: lowest(spec) for name, spec in task.action_specs.items()},
        rewards=np.zeros(1, np.float32),
    )


def lowest(spec: ArraySpec) -> np.ndarray:
    """One step's value (1, ...) that a spec allows."""
    if spec.kind == "text":
        return objects([""])
    low = 0.0 if spec.low is None else np.reshape(spec.low, spec.shape if isinstance(spec.low, tuple) else ())
    return np.broadcast_to(low, (1, *spec.shape)).astype(spec.dtype)


def first_of_each_task(folder: Path, tasks: Sequence[str]) -> list[Episode]:
    """The first episode of each task of a store, or of those that are named."""
    store = EpisodeStore(folder)
    places = [int(np.flatnonzero(store.task_E == number)[0]) for number in range(len(store.task_names))]
    return [store[place] for place in places if not tasks or store.task(place) in tasks]


def divide(whole: Path, out: Path) -> None:
    """Write a store in two parts, `out/train` and `out/validation`, unless they are there; its order is kept.

    Of each task the share `VALIDATION` goes to the latter, but two at least where half of them are as many; always the
    same ones. ValueError for a task of one episode.
    """
    store = EpisodeStore(whole)
    manifest = out / "validation" / MANIFEST
    if manifest.is_file() and read_manifest(manifest.parent)["extra"].get(ORIGIN) == store.fingerprint:
        return
    kept_E = np.zeros(len(store), bool)
    generator = np.random.default_rng(0)
    for number, task in enumerate(store.task_names):
        mine = np.flatnonzero(store.task_E == number)
        if len(mine) < 2:
            raise ValueError(f"{whole} holds one episode of {task}, expected two or more: one is for validation")
        count = min(max(2, round(VALIDATION * len(mine))), len(mine) // 2)
        kept_E[generator.permutation(mine)[:count]] = True
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name, chosen_E in (("train", ~kept_E), ("validation", kept_E)):
        with StoreWriter(partial / name, {**store.extra, ORIGIN: store.fingerprint}) as writer:
            writer.append(store[int(index)] for index in np.flatnonzero(chosen_E))
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
