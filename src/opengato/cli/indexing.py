"""`opengato index` and `opengato search`: vectors of a folder that are kept, and what among them is near."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from opengato.agent.files import load_agent
from opengato.agent.index import PLACE, Hit, opened
from opengato.agent.index import Index as Vectors
from opengato.agent.indexing import Update, inputs_of, made_by, senses
from opengato.agent.model import Agent
from opengato.cli.agents import ACTING_THREADS
from opengato.cli.senses import NAMES
from opengato.cli.senses_arguments import Index, Search
from opengato.core.media import file_kind
from opengato.evaluators.found_page import Card, card, page

SAVE_SECONDS = 60.0  # between two times that what is done is kept
SHOWN_FAILURES = 10
NOT_TAUGHT = "this agent was not taught to retrieve: what it thinks of each file is compared as it is"


def index(arguments: Index) -> None:
    """Bring an index up to date, and say what that was."""
    torch.set_num_threads(ACTING_THREADS)
    folder, file = Path(arguments.folder).expanduser(), index_file(arguments.folder, arguments.file)
    agent, made = load_agent(arguments.agent), made_by(arguments.agent)
    before = Vectors.load(file) if file.is_file() else None
    update = Update(agent, made, folder, before)
    due = len(update.todo)
    if agent.config.contrast is None:
        print(NOT_TAUGHT, file=sys.stderr)
    try:
        with_bar(update, file)
    finally:  # also what was done before Ctrl-C
        if update.done:
            count = keep(update, file)
    if not update.done:
        update.index()
    for name, why in list(update.failed.items())[:SHOWN_FAILURES]:
        print(f"left out: {name}: {why}", file=sys.stderr)
    facts = {
        "index": str(file),
        "files": len(update.done),
        "vectors": count,
        "embedded": due - len(update.failed),
        "kept": update.kept,
        "gone": update.gone,
        "left out": len(update.failed),
        "without a sense for": update.unsensed,
    }
    print(
        json.dumps(facts, indent=1) if arguments.json else ", ".join(f"{name}: {told}" for name, told in facts.items())
    )


def with_bar(update: Update, file: Path) -> None:
    """Embed what is due, under a bar, and keep what is done from time to time."""
    columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    kept = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), disable=not update.todo) as progress:
        bar = progress.add_task("embedding", total=len(update.todo))
        for count in update.run():
            progress.advance(bar, count)
            if update.done and time.monotonic() - kept > SAVE_SECONDS:
                update.index().save(file)
                kept = time.monotonic()


def keep(update: Update, file: Path) -> int:
    """Write what there is, with cells where it is much; how many vectors it has."""
    found = update.index()
    try:
        found = found.with_cells()
    except ImportError as error:
        print(f"each search will compare all {len(found.vector_ND):,} vectors: {error}", file=sys.stderr)
    found.save(file)
    return len(found.vector_ND)


def search(arguments: Search) -> None:
    """The nearest files first, with the cosine to the query."""
    if arguments.top < 1:
        raise ValueError(f"received --top {arguments.top}, expected 1 or more")
    if arguments.page is not None and arguments.page.suffix not in (".html", ".htm"):
        raise ValueError(f"received --page {str(arguments.page)!r}, expected a file that ends in .html")
    torch.set_num_threads(ACTING_THREADS)
    folder = Path(arguments.folder).expanduser()
    with opened(index_file(arguments.folder, arguments.file)) as vectors:
        name = arguments.agent or vectors.made.agent
        if made_by(name).weights != vectors.made.weights:
            raise ValueError(
                f"the index was made by other weights than those of {name!r}: name who made it with --agent, or run "
                f"again: opengato index {arguments.folder} --agent {name}"
            )
        agent = load_agent(name)
        if agent.config.contrast is None:
            print(NOT_TAUGHT, file=sys.stderr)
        kinds = () if arguments.kind is None else (arguments.kind,)
        vector = agent.embed([query_of(agent, arguments.query, name)])[0]
        hits = vectors.near(vector, arguments.top, kinds, exact=arguments.exact)
    cards = [card(folder / hit.entry.file, hit.entry.kind, hit.cosine, hit.passage) for hit in hits]
    if arguments.page is not None:
        arguments.page.parent.mkdir(parents=True, exist_ok=True)
        arguments.page.write_text(page(arguments.query, cards, arguments.page), encoding="utf-8")
        print(f"written: {arguments.page}", file=sys.stderr)
    tell(hits, cards, as_json=arguments.json)


def tell(hits: list[Hit], cards: list[Card], *, as_json: bool) -> None:
    """Print what was found; of a text where the passage begins, and the beginning of it."""
    if as_json:
        found = [
            {"file": str(shown.path), "kind": shown.kind, "cosine": round(hit.cosine, 4)}
            | ({"character": hit.passage, "passage": shown.passage} if shown.kind == "text" else {})
            for hit, shown in zip(hits, cards, strict=True)
        ]
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    for shown in cards:
        words = f": {shown.passage[:80]}" if shown.passage else ""
        print(f"{shown.cosine:7.3f}  {shown.path}{words}")


def query_of(agent: Agent, query: str, name: str) -> list[Any]:
    """What an agent embeds of a query, words or a file; ValueError if it has no sense for it."""
    path = Path(query).expanduser()
    kind = file_kind(path) if is_file(path) else "text"
    if kind is None:
        raise ValueError(f"{query!r} is a file, but no text, picture, sound or film")
    if kind not in senses(agent):
        has = ", ".join(NAMES[known] for known in senses(agent))
        raise ValueError(f"{name!r} has no sense for {NAMES[kind]} ({query}): it takes {has}")
    if not is_file(path):
        if not query.strip():
            raise ValueError("received an empty query; expected words, or the path of a file")
        return [query]
    _, parts = inputs_of(path, kind)
    return parts[0]


def is_file(path: Path) -> bool:
    """Whether words are the path of a file; a long sentence is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def index_file(folder: str, file: Path | None) -> Path:
    """Where the index of a folder lies."""
    return file or Path(folder).expanduser() / PLACE
