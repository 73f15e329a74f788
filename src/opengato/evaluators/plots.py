"""A report as a picture; matplotlib is optional."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from opengato.evaluators.report import Report

COLOURS = ("#3b6fb6", "#c2703d", "#4f8f5b", "#8a5aa3", "#9a7b2f", "#5b7a86")
EDGE = 0.04


def blank_figure(width: float, height: float) -> Figure:
    """A figure of so many inches; ImportError says how to get matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ImportError("a plot needs matplotlib; run: pip install 'opengato[plot]'") from error
    # Agg by hand, not pyplot: no global state, and the same picture with and without a screen.
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plot_scores(report: Report, path: Path) -> Path:
    """Write a bar for each control task, grouped by family, with its interval; the suffix of `path` is the format.

    ValueError if the report has no normalised score; ImportError says how to get matplotlib.
    """
    results = [result for result in report.results if "score" in result.samples]
    if not results:
        raise ValueError("this report has no control task to plot; its tables are in `report.table()`")
    families = sorted({result.family for result in results})
    results = sorted(results, key=lambda result: (families.index(result.family), -result.score.value))
    figure = blank_figure(8, 1.2 + 0.28 * len(results))
    axes = figure.add_subplot()
    for row, result in enumerate(results):
        score, colour = result.score, COLOURS[families.index(result.family) % len(COLOURS)]
        low = score.value if score.low is None else score.low
        high = score.value if score.high is None else score.high
        axes.barh(row, score.value, color=colour, height=0.72, alpha=0.85)
        axes.plot([low, high], [row, row], color="black", linewidth=1.2, solid_capstyle="butt")
    for position, name in ((0.0, "random"), (1.0, "expert")):
        axes.axvline(position, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
        axes.text(position, -0.8, name, ha="center", va="bottom", fontsize=8)
    axes.set_yticks(range(len(results)), [result.task for result in results], fontsize=8)
    axes.set_ylim(len(results) - 0.4, -0.6)
    lows = [0.0, *(r.score.value for r in results), *(r.score.low for r in results if r.score.low is not None)]
    highs = [1.0, *(r.score.value for r in results), *(r.score.high for r in results if r.score.high is not None)]
    axes.set_xlim(min(lows) - EDGE, max(highs) + EDGE)
    axes.set_xlabel("normalised return, with 95 % bootstrap interval over episodes")
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path
