"""`opengato import` and `opengato data`: stores and what goes into them. No torch here."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from opengato.cli.arguments import DataShow, DataStats, DataValidate, Export, Import
from opengato.core.config import choose, plugin
from opengato.data.importing import corpora, export_store, format_of, formats, import_format, import_source
from opengato.data.store import EpisodeStore
from opengato.data.validate import main_show, main_stats, main_validate
from opengato.sources import SourceCard
from opengato.sources.format import Labels, Options


def import_data(arguments: Import) -> None:
    """Import a corpus, or episodes of another format; or list them."""
    if arguments.name is None or arguments.list:
        list_sources(arguments.json)
        return
    if ":" in arguments.name or arguments.name in formats():
        labels = Labels(task=arguments.task, instruction=arguments.instruction)
        with contextlib.redirect_stdout(sys.stderr):
            done = import_format(arguments.name, arguments.out, labels)
    else:
        choose(arguments.name, [*corpora(), *formats()], what="corpus or format")
        if arguments.task or arguments.instruction:
            raise ValueError(f"--task and --instruction name episodes of a format; {arguments.name!r} is a corpus")
        # The bars of an import must not stand between what a program reads.
        with contextlib.redirect_stdout(sys.stderr):
            allow = arguments.allow_other_version
            done = import_source(arguments.name, arguments.out / arguments.name, allow_other_version=allow)
    if arguments.json:
        print(json.dumps(done, indent=1))
        return
    parts = done.get("splits", {"": done})
    for folder, counts in ((Path(done["out"]) / split, counts) for split, counts in parts.items()):
        print(f"{folder}: {counts['episodes']} episodes, {counts['bytes'] / 1e6:.1f} MB")
    if "tasks" in done:
        print(f"tasks: {', '.join(done['tasks'])}")
    print(f"licence: {done['licence']}")


def export(arguments: Export) -> None:
    """Write a store in another format."""
    options = Options(video=arguments.video, fps=arguments.fps)
    done = export_store(arguments.folder, arguments.to, arguments.out, arguments.task, options)
    print(json.dumps(done, indent=1) if arguments.json else f"{done['out']}: {done['episodes']} episodes")


def list_sources(as_json: bool) -> None:
    """Every corpus with what it is and its licence, and every format."""
    cards: list[SourceCard] = [plugin("sources", name).Source.card for name in corpora()]
    known = {name: format_of(name).title for name in formats()}
    keys = ("name", "title", "what", "tasks", "licence", "split", "synthetic")
    if as_json:
        print(json.dumps([{key: getattr(card, key) for key in keys} for card in cards], indent=1))
        return
    table = Table(title="opengato import NAME", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("tasks", no_wrap=True)
    for name in ("what", "licence"):
        table.add_column(name)
    for card in cards:
        table.add_row(card.name, "\n".join(card.tasks), card.title, card.licence)
    Console().print(table)
    formatted = Table(title="opengato import FORMAT:PLACE", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("format", "what"):
        formatted.add_column(name)
    for row in known.items():
        formatted.add_row(*row)
    Console().print(formatted)


def validate(arguments: DataValidate) -> int:
    """Exit code 1 if the store has problems."""
    return main_validate(arguments.folder, arguments.json)


def stats(arguments: DataStats) -> int:
    """A table of a store's tasks."""
    return main_stats(arguments.folder, arguments.json)


def show(arguments: DataShow) -> int:
    """One episode of a store."""
    store = EpisodeStore(arguments.folder)
    if not -len(store) <= arguments.index < len(store):
        raise ValueError(f"received {arguments.index}, but {str(arguments.folder)!r} has {len(store)} episodes")
    if arguments.render is not None:
        from opengato.evaluators.replay import render  # it waits for torch, as the rest does not

        print(render(store[arguments.index], arguments.render, arguments.size))
        return 0
    if arguments.tokens:
        from opengato.cli.positions import as_line, of_episode

        for position in of_episode(arguments.folder, arguments.index, arguments.recipe):
            print(json.dumps(dataclasses.asdict(position)) if arguments.json else as_line(position))
        return 0
    return main_show(arguments.folder, arguments.index, arguments.json)
