"""Keeps the outcome of a study for the pages: its rows in `results/`, its picture in `docs/`.

    opengato study encodings                          # hours; see its help
    python benchmarks/_studies.py runs/study-encodings
    opengato few-shot small
    python benchmarks/_studies.py runs/few-shot-small
    opengato compare tiny tiny-tokens
    python benchmarks/_studies.py runs/arena-small    # its rows alone: its pictures are in its own page
    python benchmarks/_tables.py                      # afterwards: puts the numbers into docs/results.md

Studies take too long for `make bench`. What is kept is what the study wrote, with the date and the machine.
"""

from __future__ import annotations

import datetime
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _markdown import table
from _measure import machine

from opengato.evaluators import arena_report, few_shot_report, study_report

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
Found = dict[str, Any]
Rows = list[dict[str, Any]]


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    for argument in sys.argv[1:]:
        name = keep(Path(argument))
        written = [RESULTS / f"{name}.json", *([picture(name)] if picture(name).is_file() else [])]
        print(f"written: {' and '.join(str(path.relative_to(ROOT)) for path in written)}", file=sys.stderr)
    return 0


def keep(folder: Path) -> str:
    """Keep what a study wrote into `folder`; the name it is kept under."""
    body: Found = {"date": datetime.date.today().isoformat(), "machine": machine()}
    if (folder / arena_report.OUTCOME).is_file():
        outcome = arena_report.read(folder)
        name = f"arena_{outcome['suite']}"
        contestants = " ".join(shlex.quote(one["name"]) for one in outcome["contestants"])
        body = {**outcome, **body, "command": f"opengato compare {contestants} --suite {outcome['suite']}"}
    elif (folder / "study.json").is_file():
        study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        name = f"study_{study['study']}"
        body |= {"command": f"opengato study {study['study']}", "x_name": study["x_name"], "rows": study["rows"]}
        study_report.plot_study(study["rows"], picture(name), study["x_name"])
    else:
        study = json.loads((folder / "few_shot.json").read_text(encoding="utf-8"))
        name = "few_shot"
        body |= {"command": "opengato few-shot small", "rows": study["summary"]}
        few_shot_report.plot_few_shot(study["summary"], picture(name))
    (RESULTS / f"{name}.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return name


def picture(name: str) -> Path:
    return ROOT / "docs" / f"{name.replace('_', '-')}.png"


def study(name: str, title: str) -> Callable[[Found], str]:
    """The table of a study."""

    def write(found: Found) -> str:
        if f"study_{name}" not in found:
            return f"Not measured yet: `opengato study {name}`\n"
        body = found[f"study_{name}"]
        head, *lines = study_report.study_lines(body["rows"])
        return origin(body) + table(head, lines) + f"\n![{title}]({picture(f'study_{name}').name})\n"

    return write


def arena(name: str) -> Callable[[Found], str]:
    """The table of an arena, and its verdicts."""

    def write(found: Found) -> str:
        if f"arena_{name}" not in found:
            return f"Not measured yet: `opengato compare RECIPE RECIPE --suite {name}`\n"
        body = found[f"arena_{name}"]
        head, *lines = arena_report.arena_lines(body)
        verdicts = "".join(f"* {verdict['words']}\n" for verdict in body["verdicts"])
        return f"{origin(body)}{table(head, lines)}\n{verdicts}"

    return write


def few_shot(found: Found) -> str:
    """The table of the few-shot study: a line a task and start, a column a number of episodes."""
    if "few_shot" not in found:
        return "Not measured yet: `opengato few-shot small`\n"
    body = found["few_shot"]
    rows: Rows = body["rows"]
    counts = sorted({row["episodes"] for row in rows})
    lines = []
    for task, mode in few_shot_report.panels(rows):
        for start in few_shot_report.starts_of(rows):
            mine = {
                row["episodes"]: row for row in rows if (row["task"], row["mode"], row["start"]) == (task, mode, start)
            }
            shown = [few_shot_report.figures(mine[count]) if count in mine else "-" for count in counts]
            lines.append((f"`{task}`", start, *shown))
    head = ("task", "start", *(f"{count} episodes" if count > 1 else "1 episode" for count in counts))
    return origin(body) + table(head, lines) + f"\n![few-shot scores]({picture('few_shot').name})\n"


def origin(body: Found) -> str:
    facts = body["machine"]
    return f"`{body['command']}`, {body['date']}, {facts['processor']}, torch {facts['versions']['torch']}.\n\n"


if __name__ == "__main__":
    sys.exit(main())
