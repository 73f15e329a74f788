"""The page of an arena: one HTML file with everything inside it, readable without a network and without scripts."""

from __future__ import annotations

import statistics
from html import escape
from string import Template
from typing import Any

from opengato.evaluators.arena_plots import STYLE, legend, score_plot, task_plot
from opengato.evaluators.arena_report import arena_lines
from opengato.evaluators.arena_verdict import LEVEL, signed
from opengato.evaluators.html_parts import asset, cell, duration, table
from opengato.evaluators.statistics import Interval

Body = dict[str, Any]
PAGE = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>opengato: arena $suite</title>
<link rel="icon" href="data:,">
<style>
$style
</style>
</head>
<body>
<a class="skip" href="#main">Skip to the results</a>
<header>
  <p class="mark">open<b>gato</b></p>
  <h1>$title</h1>
  <p class="lead">$lead</p>
</header>
<main id="main">
$sections
</main>
<footer><p>$footer</p></footer>
</body>
</html>
"""
)


def arena_page(body: Body) -> str:
    """The whole page as HTML, from the outcome of an arena."""
    sections = (verdicts(body), contestants(body), tasks(body), tuning(body), judged(body), left_out(body))
    return PAGE.substitute(
        suite=escape(body["suite"]),
        style=asset("style.css") + STYLE,
        title=title(body),
        lead=lead(body),
        sections="\n".join(f"<section>{section}</section>" for section in sections if section),
        footer=footer(body),
    )


def title(body: Body) -> str:
    """What came out, in a few words."""
    shown = [verdict for verdict in body["verdicts"] if verdict["outcome"] != "no difference shown"]
    if not shown:
        return "No difference shown."
    return "; ".join(f"{escape(verdict['name'])}: {verdict['outcome']}" for verdict in shown) + "."


def lead(body: Body) -> str:
    """Who was held against whom, on what."""
    first, *others = (escape(one["name"]) for one in body["contestants"])
    return (
        f"<strong>{', '.join(others)}</strong> against <strong>{first}</strong> on {len(body['tasks'])} tasks of suite "
        f"<strong>{escape(body['suite'])}</strong>, {counted(body['seeds'], 'run')} each: the same data, as much "
        "computing, as many learning rates tried."
    )


def counted(number: int, what: str) -> str:
    """`1 run`, `3 runs`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def verdicts(body: Body) -> str:
    """Each verdict in words, and the scores as a picture."""
    words = "".join(f'<p class="note" role="note">{escape(one["words"])}</p>' for one in body["verdicts"])
    scores = {one["name"]: Interval(**one["score"]) for one in body["contestants"]}
    return (
        f"<h2>Verdict</h2>{words}<p>Points: 0 is random actions or guessing, 1 is the expert or a perfect answer. The "
        "line is the 95&nbsp;% interval of the mean over seeds and tasks, both drawn anew; a small dot is a run.</p>"
        + score_plot(scores, {one["name"]: by_seed(one, body["tasks"]) for one in body["contestants"]})
    )


def by_seed(one: Body, names: list[str]) -> list[float]:
    """The mean over tasks of each run."""
    return [statistics.mean(points) for points in zip(*(one["tasks"][name]["points"] for name in names), strict=True)]


def contestants(body: Body) -> str:
    """The table of costs and scores, and what each contestant is."""
    head, *lines = arena_lines(body)
    rows = [(name, *(text_or_number(value) for value in values)) for name, *values in lines]
    found = f"<h2>Contestants</h2>{table('What each computed and reached', head, rows)}"
    for one in body["contestants"][1:]:
        differs = "".join(f"<li>{escape(line)}</li>" for line in one["differs"]) or "<li>nothing but its name</li>"
        summary = f"<summary>Where {escape(one['name'])} differs from the first</summary>"
        found += f"<details>{summary}<ul>{differs}</ul></details>"
    return found


def text_or_number(value: str) -> str:
    """A cell: words to the left, numbers to the right."""
    return f'<td class="text">{escape(value)}</td>' if value[:1].isalpha() else cell(value)


def tasks(body: Body) -> str:
    """Each task as a picture and as a table: scores in its own measure, and what is shown of a difference."""
    names = [one["name"] for one in body["contestants"]]
    means = {
        one["name"]: [statistics.mean(one["tasks"][task]["points"]) for task in body["tasks"]]
        for one in body["contestants"]
    }
    tests = {verdict["name"]: {test["task"]: test for test in verdict["tasks"]} for verdict in body["verdicts"]}
    rows = []
    for task in [*body["tasks"], *body["unscaled"]]:
        measure = body["contestants"][0]["tasks"][task]
        better = "" if measure["higher_is_better"] else ", less is better"
        row = [f'<td class="text">{escape(measure["metric"] + better)}</td>']
        for one in body["contestants"]:
            test = tests.get(one["name"], {}).get(task)
            row.append(cell(f"{statistics.mean(one['tasks'][task]['scores']):.3f}{beside(test)}"))
        rows.append((task, *row))
    return (
        f"<h2>Task by task</h2>{legend(names)}{task_plot(body['tasks'], means)}"
        + table("Mean scores in the measure of each task", ("task", "measured as", *names), rows)
        + "<p>In brackets: p of a paired t-test over seeds, corrected for all tasks and contestants of this table; an "
        f"arrow where it is below {LEVEL}.</p>"
    )


def beside(test: Body | None) -> str:
    """What stands beside a score: p, and the direction of a difference that is shown."""
    if test is None:
        return ""
    arrow = "" if test["p_corrected"] >= LEVEL else " ↑" if test["difference"] > 0 else " ↓"
    return f" [{test['p_corrected']:.2g}{arrow}]"


def tuning(body: Body) -> str:
    """The validation losses of the learning rates that were tried."""
    tried = list(body["contestants"][0]["rates"])
    if not tried:
        return "<h2>Learning rates</h2><p>None were tried: each contestant has its recipe's own.</p>"
    rows = [
        (one["name"], *(cell("diverged" if loss is None else f"{loss:.4f}") for loss in one["rates"].values()))
        for one in body["contestants"]
    ]
    head = ("contestant", *(f"x {rate}" for rate in tried))
    return (
        f"<h2>Learning rates</h2><p>Every contestant tried the same {len(tried)} multiples of its own rates, each in "
        f"{body['short']:.0%} of a run, and took the one with the least loss on episodes that nobody trains on.</p>"
        + table("Validation loss by learning rate", head, rows)
    )


def judged(body: Body) -> str:
    """How the verdict came about."""
    rows = [
        (
            verdict["name"],
            cell(signed(Interval(**verdict["difference"]))),
            *(cell(f"{verdict[key]:.2g}") for key in ("p_tasks", "p_seeds", "p", "p_corrected")),
        )
        for verdict in body["verdicts"]
    ]
    head = ("contestant", "difference [95 %]", "p, by task", "p, by seed", "larger of both", "corrected")
    return (
        "<h2>How it was judged</h2><p>Two paired tests against the first contestant: Wilcoxon's signed-rank test with "
        "a pair a task, and a t-test with a pair a seed. A run that is lucky in all its tasks at once deceives the "
        "first; tasks that pull in different directions are seen by it alone. So a difference is shown only where both "
        f"find it: where the larger p, corrected for {counted(len(rows), 'comparison')} by Holm, is below {LEVEL}. No "
        "difference shown does not mean that there is none.</p>" + table("Tests over all tasks", head, rows)
    )


def left_out(body: Body) -> str:
    """What the suite has and this arena has not."""
    lines = [f"{name}: {why}" for part in ("left_out", "unmeasured") for name, why in body[part].items()]
    lines += [f"{task} has no scale of points and is in no mean" for task in body["unscaled"]]
    if not lines:
        return ""
    return f"<h2>Left out</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def footer(body: Body) -> str:
    """When, where, with what."""
    seconds = sum(one["seconds"] for one in body["contestants"]) * body["seeds"]
    versions = ", ".join(f"{name} {version}" for name, version in body["versions"].items() if version)
    return escape(f"{body['date']}; {body['machine']}; {versions}. Training took {duration(seconds)} in all.")
