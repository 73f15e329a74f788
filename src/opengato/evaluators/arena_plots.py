"""Pictures of an arena in SVG, whose colours follow the page's, light or dark: a row a contestant, or a row a task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from opengato.evaluators.statistics import Interval

LEFT, WIDTH, ROW, RIGHT = 250, 470, 26, 20  # pixels: labels, the axis, a row, room for the last number
STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0)
MOST_TICKS = 7
LONGEST_LABEL = 32
NUM_COLOURS = 6
STYLE = """
:root { --c0: #285e8e; --c1: #c2703d; --c2: #3f7f4c; --c3: #8a5aa3; --c4: #9a7b2f; --c5: #b84a62; }
@media (prefers-color-scheme: dark) {
  :root { --c0: #8fbdea; --c1: #eba06c; --c2: #85d79d; --c3: #cfa3e6; --c4: #dcc06a; --c5: #f08fa5; }
}
.plot { width: 100%; max-width: 48rem; height: auto; display: block; margin: 0 0 1.25rem; }
.plot text { fill: var(--ink); font-size: 13px; font-family: inherit; }
.plot .tick { fill: var(--quiet); font-size: 11px; }
.plot .grid { stroke: var(--line); }
.plot .anchor { stroke: var(--quiet); stroke-dasharray: 3 2; }
""" + "\n".join(f".c{i} {{ fill: var(--c{i}); stroke: var(--c{i}); }}" for i in range(NUM_COLOURS))


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from values to pixels, with round ends."""

    low: float
    high: float
    step: float

    @classmethod
    def over(cls, values: Sequence[float]) -> Axis:
        """One that holds all values, and 0."""
        low, high = min(0.0, *values), max(0.0, *values)
        span = max(high - low, STEPS[0])
        step = next((s for s in STEPS if span / s <= MOST_TICKS - 1), span / (MOST_TICKS - 1))
        return cls(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step)

    def x(self, value: float) -> float:
        """Pixels from the left edge."""
        return round(LEFT + (value - self.low) / max(self.high - self.low, self.step) * WIDTH, 1)

    def ticks(self) -> list[float]:
        """The values that are written."""
        return [self.low + i * self.step for i in range(round((self.high - self.low) / self.step) + 1)]


def score_plot(scores: Mapping[str, Interval], seeds: Mapping[str, Sequence[float]]) -> str:
    """A row a contestant: its mean, its interval, and a small dot a seed."""
    ends = [end for s in scores.values() for end in (s.value, s.low, s.high) if end is not None]
    axis = Axis.over([*ends, *(value for found in seeds.values() for value in found)])
    rows = []
    for row, (name, score) in enumerate(scores.items()):
        y = middle(row)
        low, high = (score.value if end is None else end for end in (score.low, score.high))
        line = f'<line x1="{axis.x(low)}" x2="{axis.x(high)}" y1="{y}" y2="{y}" stroke-width="3" opacity="0.5"/>'
        dots = "".join(f'<circle cx="{axis.x(value)}" cy="{y + 8}" r="2"/>' for value in seeds[name])
        rows.append(f'<g class="c{row % NUM_COLOURS}">{line}{mark(row, axis.x(score.value), y)}{dots}</g>')
    label = "; ".join(f"{name} {score}" for name, score in scores.items())
    return framed(list(scores), axis, "".join(rows), f"points by contestant: {label}")


def task_plot(tasks: Sequence[str], points: Mapping[str, Sequence[float]]) -> str:
    """A row a task: a mark a contestant, each of its own shape and colour."""
    axis = Axis.over([value for found in points.values() for value in found])
    marks = [
        f'<g class="c{number % NUM_COLOURS}">'
        + "".join(mark(number, axis.x(value), middle(row)) for row, value in enumerate(found))
        + "</g>"
        for number, found in enumerate(points.values())
    ]
    said = "; ".join(
        f"{task}: " + ", ".join(f"{name} {found[row]:.2f}" for name, found in points.items())
        for row, task in enumerate(tasks)
    )
    return framed(tasks, axis, "".join(marks), f"points by task: {said}")


def legend(names: Sequence[str]) -> str:
    """Which mark is whose."""
    items = [
        f'<svg width="16" height="16" aria-hidden="true" class="c{number % NUM_COLOURS}">{mark(number, 8, 8)}</svg> '
        f"{escape(name)}"
        for number, name in enumerate(names)
    ]
    return f'<p class="quiet">{" &nbsp; ".join(items)}</p>'


def mark(number: int, x: float, y: float) -> str:
    """A circle, a square, a diamond or a triangle."""
    if number % 4 == 0:
        return f'<circle cx="{x}" cy="{y}" r="5"/>'
    if number % 4 == 1:
        return f'<rect x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9"/>'
    corners = [(0, -6), (6, 0), (0, 6), (-6, 0)] if number % 4 == 2 else [(0, -6), (6, 5), (-6, 5)]
    return f'<polygon points="{" ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)}"/>'


def middle(row: int) -> int:
    """Pixels from the upper edge to the middle of a row."""
    return row * ROW + ROW // 2


def framed(labels: Sequence[str], axis: Axis, body: str, said: str) -> str:
    """A plot with the labels of its rows and the numbers of its axis."""
    bottom = ROW * len(labels)
    grid = "".join(
        f'<line class="{"anchor" if abs(tick) < 1e-9 or abs(tick - 1) < 1e-9 else "grid"}" x1="{axis.x(tick)}" '
        f'x2="{axis.x(tick)}" y1="0" y2="{bottom}"/>'
        f'<text class="tick" x="{axis.x(tick)}" y="{bottom + 14}" text-anchor="middle">{tick + 0.0:.3g}</text>'
        for tick in axis.ticks()
    )
    names = "".join(
        f'<text x="{LEFT - 12}" y="{middle(row) + 4}" text-anchor="end">{escape(shortened(label))}</text>'
        for row, label in enumerate(labels)
    )
    return (
        f'<svg class="plot" viewBox="0 0 {LEFT + WIDTH + RIGHT} {bottom + 20}" role="img" aria-label="{escape(said)}">'
        f"{grid}{names}{body}</svg>"
    )


def shortened(label: str) -> str:
    """A label that has room; of a longer one the beginning and the end."""
    if len(label) <= LONGEST_LABEL:
        return label
    half = LONGEST_LABEL // 2
    return f"{label[: half - 1]}…{label[-half:]}"
