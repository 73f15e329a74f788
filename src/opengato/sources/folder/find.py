"""What lies in a folder: files with their words, from a table, from text files beside them, or from folders' names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opengato.sources.format import OURS
from opengato.sources.pictures import which

TABLE = "metadata.jsonl"
TABLES, TEXTS = (".csv", ".tsv", ".jsonl"), (".txt", ".md")
FILE_COLUMNS = ("file", "file_name", "filename", "path", "image", "audio", "video")
LABEL_COLUMNS = ("label", "category", "class")
TEXT_COLUMNS = ("text", "caption", "transcript", "transcription", "sentence", "answer", *LABEL_COLUMNS)
QUESTION_COLUMNS = ("question", "instruction", "prompt")
MOST_LABELS = 20  # named in the question; of more, the question would be longer than the rest


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A file (none for a text alone) and its words. `name` says where it stands; `family` of task, if that is clear.

    `file_is_text` where the text is a whole file, which may be long; `ours` is what an export of ours noted.
    """

    name: str
    text: str
    file: Path | None = None
    question: str | None = None
    family: str | None = None
    file_is_text: bool = False
    ours: dict[str, Any] | None = None


def items(place: Path, problems: list[str]) -> Iterator[Item]:
    """All items of a folder, or of one file, sorted; what cannot be read is added to `problems`."""
    if place.is_file():
        yield from _table(place, problems) if place.suffix in TABLES else _texts([place], place.parent, problems)
        return
    if not place.is_dir():
        raise ValueError(f"expected a folder or a table (.csv, .tsv, .jsonl), found nothing at {str(place)!r}")
    files = [
        path
        for path in sorted(place.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(place).parts)
    ]
    tables = [path for path in files if path.suffix in TABLES]
    texts = [path for path in files if path.suffix in TEXTS]
    media = [path for path in files if path.suffix not in (*TABLES, *TEXTS)]
    if tables:
        for table in tables:
            yield from _table(table, problems)
    elif not media:
        yield from _texts(texts, place, problems)
    elif texts:
        yield from _beside(media, texts, place, problems)
    else:
        yield from _by_folder(media, place, problems)


def _read(path: Path) -> str:
    """A text in UTF-8; ValueError for another encoding."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start}); save it so") from error


def _texts(paths: Sequence[Path], place: Path, problems: list[str]) -> Iterator[Item]:
    for path in paths:
        name = str(path.relative_to(place))
        try:
            yield Item(name=name, text=_read(path), file_is_text=True)
        except ValueError as error:
            problems.append(f"{name}: {error}")


def _beside(media: Sequence[Path], texts: Sequence[Path], place: Path, problems: list[str]) -> Iterator[Item]:
    """Each medium with the text of the same name."""
    words = {path.with_suffix(""): path for path in reversed(texts)}
    for path in media:
        name, text = str(path.relative_to(place)), words.get(path.with_suffix(""))
        try:
            if text is None:
                raise ValueError(f"has no text beside it: expected {path.with_suffix('.txt').name}")
            yield Item(name=name, file=path, text=_read(text))
        except ValueError as error:
            problems.append(f"{name}: {error}")


def _by_folder(media: Sequence[Path], place: Path, problems: list[str]) -> Iterator[Item]:
    """Each medium with the name of its folder as its label."""
    labels = {path.parent.name for path in media if path.parent != place}
    question = _which(labels)
    for path in media:
        name = str(path.relative_to(place))
        if path.parent == place or question is None:
            problems.append(
                f"{name}: has no words; expected {path.with_suffix('.txt').name} beside it, a table of captions, or a "
                "folder for each of several labels"
            )
        else:
            yield Item(name=name, file=path, text=path.parent.name, question=question, family="label")


def _which(labels: Iterable[str]) -> str | None:
    """The question for a label, which names all of them unless they are many; None where there is nothing to ask."""
    different = sorted({" ".join(label.split()) for label in labels})
    if len(different) < 2:
        return None
    return which(different) if len(different) <= MOST_LABELS else "which is it?"


def _table(table: Path, problems: list[str]) -> Iterator[Item]:
    """A row each; ValueError for a table without a column of texts."""
    rows = list(_rows(table))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    file, text, question = (
        next((key for key in known if key in columns), None) for known in (FILE_COLUMNS, TEXT_COLUMNS, QUESTION_COLUMNS)
    )
    if text is None:
        raise ValueError(
            f"the table {str(table)!r} has the columns {columns}; expected texts in one of {TEXT_COLUMNS}, and files "
            f"in one of {FILE_COLUMNS}: rename a column"
        )
    is_label = text in LABEL_COLUMNS
    asked = _which(str(row.get(text) or "") for row in rows) if is_label else None
    for number, row in enumerate(rows, start=1):
        name = f"row {number} of {table.name}"
        path = table.parent / str(row[file]) if file and row.get(file) else None
        if path is not None and not path.is_file():
            problems.append(f"{name}: there is no file {path}")
        elif file and path is None and OURS not in row:
            problems.append(f"{name}: names no file in {file!r}")
        else:
            own = row.get(question) if question else None
            yield Item(
                name=name if path is None else f"{path.relative_to(table.parent)} ({name})",
                file=path,
                text=str(row.get(text) or ""),
                question=str(own) if own else asked,
                family="label" if is_label else "vqa" if own and file else None,
                ours=row.get(OURS),
            )


def _rows(table: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table by column; ValueError with the line where one cannot be read."""
    content = _read(table)
    if table.suffix != ".jsonl":
        yield from csv.DictReader(io.StringIO(content, newline=""), delimiter="\t" if table.suffix == ".tsv" else ",")
        return
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number} of {str(table)!r} is no JSON: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"line {number} of {str(table)!r} is {type(row).__name__}, expected an object")
            yield row
