"""`scores.json` of a task family: what random actions and the expert reach in each task; `opengato measure` writes it.

{"family": "metaworld", ..., "tasks": {"reach": {"expert": {"mean": 1.0, "std": 0.0, ...}, "random": {...}}}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from opengato.core.config import plugin
from opengato.core.environment import Score

FILE = "scores.json"
KEYS = ("mean", "std", "episodes", "seed", "success_rate", "seconds")


def family_folder(family: str) -> Path:
    """Where a family of the package lives."""
    return Path(str(plugin("envs", family).__file__)).parent


def read_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """The file's rows by task name, everything that was measured; none if there is no file."""
    path = folder / FILE
    return json.loads(path.read_text(encoding="utf-8"))["tasks"] if path.is_file() else {}


def read_versions(folder: Path) -> dict[str, str]:
    """With which packages the rows were measured; none if there is no file."""
    path = folder / FILE
    return json.loads(path.read_text(encoding="utf-8"))["versions"] if path.is_file() else {}


def read_scores(folder: Path) -> dict[str, dict[str, Any]]:
    """By task name the fields `random_score` and `expert_score` of its `TaskInfo`, where they are measured."""
    return {
        name: {f"{who}_score": Score(**{key: row[key] for key in KEYS if key in row}) for who, row in rows.items()}
        for name, rows in read_rows(folder).items()
    }


def write_rows(folder: Path, header: dict[str, Any], rows: dict[str, Any], order: Iterable[str]) -> None:
    """One task a line, so that a difference shows the tasks that changed; readers never see half a file."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(rows[name])}" for name in order if name in rows)
    draft = folder / f"{FILE}.part"
    draft.write_text(f'{json.dumps(header)[:-1]}, "tasks": {{\n{lines}\n}}}}\n', encoding="utf-8")
    draft.replace(folder / FILE)
