"""A study as a table and as a picture; matplotlib is optional."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.table import Table

from opengato.evaluators.plots import Curve, colour, draw_curves, new_figure, save_figure
from opengato.evaluators.study import means

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Sequence[dict[str, Any]]


def families_of(rows: Rows) -> list[str]:
    """Families that were measured, sorted."""
    return sorted({family for row in rows for family in row["means"]})


def first_of_each(rows: Rows, key: str) -> dict[Any, dict[str, Any]]:
    """The first row of each value of a key, in order of appearance."""
    found: dict[Any, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row[key], row)
    return found


def study_table(rows: Rows) -> Table:
    """A line a variant, or a line a task where variants were measured on different ones."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    heading, *lines = study_lines(rows)
    for number, name in enumerate(heading):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    return table


def study_lines(rows: Rows) -> list[list[str]]:
    """The same as texts, headings first; scores are means over seeds, with the lowest and the highest of them."""
    return lines_by_task(rows) if differ(rows) else lines_by_variant(rows)


def differ(rows: Rows) -> bool:
    """Whether variants were measured on different tasks."""
    return len({frozenset(row["scores"]) for row in rows}) > 1


def lines_by_variant(rows: Rows) -> list[list[str]]:
    """A line a variant: mean score by family, and its cost."""
    lines = [["variant", *families_of(rows), "seeds", "parameters", "positions", "minutes"]]
    for variant, row in first_of_each(rows, "variant").items():
        mine = [other for other in rows if other["variant"] == variant]
        minutes = sum(other["training_seconds"] for other in mine) / len(mine) / 60
        cells = [spread(means(rows, variant, family)) for family in families_of(rows)]
        cost = [f"{row['parameters'] / 1e6:.2f}M", f"{row['positions'] / 1e6:.2f}M", f"{minutes:.1f}"]
        lines.append([variant, *cells, str(len(mine)), *cost])
    return lines


def lines_by_task(rows: Rows) -> list[list[str]]:
    """A line a task: its score by group of variants."""
    groups = list(first_of_each(rows, "group"))
    lines = [["task", *groups]]
    for task in sorted({task for row in rows for task in row["scores"]}):
        lines.append([task, *(spread(task_scores(rows, group, task)) for group in groups)])
    return lines


def task_scores(rows: Rows, group: str, task: str) -> np.ndarray:
    """What the variants of a group reached in a task, all seeds."""
    return np.array([row["scores"][task] for row in rows if row["group"] == group and task in row["scores"]])


def spread(values: Any) -> str:
    """`0.81 [0.79, 0.83]`: mean, lowest, highest; the value alone where there is but one."""
    if len(values) < 2:
        return f"{values[0]:.2f}" if len(values) else "-"
    return f"{values.mean():.2f} [{values.min():.2f}, {values.max():.2f}]"


def plot_study(rows: Rows, path: Path, x_name: str = "") -> Path:
    """Write the picture: a panel a family; curves over `x` where the variants have one, else bars; the spread of seeds.

    ValueError without results; ImportError says how to get matplotlib.
    """
    if not rows:
        raise ValueError("this study has no results to draw")
    if differ(rows):
        return plot_tasks(rows, path)
    families = families_of(rows)
    variants = first_of_each(rows, "variant")
    curves = all(row["x"] is not None for row in rows)
    height = 3.8 if curves else 1.4 + 0.34 * len(variants)
    figure = new_figure(5.2 * len(families), height)
    for number, family in enumerate(families, 1):
        axes = figure.add_subplot(1, len(families), number)
        axes.set_title(family, fontsize=10)
        if curves:
            groups = {group: curve_of(rows, group, family) for group in first_of_each(rows, "group")}
            draw_curves(axes, groups, {group: colour(number) for number, group in enumerate(groups)}, (1.0,))
            axes.set_xlabel(x_name)
            axes.legend(fontsize=8, frameon=False)
        else:
            draw_bars(axes, rows, family)
    return save_figure(figure, path)


def plot_tasks(rows: Rows, path: Path) -> Path:
    """Write a picture with a line a task and a point a group."""
    tasks = sorted({task for row in rows for task in row["scores"]})
    groups = list(first_of_each(rows, "group"))
    figure = new_figure(7.5, 1.2 + 0.24 * len(tasks))
    axes = figure.add_subplot(1, 1, 1)
    for number, group in enumerate(groups):
        found = {task: task_scores(rows, group, task) for task in tasks}
        points = [(values.mean(), place) for place, task in enumerate(tasks) if len(values := found[task])]
        axes.plot(*zip(*points, strict=True), "o", color=colour(number), markersize=6, alpha=0.8, label=group)
    axes.set_yticks(range(len(tasks)), tasks, fontsize=8)
    axes.set_ylim(len(tasks) - 0.4, -0.6)
    axes.set_xlabel("score, each in its own measure")
    axes.grid(axis="y", linewidth=0.4)
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.08), ncols=len(groups))
    axes.spines[["top", "right"]].set_visible(False)
    return save_figure(figure, path)


def draw_bars(axes: Axes, rows: Rows, family: str) -> None:
    """A bar a variant, coloured by group."""
    variants = first_of_each(rows, "variant")
    groups = list(first_of_each(rows, "group"))
    for place, (variant, row) in enumerate(variants.items()):
        values = means(rows, variant, family)
        axes.barh(place, values.mean(), color=colour(groups.index(row["group"])), height=0.7, alpha=0.85)
        axes.plot(values, [place] * len(values), "o", color="black", markersize=3)
    axes.set_yticks(range(len(variants)), list(variants), fontsize=8)
    axes.set_ylim(len(variants) - 0.4, -0.6)
    axes.axvline(1.0, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlabel("score: 0 random, 1 expert")
    axes.spines[["top", "right"]].set_visible(False)


def curve_of(rows: Rows, group: str, family: str) -> Curve:
    """What the variants of a group reached in a family, by their `x`."""
    mine = first_of_each([row for row in rows if row["group"] == group], "variant")
    points = sorted((row["x"], variant) for variant, row in mine.items())
    values = [means(rows, variant, family) for _, variant in points]
    return Curve(
        x=[x for x, _ in points],
        means=[float(found.mean()) for found in values],
        lows=[float(found.min()) for found in values],
        highs=[float(found.max()) for found in values],
    )
