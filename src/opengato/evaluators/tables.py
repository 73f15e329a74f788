"""A report as tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from opengato.evaluators.report import Report, TaskResult

OF_HUMAN = "score against human"
RAW = "return"  # the metric of a control task that has no anchors to hold it against
GOOD, FAIR = 0.75, 0.25
NARROW = 108  # columns; below, the anchors and some intervals make room for the rest


def report_tables(report: Report, width: int) -> Group:
    """Control tasks with and without anchors, other tasks, aggregates, what was left out; no part without rows.

    `width` is that of the terminal in columns.
    """
    narrow = width < NARROW
    control = [result for result in report.results if "score" in result.samples]
    bare = [result for result in report.results if result.metric == RAW]
    others = [result for result in report.results if "score" not in result.samples and result.metric != RAW]
    parts: list[RenderableType] = []
    if control:
        parts += [control_table(control, narrow), aggregate_table(report, narrow)]
    if bare:
        parts.append(raw_table(bare))
    if others:
        parts.append(other_table(others))
    for task, why in report.left_out.items():
        parts.append(Text(f"left out: {task} ({why})"))
    return Group(*(parts or [Text("nothing was measured")]))


def control_table(results: list[TaskResult], narrow: bool = False) -> Table:
    """One row a task: return beside random and expert, success, normalised score with its interval."""
    table = _table("Control: 0 is random, 1 is the expert")
    table.add_column("task", no_wrap=True)
    human = any("human" in result.references for result in results)
    anchors = ("random", "expert", "human") if human else ("random", "expert")
    names = ("n", "return", "success") if narrow else ("episodes", "return ± std", *anchors, "success [95 %]")
    for name in (*names, *(["of human"] if human else []), "score [95 %]"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        success = result.figures.get("success")
        mean, std = result.figures["return"].value, result.figures["return std"].value
        cells = [escape(result.task), str(result.num_samples)]
        if narrow:
            cells += [f"{mean:.4g}", "-" if success is None else f"{success.value:.2f}"]
        else:
            stated = (result.references.get(name) for name in anchors)
            cells += [f"{mean:.4g} ± {std:.2g}", *("-" if value is None else f"{value:.4g}" for value in stated)]
            cells.append("-" if success is None else str(success))
        if human:
            against = result.figures.get(OF_HUMAN)
            cells.append("-" if against is None else f"{against.value:.2f}")
        table.add_row(*cells, Text(str(result.score), style=_style(result.score.value)))
    return table


def raw_table(results: list[TaskResult]) -> Table:
    """One row a task that lacks an anchor: return, success, length."""
    table = _table("Control without known random and expert returns")
    table.add_column("task", no_wrap=True)
    for name in ("episodes", "return [95 %]", "± std", "success [95 %]", "steps"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in results:
        success = result.figures.get("success")
        table.add_row(
            escape(result.task),
            str(result.num_samples),
            str(result.score),
            f"{result.figures['return std'].value:.2g}",
            "-" if success is None else str(success),
            f"{result.figures['length'].value:.4g}",
        )
    return table


def other_table(results: list[TaskResult]) -> Table:
    """One row a task: its metric and what to compare it with."""
    table = _table("Text and pictures")
    table.add_column("task", no_wrap=True)
    table.add_column("measured as")
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("result [95 %]", justify="right", no_wrap=True)
    table.add_column("compare with")
    for result in results:
        compare = {name: f"{value:.2f}" for name, value in result.references.items()}
        compare |= {name: f"{figure.value:.2f}" for name, figure in result.figures.items()}
        compare |= result.notes
        table.add_row(
            escape(result.task),
            f"{result.metric} ({'more' if result.higher_is_better else 'less'} is better)",
            str(result.num_samples),
            Text(str(result.score), style="bold"),
            "; ".join(f"{name} {escape(text)}" for name, text in compare.items()),
        )
    return table


def aggregate_table(report: Report, narrow: bool = False) -> Table:
    """One row a family: mean, median and IQM over its tasks, and how many tasks reach each threshold."""
    aggregates = report.aggregates()
    thresholds = list(next(iter(aggregates.values())).above)
    human = any(row.num_human for row in aggregates.values())
    reach = [f"≥ {threshold:g}" for threshold in thresholds]
    table = _table("Control by family, over tasks")
    table.add_column("family", no_wrap=True)
    names = ("tasks", "mean [95 %]", "median", "IQM", "tasks ≥ " + " ".join(f"{t:g}" for t in thresholds))
    for name in names if narrow else ("tasks", "mean [95 %]", "median [95 %]", "IQM [95 %]", *reach):
        table.add_column(name, justify="right", no_wrap=not narrow)
    if human:
        table.add_column("≥ human, ≥ 2 x human", justify="right")
    for name, row in aggregates.items():
        counts = [str(row.above[threshold]) for threshold in thresholds]
        if narrow:
            cells = [str(row.mean), f"{row.median.value:.2f}", f"{row.iqm.value:.2f}", "  ".join(counts)]
        else:
            cells = [str(row.mean), str(row.median), str(row.iqm), *counts]
        if human:
            reached = ", ".join(str(count) for count in row.above_human.values())
            cells.append(f"{reached} of {row.num_human}" if row.num_human else "-")
        table.add_row(escape(name), str(row.num_tasks), *cells)
    if len(aggregates) > 1:
        table.add_row("mean of families", "", str(report.family_mean()))
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)


def _style(score: float) -> str:
    return "bold green" if score >= GOOD else "yellow" if score >= FAIR else "red"
