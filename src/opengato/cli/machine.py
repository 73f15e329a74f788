"""`opengato doctor` and `opengato bench`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

import opengato
from opengato import doctor as examination
from opengato.cli.arguments import Bench, Doctor
from opengato.core.config import choose


def doctor(arguments: Doctor) -> None:
    """Print what this machine has, and what a recipe would need of it; or what a recipe would need of GPUs."""
    if arguments.plan is not None:
        print_plan(arguments.plan, arguments)
        return
    training = None
    if arguments.recipe is not None:  # what loads torch waits for here: the doctor must work where torch is broken
        from opengato import recipes
        from opengato.train.memory import of_recipe

        memory = of_recipe(recipes.load(arguments.recipe))
        training = {"recipe": arguments.recipe, "needs": str(memory), **memory.to_json()}
    examination.main(json=arguments.json, training=training)


def print_plan(recipe: str, arguments: Doctor) -> None:
    """What a recipe would need of the GPUs."""
    from opengato import recipes
    from opengato.train import plan

    found = plan.plan(recipes.load(recipe), arguments.gpus, arguments.gpu, arguments.mfu)
    if arguments.json:
        print(json.dumps(found.to_json(), indent=1))
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for heading, line in plan.describe(found):
        table.add_row(heading, line)
    Console().print(table)


def bench(arguments: Bench) -> None:
    """Run benchmarks one after the other, up to the first that fails."""
    scripts = benchmark_scripts()
    chosen = [choose(name, scripts, what="benchmark") for name in arguments.names] or list(scripts)
    for name in chosen:
        if arguments.list:
            print(name)
            continue
        print(f"== {scripts[name]}", flush=True)
        done = subprocess.run([sys.executable, str(scripts[name])], check=False)
        if done.returncode:
            raise RuntimeError(f"the benchmark {name} ended with exit code {done.returncode}; it says why above")


def benchmark_scripts() -> dict[str, Path]:
    """Scripts by name: those of the checkout that this package is run from, or of the one we are in."""
    checkout = Path(opengato.__file__).parents[2]
    folders = [folder / "benchmarks" for folder in (checkout, Path.cwd())]
    for folder in folders:
        if scripts := {path.stem: path for path in sorted(folder.glob("[a-z]*.py"))}:
            return scripts
    raise ValueError(
        f"no benchmarks in {' nor in '.join(str(folder) for folder in dict.fromkeys(folders))}: they are part of the "
        "repository, not of the package; clone it and run this there"
    )
