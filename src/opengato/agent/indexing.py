"""Makes an index of a folder, and keeps it: only files that are new or changed are embedded.

Letters: N vectors of a file, D width.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from opengato.agent.files import CONFIG, WEIGHTS, find_agent, shipped
from opengato.agent.index import KINDS, Entry, Index, Made, unit
from opengato.agent.model import Agent
from opengato.core.episode import Kind
from opengato.core.media import file_kind
from opengato.core.serialize import TEXT
from opengato.data.store import sha256_file

PASSAGE = 400  # characters at most of a text behind one vector
MOST_PASSAGES = 1000  # of one text
BATCH = 16  # files that are embedded together
WORD = re.compile(r"\S")
ENDS = ("\n\n", ". ", "。", " ")
UNREADABLE = (ValueError, OSError, ImportError)  # of a file; ours say what to do


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a folder, and its place there."""

    path: Path
    file: str
    kind: Kind

    def entry(self) -> Entry:
        """What an index says of it, but for its passages."""
        about, digest = self.path.stat(), sha256_file(self.path)
        return Entry(file=self.file, kind=self.kind, size=about.st_size, modified=about.st_mtime_ns, sha256=digest)

    def is_still(self, entry: Entry) -> bool:
        """Whether it is as an index has it, as far as can be told without reading it."""
        about = self.path.stat()
        return (self.kind, about.st_size, about.st_mtime_ns) == (entry.kind, entry.size, entry.modified)


def listed(folder: Path) -> Iterator[Found]:
    """Every text, picture, sound and film in a folder and below; what begins with a dot is passed over.

    ValueError where there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is no folder; expected one with files in it")
    for place, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if name.startswith(".") or not path.is_file():
                continue
            try:
                kind = file_kind(path)
            except OSError:  # nobody may read it
                continue
            if kind is not None:
                yield Found(path, path.relative_to(folder).as_posix(), kind)


def senses(agent: Agent) -> tuple[Kind, ...]:
    """The kinds of files that an agent can read."""
    return tuple(kind for kind in KINDS if f"observation/{kind}" in agent.config.routes)


def made_by(name: str) -> Made:
    """Who makes vectors: a shipped agent, or the folder of one, with a digest of its config and weights."""
    folder = find_agent(name)
    digest = hashlib.sha256((folder / CONFIG).read_bytes() + sha256_file(folder / WEIGHTS).encode()).hexdigest()
    return Made(agent=name if name in shipped() else str(Path(name).resolve()), weights=digest)


def inputs_of(path: Path, kind: Kind) -> tuple[tuple[int, ...], list[list[Any]]]:
    """Where each part of a file begins, and what an agent embeds of it; ValueError for a text without a word."""
    if kind != TEXT.kind:
        return (0,), [[path.read_bytes()]]
    parts = passages(path.read_text(encoding="utf-8-sig"))
    if not parts:
        raise ValueError("it holds no text")
    return tuple(start for start, _ in parts), [[part] for _, part in parts]


def passages(text: str, longest: int = PASSAGE, most: int = MOST_PASSAGES) -> list[tuple[int, str]]:
    """A text in parts of at most `longest` characters, each with where it begins.

    They end where a paragraph does, a sentence or a word, but for what is too long without any.

    >>> passages("One two. Three four five.", longest=12)
    [(0, 'One two.'), (9, 'Three four'), (20, 'five.')]
    """
    found: list[tuple[int, str]] = []
    start = 0
    while len(found) < most and (begin := WORD.search(text, start)) is not None:
        start = begin.start()
        part = text[start : start + longest]
        if start + longest < len(text):
            ends = [part.rfind(mark, longest // 2) + len(mark) for mark in ENDS]
            part = part[: next((end for end in ends if end > longest // 2), longest)]
        found.append((start, part.rstrip()))
        start += len(part)
    return found


class Update:
    """An index on its way to what a folder holds.

    `done` has what is there, with `kept` files of before that are as they were, moved or copied; `todo` what is to be
    embedded; `failed` why a file could not be; `gone` how many are no longer there, `unsensed` how many an agent has no
    sense for.
    """

    def __init__(self, agent: Agent, made: Made, folder: Path, before: Index | None) -> None:
        self.agent, self.made = agent, made
        self.done: dict[str, tuple[Entry, np.ndarray]] = {}
        self.todo: list[Found] = []
        self.failed: dict[str, str] = {}
        self.unsensed = 0
        before = before if before is not None and before.made.weights == made.weights else None
        self._cells = None if before is None else before.cells
        known = {} if before is None else by_file(before)
        by_digest = {(entry.kind, entry.sha256): (entry, vector_ND) for entry, vector_ND in known.values()}
        can = senses(agent)
        for found in listed(folder):
            if found.kind not in can:
                self.unsensed += 1
                continue
            old = known.get(found.file)
            if old is not None and found.is_still(old[0]):
                self.done[found.file] = old
                continue
            entry = found.entry() if by_digest else None
            same = None if entry is None else by_digest.get((entry.kind, entry.sha256))
            if entry is None or same is None:
                self.todo.append(found)
            else:
                self.done[found.file] = replace(entry, passages=same[0].passages), same[1]
        self.kept = len(self.done)
        self.gone = len(known.keys() - self.done.keys() - {found.file for found in self.todo})

    def run(self) -> Iterator[int]:
        """Embed what is due, and yield how many files that were; it may be broken off after any."""
        while self.todo:
            batch = self.todo[:BATCH]
            try:
                self._embed(batch)
            except UNREADABLE:
                for found in batch:
                    try:
                        self._embed([found])
                    except UNREADABLE as error:
                        self.failed[found.file] = str(error)
            self.todo = self.todo[BATCH:]
            yield len(batch)

    def _embed(self, batch: Sequence[Found]) -> None:
        entries = [found.entry() for found in batch]  # before its bytes are read: what changes meanwhile is new again
        parts = [inputs_of(found.path, found.kind) for found in batch]
        vector_ND = unit(self.agent.embed([inputs for _, items in parts for inputs in items]))
        start = 0
        for entry, (starts, _) in zip(entries, parts, strict=True):
            rows = vector_ND[start : start + len(starts)]
            self.done[entry.file] = replace(entry, passages=starts), rows
            start += len(starts)

    def index(self) -> Index:
        """What there is by now; ValueError if that is nothing."""
        if not self.done:
            why = "; ".join(f"{file}: {reason}" for file, reason in list(self.failed.items())[:3])
            raise ValueError(f"there is no file here that this agent can read{': ' + why if why else ''}")
        ordered = [self.done[file] for file in sorted(self.done)]
        rows = np.concatenate([vector_ND for _, vector_ND in ordered])
        entries = tuple(entry for entry, _ in ordered)
        return Index(made=self.made, entries=entries, vector_ND=rows, cells=self._cells)


def by_file(index: Index) -> dict[str, tuple[Entry, np.ndarray]]:
    """The entry of each file, and its vectors (N, D)."""
    ends = np.cumsum([len(entry.passages) for entry in index.entries])
    parts = np.split(index.vector_ND, ends[:-1])
    return {entry.file: (entry, rows) for entry, rows in zip(index.entries, parts, strict=True)}
