"""The curves of `growth.py`: their exponents beside the theory, their table in docs/results.md, and their picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _markdown import heading, table
from _measure import shown

from opengato.evaluators.plots import colour, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = Path(__file__).parents[1] / "docs" / "growth.png"
DASHES = (0, (4, 3))
Found = dict[str, Any]
Points = list[tuple[int, Sequence[float]]]
"""What was counted, and the seconds of each round."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """What is counted (`axis`), the unit of its rates, whose inverse is the cost, and the exponents of the theory."""

    axis: str
    unit: str
    theory: tuple[float, float]
    why: str

    @property
    def expected(self) -> str:
        """`1 to 2`."""
        low, high = self.theory
        return f"{low:g}" if low == high else f"{low:g} to {high:g}"


CURVES = {
    "training on a row": Curve(
        axis="slots", unit="rows/s", theory=(1, 2), why="layers grow with length, attention with its square"
    ),
    "training step": Curve(
        axis="parameters", unit="steps/s", theory=(1, 1), why="6 operations for each parameter and slot"
    ),
    "reading an episode": Curve(axis="episodes", unit="reads/s", theory=(0, 0), why="its place is known"),
    "opening the store": Curve(
        axis="episodes", unit="openings/s", theory=(0, 1), why="lengths and tasks of all episodes are read"
    ),
    "acting": Curve(axis="positions seen", unit="actions/s", theory=(0, 1), why="attention looks at all of them"),
}
PANELS = (
    ("training against length", ("training on a row",)),
    ("training against parameters", ("training step",)),
    ("reading against episodes", ("reading an episode", "opening the store")),
    ("acting against what was seen", ("acting",)),
)


def name_of(curve: str, count: int) -> str:
    """The name of a point: `acting: 1,024 positions seen`."""
    return f"{curve}: {count:,} {CURVES[curve].axis}"


def points_of(rates: Sequence[Found], curve: str) -> Points:
    """The points of a curve, by what is counted."""
    mine = [rate for rate in rates if rate["name"].startswith(f"{curve}: ")]
    counts = [int(rate["name"].removeprefix(f"{curve}: ").split()[0].replace(",", "")) for rate in mine]
    return sorted((count, [1 / value for value in rate["rounds"]]) for count, rate in zip(counts, mine, strict=True))


def upper_half(points: Points) -> Points:
    """The points at which what grows fastest shows most: half of them, two at least."""
    return points[-max(2, math.ceil(len(points) / 2)) :]


def exponent(rates: Sequence[Found], curve: str) -> dict[str, Any]:
    """Of all points, and of the upper half: the median over rounds, of the latter with the lowest and the highest."""
    points = points_of(rates, curve)
    every, upper = slopes(points), slopes(upper_half(points))
    return {
        "all points": round(statistics.median(every), 3),
        "upper half": round(statistics.median(upper), 3),
        "low": round(min(upper), 3),
        "high": round(max(upper), 3),
        "theory": CURVES[curve].expected,
    }


def slopes(points: Points) -> list[float]:
    """Of each round, the slope of the line through the logarithms that is nearest by squares."""
    counts = np.log([count for count, _ in points])
    seconds = np.log([rounds for _, rounds in points])
    return [float(np.polyfit(counts, one, 1)[0]) for one in seconds.T]


def growth(found: Found) -> str:
    """The table of the pages: what each point costs, the exponents, and the picture."""
    if "growth" not in found:
        return "Not measured yet: `python benchmarks/growth.py`\n"
    body = found["growth"]
    lines = []
    for rate in body["rates"]:
        what, _, count = rate["name"].partition(": ")
        costs = [1000 / value for value in (rate["median"], max(rate["rounds"]), min(rate["rounds"]))]
        middle, low, high = map(shown, costs)
        lines.append((what, count, middle, f"{low} to {high}", f"{rate['cores']:.1f}"))
    text = heading(body) + table(("what", "with", "ms", "range", "cores used"), lines) + "\n"
    for name, curve in CURVES.items():
        fit = body["figures"][f"exponent, {name}"]
        power = f"{fit['upper half']:z.2f} [{fit['low']:z.2f}, {fit['high']:z.2f}]"
        text += (
            f"* {name}: grows with the power {power} of {curve.axis} over the upper half of the points, "
            f"{fit['all points']:z.2f} over all; theory: {curve.expected}, as {curve.why}\n"
        )
    return f"{text}\n![How cost grows]({PICTURE.name})\n"


def plot(body: Found, path: Path) -> Path:
    """Write the picture: a panel a question, both axes logarithmic; ImportError says how to get matplotlib."""
    figure = new_figure(10.4, 7.6)
    for number, (title, curves) in enumerate(PANELS, 1):
        axes = figure.add_subplot(2, 2, number)
        for place, name in enumerate(curves):
            draw(axes, name, points_of(body["rates"], name), colour(place))
        axes.plot([], [], color="black", linewidth=0.8, linestyle=DASHES, label="theory")
        axes.set_title(title, fontsize=10)
        axes.set(xscale="log", yscale="log", xlabel=CURVES[curves[0]].axis, ylabel="ms")
        counts = [count for count, _ in points_of(body["rates"], curves[0])]
        axes.set_xticks(counts, [short(count) for count in counts])
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=8, frameon=False)
    return save_figure(figure, path)


def short(count: int) -> str:
    """`256`, `8k`, `1M`."""
    return f"{count / 1e6:.0f}M" if count >= 1e6 else f"{count / 1e3:.0f}k" if count >= 1e3 else str(count)


def draw(axes: Axes, name: str, points: Points, shade: str) -> None:
    """A curve with the band of its rounds; dashed over its upper half, through its last point, what theory allows."""
    counts = [count for count, _ in points]
    middle = [1000 * statistics.median(rounds) for _, rounds in points]
    half = upper_half(points)
    power = statistics.median(slopes(half))
    axes.plot(counts, middle, color=shade, marker="o", label=f"{name}: power {power:z.2f}")
    low, high = ([1000 * end(rounds) for _, rounds in points] for end in (min, max))
    axes.fill_between(counts, low, high, color=shade, alpha=0.2, linewidth=0)
    span = (half[0][0], half[-1][0])
    for slope in sorted(set(CURVES[name].theory)):
        allowed = [middle[-1] * (count / span[1]) ** slope for count in span]
        axes.plot(span, allowed, color=shade, linewidth=0.8, linestyle=DASHES)
