"""A table as Markdown has it, and the line above it that says where its numbers come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table: the first column to the left, the others as they come."""
    head = list(head)
    lines = [head, ["---"] * len(head), *(list(row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def heading(body: dict[str, Any]) -> str:
    """The command, the day and the machine of a benchmark, and its rounds."""
    facts = body["machine"]
    return (
        f"`{body['command']}`, {body['date']}, {facts['processor']}, {facts['threads']} threads, "
        f"torch {facts['versions']['torch']}; median of {len(body['rates'][0]['rounds'])} rounds.\n\n"
    )
