"""A report as a picture; matplotlib is optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opengato.core.config import choose
from opengato.evaluators.statistics import counts_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from opengato.evaluators.report import Report, TaskResult

COLOURS = (
    *("#3b6fb6", "#c2703d", "#4f8f5b", "#8a5aa3", "#9a7b2f", "#5b7a86"),
    *("#b84a62", "#6fa8dc", "#e0a96d", "#93c47d", "#c9a0dc", "#a3a3a3"),
)
EDGE = 0.04
PERCENTAGES = tuple(range(101))
MIDDLE = 50  # per cent of the expert, at which Gato counts its tasks


def plot_report(report: Report, path: Path, kind: str = "scores") -> Path:
    """Write one of `FIGURES`; the suffix of `path` is the format.

    ValueError if the report has no normalised score; ImportError says how to get matplotlib.
    """
    figure = FIGURES[choose(kind, FIGURES, what="kind of plot")](report)
    return save_figure(figure, path)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches. Agg by hand, not pyplot: no global state, and the same picture without a screen."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ImportError("a plot needs matplotlib; run: pip install 'opengato[plot]'") from error
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure, and the folder that it goes to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def colour(index: int) -> str:
    """The colour of the `index`-th family or task; they come round again."""
    return COLOURS[index % len(COLOURS)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Means of several runs over `x`, with the lowest and the highest of them; `dotted` is a second line of means."""

    x: Sequence[float]
    means: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]
    dotted: Sequence[float] = ()


def draw_curves(axes: Axes, curves: Mapping[str, Curve], colours: Mapping[str, str], levels: Sequence[float]) -> None:
    """Curves by name over a logarithmic `x`, with bands from the lowest to the highest; dashed lines at `levels`."""
    for name, curve in curves.items():
        axes.plot(curve.x, curve.means, color=colours[name], marker="o", label=name)
        axes.fill_between(curve.x, curve.lows, curve.highs, color=colours[name], alpha=0.2, linewidth=0)
        if curve.dotted:
            axes.plot(curve.x, curve.dotted, color=colours[name], linestyle=":")
    axes.set_xscale("log")
    for level in levels:
        axes.axhline(level, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_ylabel("score: 0 random, 1 expert")
    axes.spines[["top", "right"]].set_visible(False)


def control_results(report: Report) -> dict[str, list[TaskResult]]:
    """Results with a normalised score by family, sorted; ValueError if there are none."""
    groups: dict[str, list[TaskResult]] = {}
    for result in report.results:
        if "score" in result.samples:
            groups.setdefault(result.family, []).append(result)
    if not groups:
        raise ValueError("this report has no control task to plot; its tables are in `report.table()`")
    return dict(sorted(groups.items()))


def score_figure(report: Report) -> Figure:
    """A bar for each control task, grouped by family, with its interval."""
    families = control_results(report)
    results = [(i, r) for i, rs in enumerate(families.values()) for r in sorted(rs, key=lambda r: -r.score.value)]
    figure = new_figure(8, 1.2 + 0.28 * len(results))
    axes = figure.add_subplot()
    ends = [0.0, 1.0]
    for row, (family, result) in enumerate(results):
        score = result.score
        low = score.value if score.low is None else score.low
        high = score.value if score.high is None else score.high
        axes.barh(row, score.value, color=colour(family), height=0.72, alpha=0.85)
        axes.plot([low, high], [row, row], color="black", linewidth=1.2, solid_capstyle="butt")
        ends += [score.value, low, high]
    for position, name in ((0.0, "random"), (1.0, "expert")):
        axes.axvline(position, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
        axes.text(position, -0.8, name, ha="center", va="bottom", fontsize=8)
    axes.set_yticks(range(len(results)), [result.task for _, result in results], fontsize=8)
    axes.set_ylim(len(results) - 0.4, -0.6)
    axes.set_xlim(min(ends) - EDGE, max(ends) + EDGE)
    axes.set_xlabel("normalised return, with 95 % bootstrap interval over episodes")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def tasks_figure(report: Report) -> Figure:
    """How many tasks reach each percentage of the expert's score, stacked by family.

    [Reed et al. 2022, arXiv:2205.06175, fig. 5].
    """
    families = control_results(report)
    total = sum(len(results) for results in families.values())
    layers = {name: tasks_reaching(results) for name, results in families.items()}
    figure = new_figure(8, 4.6)
    axes = figure.add_subplot()
    labels = [f"{name} ({len(results)} tasks)" for name, results in families.items()]
    colours = [colour(index) for index in range(len(layers))]
    axes.stackplot(PERCENTAGES, *layers.values(), labels=labels, colors=colours, alpha=0.9)
    half = sum(counts[MIDDLE] for counts in layers.values())
    axes.axvline(MIDDLE, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate(
        f"{half} of {total} tasks at ≥ {MIDDLE} %",
        (MIDDLE, half),
        xytext=(6, 6),
        textcoords="offset points",
        fontsize=9,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
    )
    axes.set_xlim(PERCENTAGES[0], PERCENTAGES[-1])
    axes.set_ylim(0, total * 1.08)
    axes.set_xlabel("score in % of the expert (0 %: random actions)")
    axes.set_ylabel("tasks at or above it")
    left_out = f", {len(report.left_out)} more left out" if report.left_out else ""
    axes.set_title(f"{report.agent.get('name', 'agent')}: {total} control tasks{left_out}", loc="left", fontsize=10)
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc="lower left", fontsize=8, framealpha=0.9)  # in the order of the layers
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def tasks_reaching(results: list[TaskResult]) -> list[int]:
    """How many results reach 0 %, 1 %, ..., 100 % of the expert."""
    scores = [result.score.value for result in results]
    return list(counts_above(scores, [percentage / 100 for percentage in PERCENTAGES]).values())


FIGURES = {"scores": score_figure, "tasks": tasks_figure}
