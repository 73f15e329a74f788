"""Measures finished jobs of Perceiver IO on what was held out, and keeps their figures for docs/results.md.

    opengato perceiver train digits                       # and the others, see docs/perceiver.md
    python benchmarks/_jobs.py runs/perceiver-*           # keeps what was kept of others before
    python benchmarks/_tables.py

The corpora lie in `data` of the folder that it is called in.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Any

from _markdown import table
from _measure import machine

from opengato.recipes import jobs
from opengato.train import fitting

RESULTS = Path(__file__).parent / "results" / "perceiver_jobs.json"
Found = dict[str, Any]


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    rows = {row["name"]: row for row in json.loads(RESULTS.read_text())["rows"]} if RESULTS.is_file() else {}
    for argument in sys.argv[1:]:
        row = measured(Path(argument))
        rows[row["name"]] = row
        print(f"{row['name']}: {row['figures']}", file=sys.stderr)
    body = {
        "command": "opengato perceiver train JOB; python benchmarks/_jobs.py runs/perceiver-*",
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "rows": [rows[name] for name in sorted(rows)],
    }
    RESULTS.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    return 0


def measured(run: Path) -> Found:
    """What is known of a run, and its figures."""
    network, card = fitting.load_network(run)
    return {
        "name": run.name.removeprefix("perceiver-"),
        "job": card["job"],
        "begin": card["begin"],
        "steps": card["steps"],
        "minutes": card["seconds"] / 60,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "figures": jobs.measure(run, Path("data")),
    }


def trained(found: Found) -> str:
    """A row a figure; what stands behind a stroke in its name is a simple method beside it."""
    if "perceiver_jobs" not in found:
        return "Not measured yet: `opengato perceiver train JOB`\n"
    body, rows = found["perceiver_jobs"], []
    for run in body["rows"]:
        begun = f" from `{Path(run['begin']).name}`" if run["begin"] else ""
        job = f"`{run['job']}`{begun}, {run['parameters'] / 1e6:.1f}M, {run['steps']:,} steps, {run['minutes']:.0f} min"
        for name, value in run["figures"].items():
            what, _, other = name.partition("/")
            if not other or f"{what}/perceiver" == name:
                beside = ", ".join(
                    f"{rest.partition('/')[2]} {number:.3g}"
                    for rest, number in run["figures"].items()
                    if rest.startswith(f"{what}/") and rest != name
                )
                rows.append((job, what, f"{value:.3g}", beside))
                job = ""
    threads = body["machine"]["threads"]
    heading = f"`{body['command']}`, {body['date']}, {body['machine']['processor']}, {threads} threads measuring.\n\n"
    return heading + table(("job", "held out", "ours", "beside it"), rows)


if __name__ == "__main__":
    sys.exit(main())
