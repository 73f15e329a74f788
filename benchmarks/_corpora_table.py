"""The tables of corpora and of what simple methods reach on them, for docs/senses.md, from cards and baselines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opengato.core.config import plugin
from opengato.core.views import drawing_task, retrieval_task, task_on
from opengato.data.importing import corpora
from opengato.evaluators.imported import BASELINES
from opengato.sources import SourceCard

SOURCES = Path(__file__).parents[1] / "src" / "opengato" / "sources"
MOST_TASKS = 4  # of a corpus and a family that are named one by one
CORPORA = ("corpus", "tasks", "what", "licence", "split")
MEASURED = ("task", "train", "test", "simple methods")
PAIRS = ("pairs", "train", "test", "right of 16", "recall at 10", "AUROC", "bits per picture")


def cards() -> list[SourceCard]:
    """The card of every corpus, by name."""
    return [plugin("sources", name).Source.card for name in corpora()]


def all_corpora(_found: object = None) -> str:
    """One row a corpus."""
    rows = ""
    for card in cards():
        what = f"{card.what} (synthetic)" if card.synthetic else card.what
        rows += _row((f"`{card.name}`", named(card.tasks), what, card.licence, card.split))
    return _head(CORPORA) + rows


def baselines(_found: object = None) -> str:
    """One row a task that has been measured, with its episodes in each split."""
    rows = ""
    for card in cards():
        body = measured(card)
        for task in (task for task in card.tasks if task in body["tasks"] and task.partition("/")[0] != "caption"):
            said = "; ".join(f"{name} {value:.3g}" for name, value in body["tasks"][task].items())
            rows += _row((f"`{task}`", *_counts(body["items"][task]), said))
    return _head(MEASURED) + rows


def pairs(_found: object = None) -> str:
    """One row a task about pairs, with what is reached where something else is asked about them.

    Of several methods that of drawings is the last, which knows most.
    """
    rows = ""
    for card in cards():
        found: dict[str, Any] = measured(card)["tasks"]
        for task in card.tasks:
            choice = task if task.partition("/")[0] == "caption" else ""
            drawn = drawing_task(task) if choice else ""
            asked = (choice, retrieval_task(task), task_on("anomaly", task), drawn)
            cells = [f"{list(found[one].values())[-1]:.3g}" if one in found else "" for one in asked]
            if any(cells):
                known = next(one for one in asked if one in found)
                rows += _row((f"`{task}`", *_counts(measured(card)["items"][known]), *cells))
    return _head(PAIRS) + rows


def measured(card: SourceCard) -> dict[str, Any]:
    """What the file of a corpus says of simple methods."""
    path = SOURCES / card.name / BASELINES
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"tasks": {}}


def _counts(items: dict[str, int]) -> tuple[str, str]:
    return f"{items['train']:,}", f"{items['test']:,}"


def named(tasks: tuple[str, ...]) -> str:
    """The ids of tasks; of many of one family the first, and how many more."""
    families: dict[str, list[str]] = {}
    for task in tasks:
        families.setdefault(task.partition("/")[0], []).append(f"`{task}`")
    parts = []
    for ids in families.values():
        parts += ids if len(ids) <= MOST_TASKS else [f"{ids[0]} and {len(ids) - 1} more"]
    return ", ".join(parts)


def _head(names: tuple[str, ...]) -> str:
    return f"| {' | '.join(names)} |\n|{' --- |' * len(names)}\n"


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"
