"""Puts measured numbers into README.md and pages of docs, between `<!-- table NAME -->` and `<!-- /table -->`.

    python benchmarks/_tables.py            # after `make bench` or `opengato measure`, or when an agent was shipped
    python benchmarks/_tables.py --check    # exit code 1 if a page is not what the files say

Nobody types a number: each comes from `results/*.json` (`make bench`), from the `scores.json` of the task families,
from the cards and `baselines.json` of the corpora, or from the card of the shipped agent, in which
`opengato.evaluators.ship` writes its scores.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _corpora_table
import _floors
import _growth
import _jobs
import _studies
import _task_table
from _markdown import heading, table

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("results", "tasks", "senses", "arena")))
AGENTS = ROOT / "src" / "opengato" / "assets" / "agents"
MARK = re.compile(r"(<!-- table ([\w-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)
EVALUATE = "opengato evaluate tiny"
CONTROL = "normalised return"
THRESHOLDS = (0.25, 0.5, 0.75, 0.9)
TITLES = {"babyai": "BabyAI", "metaworld": "Meta-World", "all control": "all control tasks"}
Found = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    stale = [page for page in PAGES if render(page) != page.read_text(encoding="utf-8")]
    for page in stale:
        print(f"{'not up to date' if options.check else 'written'}: {page.relative_to(ROOT)}", file=sys.stderr)
        if not options.check:
            page.write_text(render(page), encoding="utf-8")
    return int(bool(stale) and options.check)


def render(page: Path) -> str:
    """A page with its tables filled from the files that are there."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    found |= {card.parent.name: json.loads(card.read_text(encoding="utf-8")) for card in AGENTS.glob("*/card.json")}

    def fill(match: re.Match[str]) -> str:
        return f"{match[1]}{TABLES[match[2]](found)}{match[3]}"

    return MARK.sub(fill, page.read_text(encoding="utf-8"))


def missing(command: str) -> str:
    """What stands where nothing was measured yet."""
    return f"Not measured yet: `{command}`\n"


def interval(row: Found, key: str = "score") -> str:
    """`0.81 [0.78, 0.84]`, of a row of the card."""
    text, ends = f"{row[key]:.2f}", row["interval"]
    return text if None in ends else f"{text} [{ends[0]:.2f}, {ends[1]:.2f}]"


def median_of(body: Found, start: str) -> float:
    """The median of the first rate whose name begins so."""
    return next(rate["median"] for rate in body["rates"] if rate["name"].startswith(start))


def scored(found: Found, agent: str = "tiny") -> Found | None:
    """What the card of a shipped agent says of its scores."""
    return found.get(agent, {}).get("scored")


def control(scores: Found, family: str | None = None) -> dict[str, Found]:
    """Scores of the control tasks, or of those of a family, by task."""
    rows = {task: row for task, row in scores["tasks"].items() if row["metric"] == CONTROL}
    return {task: row for task, row in rows.items() if family is None or task.partition("/")[0] == family}


def others(scores: Found) -> dict[str, Found]:
    """Scores of texts and pictures, by task."""
    return {task: row for task, row in scores["tasks"].items() if row["metric"] != CONTROL}


def compared(row: Found) -> str:
    """`chance 0.06`."""
    return ", ".join(f"{name} {value:.2f}" for name, value in row["references"].items())


def measured(found: Found) -> str:
    """The table of README.md: what, how much, by which command."""
    rows = [*headlines(scored(found)), *speeds(found)]
    return table(("what", "measured", "command"), rows)


def headlines(scores: Found | None) -> list[tuple[str, str, str]]:
    """One row a family of control tasks, one a text, one a set of pictures."""
    if scores is None:
        return [("scores of `tiny`", "not measured yet", f"`{EVALUATE}`")]
    rows = []
    for family, row in scores["aggregates"].items():
        tasks = control(scores, family)
        if tasks:
            episodes = min(task["samples"] for task in tasks.values())
            good = sum(task["score"] >= THRESHOLDS[-1] for task in tasks.values())
            what = f"{TITLES.get(family, family)}: mean score over {row['tasks']} tasks"
            said = f"{interval(row, 'mean')}; {good} tasks at {THRESHOLDS[-1]} or more"
            rows.append((what, said, f"`{EVALUATE} --tasks {family} --episodes {episodes}`"))
    for task, row in others(scores).items():
        rows.append(
            (f"`{task}`: {row['metric']}", f"{interval(row)} ({compared(row)})", f"`{EVALUATE} --tasks {task}`")
        )
    return rows


def speeds(found: Found) -> list[tuple[str, str, str]]:
    """The headline of each benchmark."""
    rows = []
    for name, (what, say) in HEADLINES.items():
        said = say(found[name]) if name in found else "not measured yet"
        rows.append((what, said, f"`python benchmarks/{name}.py`"))
    return rows


def say_training(body: Found) -> str:
    ratio, rate = body["ratios"][-1], median_of(body, body["ratios"][-1]["of"])
    number_format = ratio["of"].rpartition(", ")[2]
    return f"{rate:,.0f} tokens/s, {ratio['median']:.2f} times GPT-2 of transformers ({number_format}, AdamW)"


def say_acting(body: Found) -> str:
    cached = {batch: median_of(body, f"{batch}, ready observations, cached") for batch in (1, 64)}
    return f"{cached[1]:,.0f} steps/s alone, {cached[64]:,.0f} with 64 environments"


def say_store(body: Found) -> str:
    rate = median_of(body, "grid: read at random, store")
    times = next(ratio["median"] for ratio in body["ratios"] if ratio["of"] == "grid: read at random, store")
    return f"{rate:,.0f} episodes/s at random, {times:.1f} times .npz files"


def say_packing(body: Found) -> str:
    packed, padded = (body["figures"][name] for name in ("fill, packed", "fill, one document a row"))
    return f"{packed:.1%} of the slots filled, {padded:.1%} with one document a row"


HEADLINES: dict[str, tuple[str, Callable[[Found], str]]] = {
    "training_speed": ("training at the shape of `tiny`", say_training),
    "acting_speed": ("acting at the shape of `tiny`", say_acting),
    "store_speed": ("reading episodes", say_store),
    "packing": ("packing", say_packing),
}


def benchmark(name: str) -> Callable[[Found], str]:
    """All rates, ratios and figures of one benchmark."""

    def write(found: Found) -> str:
        if name not in found:
            return missing(f"python benchmarks/{name}.py")
        body = found[name]
        rows = []
        for rate in body["rates"]:
            ends = f"{min(rate['rounds']):,.0f} to {max(rate['rounds']):,.0f}"
            rows.append((rate["name"], f"{rate['median']:,.0f}", ends, rate["unit"], f"{rate['cores']:.1f}"))
        text = heading(body) + table(("what", "median", "range", "unit", "cores used"), rows) + "\n"
        for row in body["ratios"]:
            times = f"{row['median']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
            text += f"* {row['of']}: {times} times {row['to']}\n"
        for key, value in body["figures"].items():
            said = "; ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            text += f"* {key}: {said}\n"
        return text

    return write


def training(agent: str) -> Callable[[Found], str]:
    """How a shipped agent was made, from its card."""

    def write(found: Found) -> str:
        card = found.get(agent)
        if card is None:
            return missing(f"opengato train {agent}")
        minutes = card.get("training_seconds", 0) / 60
        text = (
            f"`{card['command']}`: {card.get('steps', 0):,} steps in {minutes:.0f} minutes on {card['machine']}; "
            f"{card.get('precision', 'float32').removeprefix('torch.')}; torch {card['versions']['torch']}.\n\n"
        )
        rows = [
            (
                name,
                f"{row['episodes']:,}",
                f"{row['share']:.0%}",
                str(row.get("licence", "")),
                str(row.get("synthetic") or "no"),
            )
            for name, row in card["data"].items()
        ]
        return text + table(("data", "episodes", "share of positions", "licence", "synthetic"), rows)

    return write


def families(found: Found) -> str:
    """Aggregates over the tasks of a family."""
    scores = scored(found)
    if scores is None:
        return missing(EVALUATE)
    rows = []
    for family, row in scores["aggregates"].items():
        tasks = control(scores, family) or control(scores)
        counts = [sum(task["score"] >= threshold for task in tasks.values()) for threshold in THRESHOLDS]
        numbers = (interval(row, "mean"), f"{row['median']:.2f}", f"{row['iqm']:.2f}", *map(str, counts))
        rows.append((TITLES.get(family, family), str(row["tasks"]), *numbers))
    head = ("family", "tasks", "mean", "median", "IQM", *(f"≥ {threshold}" for threshold in THRESHOLDS))
    return f"`{scores['command']}`, {scores['date']}.\n\n{table(head, rows)}"


def documents(agent: str) -> Callable[[Found], str]:
    """Held-out texts, pictures, sounds and films."""

    def write(found: Found) -> str:
        scores = scored(found, agent)
        if scores is None:
            return missing(f"opengato evaluate {agent} --tasks all")
        rows = [
            (f"`{task}`", row["metric"], interval(row), compared(row), str(row["samples"]))
            for task, row in others(scores).items()
        ]
        return table(("task", "measured as", "result", "compare with", "samples"), rows)

    return write


def tasks(found: Found) -> str:
    """Every control task; the return is the score, in the unit of the task."""
    scores = scored(found)
    if scores is None:
        return missing(EVALUATE)
    rows = []
    for task, row in control(scores).items():
        random, expert = row["references"]["random"], row["references"]["expert"]
        returns = (random + row["score"] * (expert - random), random, expert)
        rows.append((f"`{task}`", str(row["samples"]), *(f"{value:.3f}" for value in returns), interval(row)))
    return table(("task", "episodes", "return", "random", "expert", "score"), rows)


TABLES: dict[str, Callable[[Found], str]] = {
    "measured": measured,
    "training": training("tiny"),
    "families": families,
    "documents": documents("tiny"),
    "training-senses": training("senses"),
    "documents-senses": documents("senses"),
    "tasks": tasks,
    "task-counts": _task_table.counts,
    "task-rows": _task_table.all_rows,
    "study-encodings": _studies.study("encodings", "Scores by encoding"),
    "study-scaling": _studies.study("scaling", "Scores by size and positions"),
    "few-shot": _studies.few_shot,
    "arena-small": _studies.arena("small"),
    "arena-full": _studies.arena("full"),
    "corpora": _corpora_table.all_corpora,
    "baselines": _corpora_table.baselines,
    "pairs": _corpora_table.pairs,
    **{path.stem: benchmark(path.stem) for path in Path(__file__).parent.glob("[a-z]*.py")},
    "growth": _growth.growth,
    "perceiver-jobs": _jobs.trained,
    "floors": _floors.floors,
}

if __name__ == "__main__":
    sys.exit(main())
