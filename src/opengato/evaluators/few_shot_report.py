"""A few-shot study as tables and as a picture; matplotlib is optional."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from opengato.evaluators.plots import Curve, colour, draw_curves, new_figure, save_figure

Rows = Sequence[dict[str, Any]]


def study_tables(rows: Rows) -> Group:
    """A table for each task and mode: a line a start, a column a number of episodes, `maximum (last)` in each."""
    tables: list[Table | Text] = []
    for task, mode in panels(rows):
        mine = [row for row in rows if (row["task"], row["mode"]) == (task, mode)]
        counts = sorted({row["episodes"] for row in mine})
        table = Table(title=f"{task}, {mode}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("start", no_wrap=True)
        for count in counts:
            table.add_column(f"{count} episodes" if count > 1 else "1 episode", justify="right", no_wrap=True)
        for start in starts_of(mine):
            found = {row["episodes"]: row for row in mine if row["start"] == start}
            shown = [figures(found[count]) if count in found else "-" for count in counts]
            table.add_row(start, *shown)
        tables.append(table)
    words = "score (0 random, 1 expert), mean over series: the maximum of the curve, which is optimistic, and (last)"
    return Group(*tables, Text(words))


def figures(row: dict[str, Any]) -> str:
    """`0.81 (0.74)`: the mean maximum and the mean last value."""
    return f"{row['maximum']['mean']:.2f} ({row['last']['mean']:.2f})"


def plot_few_shot(rows: Rows, path: Path) -> Path:
    """Write the scores against the number of episodes, a curve a start, a panel for each task and mode.

    Lines are maxima, dotted lines last values, both as means over series; bands reach from the lowest to the highest
    maximum of the series. ValueError without results; ImportError says how to get matplotlib.
    """
    found = panels(rows)
    if not found:
        raise ValueError("this study has no results to draw")
    figure = new_figure(4.6 * len(found), 3.8)
    colours = {start: colour(number) for number, start in enumerate(starts_of(rows))}
    for number, (task, mode) in enumerate(found, 1):
        axes = figure.add_subplot(1, len(found), number)
        mine = [row for row in rows if (row["task"], row["mode"]) == (task, mode)]
        draw_curves(axes, {start: curve_of(mine, start) for start in starts_of(mine)}, colours, (0.0, 1.0))
        counts = sorted({row["episodes"] for row in mine})
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
        axes.set_title(f"{task}, {mode}", fontsize=9)
        axes.set_xlabel("episodes of the new task")
        axes.legend(fontsize=8, title="maximum (line), last (dots)", title_fontsize=7, edgecolor="none", framealpha=1.0)
    return save_figure(figure, path)


def curve_of(rows: Rows, start: str) -> Curve:
    """What a start reached, by the number of episodes."""
    points = sorted((row for row in rows if row["start"] == start), key=lambda row: row["episodes"])
    top = [row["maximum"] for row in points]
    return Curve(
        x=[row["episodes"] for row in points],
        means=[spread["mean"] for spread in top],
        lows=[spread["low"] for spread in top],
        highs=[spread["high"] for spread in top],
        dotted=[row["last"]["mean"] for row in points],
    )


def panels(rows: Rows) -> list[tuple[str, str]]:
    """Tasks and modes, each pair once."""
    return list(dict.fromkeys((row["task"], row["mode"]) for row in rows))


def starts_of(rows: Rows) -> list[str]:
    """Starts, each once, the best first by the sum of its maxima."""
    total: dict[str, float] = {}
    for row in rows:
        total[row["start"]] = total.get(row["start"], 0.0) + row["maximum"]["mean"]
    return sorted(total, key=lambda start: (-total[start], start))
