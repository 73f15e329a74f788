"""`opengato train` and `opengato recipes`."""

from __future__ import annotations

import ast
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from opengato import recipes
from opengato.cli.arguments import RecipesCp, RecipesGato, RecipesLs, RecipesShow, Train
from opengato.core.config import override, to_json
from opengato.data.store import MANIFEST, read_manifest
from opengato.recipes import gato_table
from opengato.train.distributed import is_first
from opengato.train.memory import of_recipe, on_meta
from opengato.train.run import Recipe, run


def train(arguments: Train) -> None:
    """Train a recipe with its settings, or say what would be trained."""
    recipe = override(recipes.load(arguments.recipe), list(arguments.settings))
    if arguments.dry_run:
        describe(recipe, arguments.data, as_json=arguments.json)
        return
    if arguments.json:
        raise ValueError("--json belongs to --dry-run; a run writes its figures to log.jsonl in its folder")
    out = arguments.out or Path("runs") / Path(arguments.recipe).stem
    try:
        run(recipe, out, arguments.data, arguments.workers)
    except SystemExit:  # a signal, after a checkpoint
        if is_first():
            print("\nstopped; the same command goes on from here", file=sys.stderr)
        raise
    if is_first():
        print(f"the agent is in {out / 'agent'}; measure it with: opengato evaluate {out}")


def describe(recipe: Recipe, data: Path, *, as_json: bool = False) -> None:
    """Print every setting as `a.b = value`, as `train` takes them, what data are there, parameters and memory."""
    config = recipe.train
    num_parameters = on_meta(config.agent).num_parameters
    memory = of_recipe(recipe)
    stores = {name: stored_episodes(recipe.folder(name, data)) for name in recipe.used}
    if as_json:
        found = {"recipe": to_json(recipe), "data": stores, "num_parameters": num_parameters}
        print(json.dumps({**found, "memory": memory.to_json()}, indent=1))
        return
    positions = recipe.rows * config.agent.context
    print(f"{num_parameters:,} parameters")
    rows = f"{recipe.rows} rows of {config.agent.context} positions"
    print(f"{config.steps:,} steps of {rows}: {config.steps * positions:,}")
    print(f"memory to train: {memory}")
    for name, episodes in stores.items():
        there = "not there: will be brought" if episodes is None else f"{episodes:,} episodes"
        print(f"data of {name}: {recipe.folder(name, data)}, {there}")
    print()
    for path, value in settings(recipe):
        print(f"{path} = {value}")


def stored_episodes(folder: Path) -> int | None:
    """Episodes of a store; None where there is none."""
    return read_manifest(folder)["episodes"] if (folder / MANIFEST).is_file() else None


def settings(config: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every setting of a config by its path, as `override` reads it; plans of episodes in short."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        members = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    elif isinstance(config, dict):
        members = config
    elif isinstance(config, tuple) and any(map(dataclasses.is_dataclass, config)):
        yield path, f"({len(config)} tasks, {sum(job.episodes for job in config):,} episodes)"
        return
    else:
        yield path, ",".join(map(str, config)) if isinstance(config, tuple) else str(config)
        return
    for name, value in members.items():
        yield from settings(value, f"{path}.{name}" if path else name)


def recipes_ls(arguments: RecipesLs) -> None:
    """Every recipe with the first line of its text."""
    found = {
        name: (ast.get_docstring(ast.parse(recipes.source(name))) or "").split("\n")[0] for name in recipes.names()
    }
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("recipe", no_wrap=True)
    table.add_column("what")
    for name, line in found.items():
        table.add_row(name, line.removeprefix(f"{name}: "))
    Console().print(table)


def recipes_show(arguments: RecipesShow) -> None:
    """The text of a recipe."""
    print(recipes.source(arguments.name), end="")


def recipes_cp(arguments: RecipesCp) -> None:
    """Write the text of a recipe to a new file."""
    text = recipes.source(arguments.name)
    if arguments.to.suffix != ".py":
        raise ValueError(f"received {str(arguments.to)!r}, expected the name of a new file that ends in .py")
    if arguments.to.exists():
        raise FileExistsError(f"{str(arguments.to)!r} exists; name another file, or delete this one")
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    arguments.to.write_text(text, encoding="utf-8")
    print(f"{arguments.to}; train it with: opengato train {arguments.to}")


def recipes_gato(arguments: RecipesGato) -> None:
    """Table 1 of Gato with what this project has of it."""
    if arguments.json:
        rows = [dataclasses.asdict(row) for row in gato_table.ROWS]
        print(json.dumps({"rows": rows, "covered": gato_table.covered()}, indent=1))
        return
    Console().print(gato_table.table())
