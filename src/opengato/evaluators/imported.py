"""Held-out episodes of corpora that `opengato import` fetched, and what simple methods reach on them."""

from __future__ import annotations

import functools
import importlib.resources
import json
from pathlib import Path
from typing import ClassVar

import numpy as np

from opengato.core.config import choose, plugin
from opengato.core.episode import Episode
from opengato.data.importing import corpora
from opengato.data.store import MANIFEST, EpisodeStore, read_manifest
from opengato.evaluators.contract import Evaluator, Settings
from opengato.evaluators.heldout import held_out_tasks

BASELINES = "baselines.json"


@functools.cache
def _source_by_task() -> dict[str, str]:
    return {task: name for name in corpora() for task in plugin("sources", name).Source.card.tasks}


def imported_tasks(family: str) -> list[str]:
    """All tasks of a family that a corpus has, imported or not."""
    return sorted(task for task in _source_by_task() if task.partition("/")[0] == family)


def known_tasks(family: str) -> list[str]:
    """All tasks of a family that the shipped sample or a corpus has something held out of."""
    return sorted({*held_out_tasks(family), *imported_tasks(family)})


def source_of(task_id: str) -> str:
    """The name of the corpus that a task comes from; ValueError with the near ones where there is none."""
    return _source_by_task()[choose(task_id, _source_by_task(), what="task of a corpus")]


def not_imported(task_id: str, data: Path) -> str | None:
    """Why a task cannot be measured with the stores in folder `data`; None where it can."""
    if _folder(task_id, data) is not None:
        return None
    name = _source_by_task().get(task_id)
    if name is not None:
        return f"its held-out data are not in {data / name}: run `opengato import {name} --out {data}`"
    return (
        f"no corpus has it, and no store in {data} holds episodes of it that are held out: import yours with `opengato "
        f"import folder:PLACE --task {task_id} --out {data}`"
    )


def unavailable(task_id: str, data: Path) -> str | None:
    """Why nothing held out of a task can be had; None where it can. The shipped sample always can."""
    return None if task_id in held_out_tasks(task_id.partition("/")[0]) else not_imported(task_id, data)


def _folder(task_id: str, data: Path) -> Path | None:
    """Where the splits of a task lie, if its held-out one is there: a corpus, or what a user imported."""
    name = _source_by_task().get(task_id)
    if name is not None:
        return data / name if (data / name / "test").is_dir() else None
    manifests = sorted(data.glob(f"*/test/{MANIFEST}"))
    return next((path.parents[1] for path in manifests if task_id in read_manifest(path.parent)["tasks"]), None)


def held_out_episodes(
    task_id: str, data: Path, split: str = "test", documents: int | None = None, seed: int = 0
) -> list[Episode]:
    """The episodes of a task that no training saw (or those it may see, with `split` "train"), in the store's order.

    With `documents`, at most so many, drawn by `seed`: the first of a store may all have one label.
    """
    store = _store(task_id, data, split)
    found = (
        np.flatnonzero(store.task_E == store.task_names.index(task_id)) if task_id in store.tasks() else np.array([])
    )
    if documents is not None and documents < len(found):
        found = np.sort(np.random.default_rng(seed).permutation(found)[:documents])
    return [store[int(index)] for index in found]


def num_held_out(task_id: str, settings: Settings) -> int:
    """How many held-out episodes of a task there are to measure."""
    found = _store(task_id, settings.data, "test").tasks().get(task_id, 0)
    return found if settings.documents is None else min(found, settings.documents)


def _store(task_id: str, data: Path, split: str) -> EpisodeStore:
    folder = _folder(task_id, data)
    if folder is None:
        raise ValueError(f"{task_id}: {not_imported(task_id, data)}")
    return EpisodeStore(folder / split)


def baselines(task_id: str, about: str | None = None) -> dict[str, float]:
    """What simple methods reach on the held-out episodes of a task, by name: `sources/NAME/baselines.json`.

    `about` is the task whose episodes they are, where it has another id.
    """
    name = _source_by_task().get(about or task_id)
    path = Path(str(importlib.resources.files("opengato") / "sources" / (name or "") / BASELINES))
    if not path.is_file():
        return {}
    return json.loads(path.read_text(encoding="utf-8"))["tasks"].get(task_id, {})


class ImportedEvaluator(Evaluator):
    """What measures the held-out episodes of stores alone: those of families named in `measured`."""

    measured: ClassVar[tuple[str, ...]]
    from_stores = True

    def families(self) -> list[str]:
        return list(self.measured)

    def tasks(self, family: str) -> list[str]:
        return imported_tasks(family)

    def unfit(self, task_id: str, settings: Settings | None = None) -> str | None:
        return not_imported(task_id, (settings or Settings()).data)

    def num_samples(self, task_id: str, settings: Settings) -> int:
        return num_held_out(task_id, settings)
