"""`opengato finetune` and `opengato few-shot`."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from rich import box
from rich.table import Table

from opengato.cli.arguments import FewShot, Finetune
from opengato.cli.printing import wide_console
from opengato.cli.training import settings
from opengato.core.config import override, to_json
from opengato.evaluators import evaluators_by_family
from opengato.evaluators import few_shot as study
from opengato.evaluators.few_shot_report import plot_few_shot, study_tables
from opengato.train import adaptation
from opengato.train import finetune as tuning
from opengato.train.distributed import is_first


def finetune(arguments: Finetune) -> None:
    """Fine-tune an agent, or say how it would be done."""
    start = tuning.Start.of(arguments.agent)
    if arguments.meta:
        adapt(start, arguments)
        return
    config = tuning.defaults(start.num_parameters, arguments.mode)
    if arguments.spell:
        config = tuning.to_spell(config)
    config = dataclasses.replace(override(config, list(arguments.settings)), mode=arguments.mode)
    if arguments.dry_run:
        for path, value in settings(config):
            print(f"{path} = {value}")
        return
    if not arguments.data:
        raise ValueError("name at least one store of new episodes: --data FOLDER; `opengato collect` makes one")
    data = dict(store_and_weight(word) for word in arguments.data)
    replay = dict(share_of_old(word) for word in arguments.replay)
    out = (
        arguments.out or Path("runs") / f"{Path(arguments.agent).name}-{'spell' if arguments.spell else arguments.mode}"
    )
    try:
        agent = tuning.finetune(start, data, config, out, replay, tell=lambda line: print(line, file=sys.stderr))
    except SystemExit:  # a signal, after a checkpoint
        if is_first():
            print("\nstopped; the same command goes on from here", file=sys.stderr)
        raise
    if not is_first():
        return
    known = [task for task in agent.card["finetuned_on"] if task.partition("/")[0] in evaluators_by_family()]
    hint = f"; measure it with: opengato evaluate {out} --tasks '{','.join(known)}'" if known else ""
    print(f"the agent is in {out / 'agent'}{hint}")


def adapt(start: tuning.Start, arguments: Finetune) -> None:
    """Adapt to each task of the data by a few steps; a table of losses."""
    config = override(adaptation.Config(mode=arguments.mode), list(arguments.settings))
    if arguments.dry_run:
        for path, value in settings(config):
            print(f"{path} = {value}")
        return
    if not arguments.data or arguments.replay:
        raise ValueError("--meta takes stores of the tasks to adapt to, --data FOLDER, and no --replay")
    out = arguments.out or Path("runs") / f"{Path(arguments.agent).name}-meta"
    found = adaptation.adapt(start, arguments.data, config, out, tell=lambda line: print(line, file=sys.stderr))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="nats of unseen episodes after so many steps")
    for column in ("task", *found[0].losses):
        table.add_column(str(column), justify="left" if column == "task" else "right", no_wrap=True)
    for one in found:
        table.add_row(one.task, *(f"{loss:.3f}" for loss in one.losses.values()))
    wide_console().print(table)
    print(f"the agents are in {out}; measure one with: opengato evaluate {out}/TASK/steps-N")


def store_and_weight(word: str) -> tuple[str, float]:
    """A store and its weight, 1 where none is given: `data/mine=2`."""
    path, separator, weight = word.rpartition("=")
    if not separator or Path(word).exists():
        return word, 1.0
    try:
        return path, float(weight)
    except ValueError:
        raise ValueError(f"received {word!r}, expected a store, or a store and its weight: data/mine=2") from None


def share_of_old(word: str) -> tuple[str, float]:
    """A store and its share of what is read: `data/old=0.2`."""
    if "=" not in word:
        raise ValueError(f"received --replay {word!r}, expected a store and its share of what is read: data/old=0.2")
    return store_and_weight(word)


def few_shot(arguments: FewShot) -> None:
    """Run what is missing of a study; print its tables, draw its curves."""
    config = override(study.load(arguments.study), list(arguments.settings))
    if arguments.show:
        print(json.dumps(to_json(config), indent=1))
        return
    out = arguments.out or Path("runs") / f"few-shot-{Path(arguments.study).stem}"
    results = study.run(config, out, arguments.workers, tell=lambda line: print(line, file=sys.stderr))
    rows = study.summary(results, config.window)
    console = wide_console()
    console.print(study_tables(rows))
    print(f"written: {out / study.RESULTS}", file=sys.stderr)
    print(f"written: {plot_few_shot(rows, out / 'few_shot.png')}", file=sys.stderr)
