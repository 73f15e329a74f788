"""The tree as the tests of the house see it: its files, its plug-ins, its functions."""

from __future__ import annotations

import ast
import functools
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "opengato"
PLUGIN_GROUPS = ("modalities", "backbones", "objectives", "envs", "sources", "evaluators")
# What .gitignore leaves out at the root, so that a copy of the tree without git is judged alike.
IGNORED = {".git", ".venv", ".tools", "runs", "data", "out", "checkpoints", "dist", "build", "shared"}
CACHES = {"__pycache__", ".pytest_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis"}


@functools.cache
def tree() -> tuple[Path, ...]:
    """Every file that belongs to the project, sorted."""
    found = []
    for folder, names, files in os.walk(ROOT):
        top = Path(folder) == ROOT
        names[:] = [n for n in names if n not in CACHES and not n.endswith(".egg-info") and not (top and n in IGNORED)]
        found += [Path(folder, file) for file in files if not file.endswith((".log", ".pyc"))]
    return tuple(sorted(found))


def sources() -> list[Path]:
    """The Python files of the package."""
    return [path for path in tree() if PACKAGE in path.parents and path.suffix == ".py"]


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def place(path: Path, node: ast.stmt | ast.expr | ast.arg | None = None) -> str:
    """`src/opengato/core/episode.py:12`, for a message to click on."""
    return str(path.relative_to(ROOT)) + (f":{node.lineno}" if node is not None else "")


def plugin_of(path: Path) -> tuple[str, str] | None:
    """(group, plug-in) of a file in a plug-in's folder, e.g. ("envs", "babyai"); None for any other file."""
    parts = path.relative_to(PACKAGE).parts
    return (parts[0], parts[1]) if len(parts) > 2 and parts[0] in PLUGIN_GROUPS else None
