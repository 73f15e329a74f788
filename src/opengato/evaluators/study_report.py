"""A study as a table and as a picture; matplotlib is optional."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from opengato.evaluators.plots import colour, new_figure, save_figure
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
    """A line a variant: mean score by family, over seeds, with the lowest and the highest of them; and its cost."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", no_wrap=True)
    for heading in (*families_of(rows), "seeds", "parameters", "positions", "minutes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for variant, row in first_of_each(rows, "variant").items():
        mine = [other for other in rows if other["variant"] == variant]
        minutes = sum(other["training_seconds"] for other in mine) / len(mine) / 60
        cells = [spread(means(rows, variant, family)) for family in families_of(rows)]
        cost = (f"{row['parameters'] / 1e6:.2f}M", f"{row['positions'] / 1e6:.2f}M", f"{minutes:.1f}")
        table.add_row(variant, *cells, str(len(mine)), *cost)
    return table


def spread(values: Any) -> str:
    """`0.81 [0.79, 0.83]`: mean, lowest, highest."""
    return f"{values.mean():.2f} [{values.min():.2f}, {values.max():.2f}]" if len(values) else "-"


def plot_study(rows: Rows, path: Path, x_name: str = "") -> Path:
    """Write the picture: a panel a family; curves over `x` where the variants have one, else bars; a dot a seed.

    ValueError without results; ImportError says how to get matplotlib.
    """
    if not rows:
        raise ValueError("this study has no results to draw")
    families = families_of(rows)
    variants = first_of_each(rows, "variant")
    curves = all(row["x"] is not None for row in rows)
    height = 3.8 if curves else 1.4 + 0.34 * len(variants)
    figure = new_figure(5.2 * len(families), height)
    for number, family in enumerate(families, 1):
        axes = figure.add_subplot(1, len(families), number)
        (draw_curves if curves else draw_bars)(axes, rows, family)
        axes.set_title(family, fontsize=10)
        if curves:
            axes.set_xlabel(x_name)
            axes.set_ylabel("score: 0 random, 1 expert")
        else:
            axes.set_xlabel("score: 0 random, 1 expert")
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


def draw_curves(axes: Axes, rows: Rows, family: str) -> None:
    """A curve a group, over a logarithmic `x`."""
    for number, group in enumerate(first_of_each(rows, "group")):
        mine = first_of_each([row for row in rows if row["group"] == group], "variant")
        points = sorted((row["x"], means(rows, variant, family)) for variant, row in mine.items())
        axes.plot([x for x, _ in points], [v.mean() for _, v in points], color=colour(number), marker="o", label=group)
        for x, values in points:
            axes.plot([x] * len(values), values, "o", color=colour(number), markersize=3, alpha=0.6)
    axes.set_xscale("log")
    axes.axhline(1.0, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.legend(fontsize=8, frameon=False)
