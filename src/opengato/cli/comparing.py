"""`opengato compare`: the arena."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from pathlib import Path

from rich import box
from rich.table import Table

from opengato import recipes
from opengato.cli.arena_arguments import Compare
from opengato.cli.printing import wide_console
from opengato.core.config import override
from opengato.evaluators.arena import GIVEN, Contestant, Suite
from opengato.evaluators.arena_page import arena_page
from opengato.evaluators.arena_report import OUTCOME, Config, arena_lines, compete
from opengato.recipes import suites

PAGE = "arena.html"
NEXT_SETTING = re.compile(r",(?=[A-Za-z_][\w./-]*=)")  # a comma within a value stands before no name


def compare(arguments: Compare) -> None:
    """Run what is missing of an arena; print its table and its verdicts, write its page."""
    suite = suite_of(arguments)
    out = arguments.out or Path("runs") / f"arena-{suite.name}"
    config = Config(
        seeds=arguments.seeds,
        flops=arguments.flops,
        jobs=arguments.jobs,
        workers=os.cpu_count() or 1 if arguments.workers is None else arguments.workers,
    )
    contestants = [contestant(word) for word in arguments.contestants]
    try:
        body = compete(contestants, suite, out, arguments.data, config, lambda line: print(line, file=sys.stderr))
    except SystemExit:  # a signal, after a checkpoint
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        raise
    page = out / PAGE
    page.write_text(arena_page(body), encoding="utf-8")
    head, *lines = arena_lines(body)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number else "left")
    for line in lines:
        table.add_row(*line)
    wide_console().print(table)
    for verdict in body["verdicts"]:
        print(verdict["words"])
    for path in (out / OUTCOME, page):
        print(f"written: {path}", file=sys.stderr)


def suite_of(arguments: Compare) -> Suite:
    """The suite that was asked for, as much of it as was asked for."""
    if arguments.steps is not None and arguments.flops is not None:
        raise ValueError("received --steps and --flops, which both say how long a run is; give one of them")
    suite = suites.load(arguments.suite)
    amounts = {name: getattr(arguments, name) for name in ("steps", "tries")}
    suite = dataclasses.replace(suite, **{name: value for name, value in amounts.items() if value is not None})
    if arguments.episodes is None:
        return suite
    return dataclasses.replace(suite, settings=dataclasses.replace(suite.settings, episodes=arguments.episodes))


def contestant(word: str) -> Contestant:
    """A recipe, or one with settings changed; ValueError for settings that the arena gives to all alike."""
    name, _, settings = word.partition(":")
    assignments = NEXT_SETTING.split(settings) if settings else []
    for setting in (assignment.partition("=")[0] for assignment in assignments):
        if GIVEN.match(setting):
            raise ValueError(
                f"{word!r} sets {setting!r}, which the arena gives to all contestants alike; leave it out: how long "
                "runs are, and which data they see, is up to --steps, --flops and --suite"
            )
    return Contestant(name=word, recipe=override(recipes.load(name), assignments))
