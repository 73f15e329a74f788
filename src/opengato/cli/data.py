"""`opengato import` and `opengato data`: stores and what goes into them. No torch here."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from opengato.cli.arguments import DataShow, DataStats, DataValidate, Import
from opengato.core.config import choose, plugin, plugins
from opengato.data.importing import import_source
from opengato.data.store import EpisodeStore
from opengato.data.validate import main_show, main_stats, main_validate
from opengato.sources import SourceCard


def import_corpus(arguments: Import) -> None:
    """Import a corpus, or list them."""
    if arguments.name is None or arguments.list:
        list_corpora(arguments.json)
        return
    choose(arguments.name, plugins("sources"), what="corpus")
    # The bars of an import must not stand between what a program reads.
    with contextlib.redirect_stdout(sys.stderr):
        allow = arguments.allow_other_version
        done = import_source(arguments.name, arguments.out / arguments.name, allow_other_version=allow)
    if arguments.json:
        print(json.dumps(done, indent=1))
        return
    for split, counts in done["splits"].items():
        folder = Path(done["out"]) / split
        print(f"{folder}: {counts['episodes']} episodes, {counts['bytes'] / 1e6:.1f} MB")
    print(f"licence: {done['licence']}")


def list_corpora(as_json: bool) -> None:
    """Every corpus with what it is and its licence."""
    cards: list[SourceCard] = [plugin("sources", name).Source.card for name in plugins("sources")]
    keys = ("name", "title", "what", "task", "licence", "split", "synthetic")
    if as_json:
        print(json.dumps([{key: getattr(card, key) for key in keys} for card in cards], indent=1))
        return
    table = Table(title="opengato import NAME", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("task", no_wrap=True)
    for name in ("what", "licence"):
        table.add_column(name)
    for card in cards:
        table.add_row(card.name, card.task, card.title, card.licence)
    Console().print(table)


def validate(arguments: DataValidate) -> int:
    """Exit code 1 if the store has problems."""
    return main_validate(arguments.folder, arguments.json)


def stats(arguments: DataStats) -> int:
    """A table of a store's tasks."""
    return main_stats(arguments.folder, arguments.json)


def show(arguments: DataShow) -> int:
    """One episode of a store."""
    episodes = len(EpisodeStore(arguments.folder))
    if not -episodes <= arguments.index < episodes:
        raise ValueError(f"received --index {arguments.index}, but {str(arguments.folder)!r} has {episodes} episodes")
    return main_show(arguments.folder, arguments.index, arguments.json)
