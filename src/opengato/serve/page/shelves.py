"""Stores of episodes and logs of trainings, for browsing: only what lies in the folders that the page was given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from opengato.agent.model import Agent
from opengato.core.episode import Episode, is_absent
from opengato.core.picture import decoded
from opengato.data.store import MANIFEST, EpisodeStore
from opengato.serve.page.cells import cells
from opengato.serve.page.exhibits import Exhibits
from opengato.serve.page.looking import png_of, url_of
from opengato.serve.refused import Refused

PAGE = 50  # episodes
MOST_STEPS = 200
MOST_NUMBERS = 12
MOST_BYTES = 2_000_000  # of a log, at once
THUMB = 192
LOG = "log.jsonl"


class Shelves:
    """What of `exhibits` there is to browse; folders are looked at anew each time, since data grow."""

    def __init__(self, agent: Agent, exhibits: Exhibits) -> None:
        self.agent, self.exhibits = agent, exhibits

    def _stores(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for folder in self.exhibits.stores:
            manifests = [*folder.glob(MANIFEST), *folder.glob(f"*/{MANIFEST}"), *folder.glob(f"*/*/{MANIFEST}")]
            for path in sorted(manifests):
                place = path.parent.relative_to(folder).as_posix()
                found.setdefault(folder.name if place == "." else place, path.parent)
        return found

    def _open(self, name: str) -> EpisodeStore:
        folder = self._stores().get(name)
        if folder is None:
            raise Refused(404, "store: there is no such store", "store")
        return EpisodeStore(folder, skip_bad=False)

    def stores(self) -> list[dict[str, Any]]:
        """The stores, with the count of their episodes by task."""
        found = []
        for name, folder in self._stores().items():
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            tasks = {task: counts["episodes"] for task, counts in sorted(manifest.get("tasks", {}).items())}
            extra = {key: str(value) for key, value in manifest.get("extra", {}).items() if key in ("title", "licence")}
            found.append({"name": name, "episodes": manifest.get("episodes", 0), "tasks": tasks, **extra})
        return found

    def episodes(self, name: str, task: str | None, success: str | None, first: int) -> dict[str, Any]:
        """The episodes of a store from number `first` of those that pass the filters on."""
        store = self._open(name)
        keep = np.ones(len(store), bool)
        if task:
            keep &= np.array([known == task for known in store.task_names], bool)[store.task_E]
        succeeded, returns = store.column("success"), store.column("episode_return")
        if success in ("true", "false"):
            keep &= np.array([value is not None and bool(value) == (success == "true") for value in succeeded], bool)
        numbers = np.flatnonzero(keep)
        shown = [
            {
                "number": int(n),
                "task": store.task(int(n)),
                "steps": store.num_steps(int(n)),
                "return": float(returns[n]),
                "success": None if succeeded[n] is None else bool(succeeded[n]),
            }
            for n in numbers[first : first + PAGE]
        ]
        return {"total": len(numbers), "first": first, "episodes": shown}

    def episode(self, name: str, number: int) -> dict[str, Any]:
        """One episode: its steps in words and pictures, and its positions as the agent would read them."""
        store = self._open(name)
        if not 0 <= number < len(store):
            raise Refused(404, f"number: the store holds {len(store)} episodes", "number")
        episode = store[number]
        try:
            read, why = cells(self.agent, self.agent.serializer.episode(episode)), None
        except ValueError as error:
            read, why = [], str(error)
        return {
            "task": episode.task,
            "instruction": episode.instruction,
            "return": episode.episode_return,
            "success": episode.success,
            "num_steps": episode.num_steps,
            "provenance": json.loads(json.dumps(episode.provenance, default=str)),
            "steps": [step_of(episode, step) for step in range(min(episode.num_steps, MOST_STEPS))],
            "cells": read,
            "unreadable": why,
        }

    def runs(self) -> list[dict[str, Any]]:
        """Trainings that have a log, the one that was written last first."""
        folder = self.exhibits.runs
        logs = [] if folder is None else [*folder.glob(f"*/{LOG}"), *folder.glob(f"*/*/{LOG}")]
        told = [(path.stat().st_mtime, path) for path in logs]
        assert folder is not None or not told
        return [
            {"name": path.parent.relative_to(folder).as_posix(), "changed": changed}  # ty: ignore[invalid-argument-type]
            for changed, path in sorted(told, reverse=True)
        ]

    def run(self, name: str, after: int) -> dict[str, Any]:
        """The rows of a log from byte `after` on, and where to go on."""
        if name not in {run["name"] for run in self.runs()}:
            raise Refused(404, "run: there is no such run", "run")
        assert self.exhibits.runs is not None
        with (self.exhibits.runs / name / LOG).open("rb") as file:
            file.seek(after)
            data = file.read(MOST_BYTES)
        whole = data[: data.rfind(b"\n") + 1]  # the last line may be under way
        rows = []
        for line in whole.splitlines():
            try:
                rows.append(json.loads(line, parse_constant=lambda _: None))
            except ValueError:
                continue
        return {"rows": rows, "after": after + len(whole)}


def step_of(episode: Episode, step: int) -> dict[str, Any]:
    """A step as values of JSON."""
    seen = {name: shown(values[step]) for name, values in episode.observations.items()}
    done = {name: shown(values[step]) for name, values in episode.actions.items()}
    return {"observation": seen, "action": done, "reward": round(float(episode.rewards[step]), 4)}


def shown(value: Any) -> dict[str, Any]:
    """A value as a text, a picture, or its first numbers."""
    if is_absent(value):
        return {"text": ""}
    if isinstance(value, str):
        return {"text": value[:4000]}
    if isinstance(value, bytes):
        try:
            return {"picture": thumb(decoded(value))}
        except ValueError:
            return {"text": f"{len(value)} bytes"}
    array = np.asarray(value)
    if array.ndim == 3 and array.shape[-1] == 3 and array.dtype == np.uint8:
        return {"picture": thumb(Image.fromarray(array))}
    numbers = array.reshape(-1)[:MOST_NUMBERS].tolist()
    return {"numbers": [round(float(n), 4) for n in numbers], "shape": list(array.shape)}


def thumb(picture: Image.Image) -> str:
    """A small copy as a data URL."""
    small = picture.copy()
    small.thumbnail((THUMB, THUMB))
    return url_of(png_of(small))
