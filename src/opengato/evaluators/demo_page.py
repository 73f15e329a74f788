"""The page of the demo: one HTML file with everything inside it, readable without a network and without scripts."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from string import Template
from typing import Any

from opengato.evaluators.html_parts import asset, cell, duration, table
from opengato.evaluators.report import Report, TaskResult
from opengato.evaluators.statistics import Interval
from opengato.evaluators.video import Played, outcome

BAR_LOW, BAR_HIGH, BAR_WIDTH = -0.3, 1.3, 240.0
MIME = {".mp4": "video/mp4", ".webp": "image/webp"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """A control task as it is shown: its score and the video of its first episode, None where none could be drawn."""

    result: TaskResult
    instruction: str
    played: Played | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Caption:
    """A held-out picture (PNG), what the agent wrote about it, and its human caption."""

    png: bytes
    written: str
    truth: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """A text that was given, what the agent wrote after it, and how its author went on, if it has one."""

    title: str
    given: str
    written: str
    truth: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Show:
    """All that the page shows. `card` is the agent's; `licences` those of the simulators; `seconds` by section."""

    name: str
    num_parameters: int
    context: int
    card: Mapping[str, Any]
    licences: Mapping[str, str]
    report: Report
    clips: Sequence[Clip] = ()
    captions: Sequence[Caption] = ()
    passages: Sequence[Passage] = ()
    notes: Sequence[str] = field(default_factory=tuple)
    seconds: Mapping[str, float] = field(default_factory=dict)


def page(show: Show) -> str:
    """The whole page as HTML."""
    sections = {"plays": _plays(show), "scores": _scores(show), "looks": _looks(show), "writes": _writes(show)}
    sections["made"] = _made(show)
    titles = {"plays": "Plays", "scores": "Scores", "looks": "Looks", "writes": "Writes", "made": "How it was made"}
    shown = {key: body for key, body in sections.items() if body}
    return Template(asset("page.html")).substitute(
        name=escape(show.name),
        style=asset("style.css"),
        script=asset("page.js"),
        lead=_lead(show),
        nav="".join(f'<a href="#{key}">{titles[key]}</a>' for key in shown),
        tiles="".join(f"<li><strong>{escape(big)}</strong><span>{escape(say)}</span></li>" for big, say in tiles(show)),
        sections="\n".join(f'<section id="{key}">{body}</section>' for key, body in shown.items()),
        footer=_footer(show),
    )


def _lead(show: Show) -> str:
    return (
        f"The agent <strong>{escape(show.name)}</strong> is one transformer with one set of "
        f"<strong>{show.num_parameters / 1e6:.1f} million weights</strong>. Everything on this page was produced by "
        f"it on this computer in {duration(sum(show.seconds.values()))}: games and robots that it acts in, pictures "
        "that it describes, prose that it continues. Its training saw none of these pictures and pages, and no episode "
        "with these seeds."
    )


def tiles(show: Show) -> list[tuple[str, str]]:
    """Headline numbers of what was measured: (number, what it is)."""
    found = []
    aggregates = show.report.aggregates()
    if aggregates:
        name = "all control" if "all control" in aggregates else next(iter(aggregates))
        total = aggregates[name]
        found.append((f"{total.mean.value:.2f}", f"mean score of {total.num_tasks} tasks; 0 is random, 1 the expert"))
        found.append((f"{total.above[0.75]} of {total.num_tasks}", "tasks at three quarters of the expert or better"))
    captions = [result for result in show.report.results if "chance" in result.references]
    if captions:
        count = sum(result.num_samples for result in captions)
        right = sum(result.score.value * result.num_samples for result in captions) / count
        chance = captions[0].references["chance"]
        text = f"right caption of {round(1 / chance)} on {count} new pictures; chance is {chance:.0%}"
        found.append((f"{right:.0%}", text))
    for result in show.report.results:
        if "xz -9e" in result.references:
            text = f"bits per byte of unread {result.task}; xz needs {result.references['xz -9e']:.2f}"
            found.append((f"{result.score.value:.2f}", text))
    return found


def _plays(show: Show) -> str:
    if not show.clips:
        return ""
    notes = "".join(f'<p class="note" role="note">{escape(note)}</p>' for note in show.notes)
    return (
        "<h2>It plays</h2><p>Each video is the first episode of its task, seed 0, however it ended; none was picked. "
        "The bar is the mean over all episodes played here, from random actions (0) to the expert that taught it (1); "
        "the line is its 95&nbsp;% interval.</p>"
        f'{notes}<div class="cards">{"".join(_clip(clip) for clip in show.clips)}</div>'
    )


def _clip(clip: Clip) -> str:
    family, _, name = clip.result.task.partition("/")
    episode = clip.played.episode if clip.played else None
    chip = ""
    if episode is not None:
        kind = "plain" if episode.success is None else "yes" if episode.success else "no"
        chip = f'<span class="chip {kind}">{escape(outcome(episode))}</span>'
    # With a video the instruction stands in its strip, and for a screen reader in its label.
    told = "" if clip.played else f'<p class="quiet">“{escape(clip.instruction)}”</p>'
    success = clip.result.figures.get("success")
    solved = f", {success.value:.0%} solved" if success else ""
    return (
        f'<article class="card">{_film(clip)}<div class="body">'
        f'<div class="row"><h3><span class="family">{escape(family)}/</span><wbr>{escape(name)}</h3>{chip}</div>'
        f"{told}{bar(clip.result.score)}"
        f'<p class="quiet">score {clip.result.score} over {clip.result.num_samples} episodes{solved}</p></div>'
        "</article>"
    )


def _film(clip: Clip) -> str:
    if clip.played is None:
        return '<div class="no-video">No video: pictures of this simulator cannot be drawn on this computer.</div>'
    width, height = clip.played.size
    label = escape(f"{clip.result.task}: {clip.instruction}; {outcome(clip.played.episode)}")
    source = data_url(clip.played.path.read_bytes(), MIME[clip.played.path.suffix])
    if clip.played.path.suffix == ".webp":
        return f'<img src="{source}" width="{width}" height="{height}" alt="{label}">'
    return (
        f'<video src="{source}" width="{width}" height="{height}" aria-label="{label}" '
        'muted loop playsinline controls preload="metadata"></video>'
    )


def data_url(data: bytes, mime: str) -> str:
    """Bytes as a URL that needs no server."""
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def bar(score: Interval) -> str:
    """A normalised score as a bar from random to expert with its interval, in SVG."""

    def x(value: float) -> float:
        clipped = min(BAR_HIGH, max(BAR_LOW, value))
        return round((clipped - BAR_LOW) / (BAR_HIGH - BAR_LOW) * BAR_WIDTH, 1)

    left, right = sorted((x(0.0), x(score.value)))
    low = x(score.value if score.low is None else score.low)
    high = x(score.value if score.high is None else score.high)
    anchors = "".join(
        f'<line class="anchor" x1="{x(at)}" x2="{x(at)}" y1="0" y2="18"/>'
        f'<text x="{x(at)}" y="30" text-anchor="middle">{name}</text>'
        for at, name in ((0.0, "random"), (1.0, "expert"))
    )
    return (
        f'<svg class="bar" viewBox="0 0 {BAR_WIDTH:g} 32" role="img" aria-label="score {score}, random 0, expert 1">'
        f'<rect class="track" x="0" y="6" width="{BAR_WIDTH:g}" height="6" rx="3"/>'
        f'<rect class="fill" x="{left}" y="4" width="{max(1.0, right - left):.1f}" height="10" rx="2"/>'
        f'<line class="ends" x1="{low}" x2="{high}" y1="9" y2="9"/>{anchors}</svg>'
    )


def _scores(show: Show) -> str:
    control = [result for result in show.report.results if "score" in result.samples]
    others = [result for result in show.report.results if "score" not in result.samples]
    if not show.report.results:
        return ""
    parts = [
        "<h2>Scores</h2><p>score = (return &minus; random) / (expert &minus; random), with 95&nbsp;% bootstrap "
        "intervals over episodes. Few episodes make wide intervals: <code>opengato evaluate</code> plays more.</p>"
    ]
    if control:
        parts += [_control_table(control), _aggregate_table(show.report)]
    if others:
        rows = [
            (
                result.task,
                f'<td class="text">{escape(result.metric)}</td>',
                cell(str(result.num_samples)),
                cell(str(result.score)),
                f'<td class="text">{escape(_compared(result))}</td>',
            )
            for result in others
        ]
        parts.append(table("Text and pictures", ("task", "measured as", "samples", "result", "compare with"), rows))
    for task, why in show.report.left_out.items():
        parts.append(f'<p class="quiet">Left out: {escape(f"{task} ({why})")}</p>')
    return "".join(parts)


def _compared(result: TaskResult) -> str:
    known = {name: f"{value:.2f}" for name, value in result.references.items()}
    return ", ".join(f"{name} {value}" for name, value in known.items())


def _control_table(results: Sequence[TaskResult]) -> str:
    rows = []
    for result in results:
        success = result.figures.get("success")
        rows.append(
            (
                result.task,
                cell(str(result.num_samples)),
                cell(f"{result.figures['return'].value:.3g}"),
                cell(f"{result.references['random']:.3g}"),
                cell(f"{result.references['expert']:.3g}"),
                cell("–" if success is None else str(success)),
                cell(str(result.score)),
                f'<td class="text">{escape(result.notes.get("expert", ""))}</td>',
            )
        )
    head = ("task", "episodes", "return", "random", "expert", "success", "score", "who the expert is")
    return table("Control tasks", head, rows)


def _aggregate_table(report: Report) -> str:
    rows = []
    for name, row in report.aggregates().items():
        counts = [cell(f"{count} of {row.num_tasks}") for count in row.above.values()]
        rows.append((name, cell(str(row.mean)), cell(str(row.median)), cell(str(row.iqm)), *counts))
    thresholds = list(next(iter(report.aggregates().values())).above)
    head = ("family", "mean", "median", "IQM", *(f"≥ {threshold:g}" for threshold in thresholds))
    return table("Over the tasks of a family", head, rows)


def _looks(show: Show) -> str:
    if not show.captions:
        return ""
    items = "".join(
        f'<li><figure><img src="{data_url(one.png, "image/png")}" width="64" height="64" alt="{escape(one.truth)}">'
        f"<figcaption>{escape(one.written) or '(nothing)'}"
        f'<span class="quiet">person: {escape(one.truth)}</span></figcaption></figure></li>'
        for one in show.captions
    )
    return (
        "<h2>It looks</h2><p>Drawings of things that were not in the training data, described by the agent; below, "
        "the name that a person gave. Taken at even steps from the held-out set, not picked. Naming what one has never "
        "seen is hard for a network this small; the score above says how far it gets.</p>"
        f'<ul class="pictures">{items}</ul>'
    )


def _writes(show: Show) -> str:
    if not show.passages:
        return ""
    blocks = []
    for one in show.passages:
        truth = f'<p class="prose">{escape(one.truth)}</p>'
        rest = f"<details><summary>How the author went on</summary>{truth}</details>" if one.truth else ""
        blocks.append(
            f'<article class="passage"><h3>{escape(one.title)}</h3>'
            f'<p class="prose"><span class="given">{escape(one.given)}</span>'
            f'<span class="written">{escape(one.written)}</span></p>{rest}</article>'
        )
    return (
        "<h2>It writes</h2><p>The grey words were given, the marked ones are the agent's. A network of this size keeps "
        f'the sound of a sentence longer than its sense.</p><div class="passages">{"".join(blocks)}</div>'
    )


def _made(show: Show) -> str:
    facts = {"weights": f"{show.num_parameters:,} parameters", "sees at once": f"{show.context} positions"}
    families: dict[str, int] = {}
    for task in show.card.get("tasks", ()):
        families[task.partition("/")[0]] = families.get(task.partition("/")[0], 0) + 1
    if families:
        facts["trained on"] = ", ".join(f"{count} tasks of {family}" for family, count in families.items())
    if "training_seconds" in show.card:
        facts["training took"] = f"{duration(show.card['training_seconds'])}, {show.card.get('steps', '?')} steps"
    if "machine" in show.card:
        facts["on"] = str(show.card["machine"])
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    command = str(show.card.get("command", "opengato train tiny"))
    return (
        "<h2>How it was made</h2><p>All data, training and scores can be reproduced.</p>"
        f'<dl class="facts">{listed}</dl>{_data_table(show)}<h3>Make it again</h3>'
        f"<pre>{escape(command)}                # collect, import and train, from nothing\n"
        "opengato demo                          # this page\n"
        f"opengato evaluate {escape(show.name)} --tasks babyai,metaworld   # all tasks, more episodes</pre>"
    )


def _data_table(show: Show) -> str:
    rows = []
    for name, facts in show.card.get("data", {}).items():
        licence = str(facts.get("licence") or "see the package")
        if name in show.licences:
            licence += f"; simulator {show.licences[name]}"
        what = facts.get("title") or "episodes of the expert, collected by the recipe"
        rows.append(
            (
                name,
                f'<td class="text">{escape(str(what))}</td>',
                cell(f"{facts.get('episodes', 0):,}"),
                cell(f"{facts['share']:.0%}" if "share" in facts else "–"),
                f'<td class="text">{escape(licence)}</td>',
            )
        )
    return table("Training data", ("source", "what", "episodes", "share", "licence"), rows) if rows else ""


def _footer(show: Show) -> str:
    parts = ", ".join(f"{escape(name)} {duration(seconds)}" for name, seconds in show.seconds.items())
    versions = ", ".join(f"{escape(name)} {escape(version)}" for name, version in show.report.versions.items())
    return f"Time on this computer: {parts}. {versions}."
