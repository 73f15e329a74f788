"""Parts that the pages share: tables, durations, and the style of the demo, light and dark."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from html import escape


def asset(name: str) -> str:
    """The text of a file of the demo's page, such as its style."""
    return (importlib.resources.files("opengato") / "assets" / "demo" / name).read_text(encoding="utf-8")


def duration(seconds: float) -> str:
    """Seconds as a reader says them: "48 s", "2 min 5 s", "1 h 32 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def cell(text: str) -> str:
    """A cell of numbers, the interval of one smaller."""
    value, bracket, rest = text.partition(" [")
    interval = f'<span class="of">{escape(bracket + rest)}</span>' if bracket else ""
    return f"<td>{escape(value)}{interval}</td>"


def table(title: str, head: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    """A table with a caption; `rows` hold the plain text of the row's head, then cells as HTML."""
    left = [True, *('class="text"' in one for one in (rows[0][1:] if rows else ()))]
    top = "".join(
        f'<th scope="col"{" class=text" if is_text else ""}>{escape(name)}</th>'
        for name, is_text in zip(head, left, strict=True)
    )
    body = "".join(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>' for name, *cells in rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(title)}"><table><caption>{escape(title)}'
        f"</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )
