"""`opengato study`."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from opengato.cli.arguments import StudyOf
from opengato.evaluators.study import RESULTS, run_study
from opengato.evaluators.study_report import plot_study, study_table
from opengato.recipes import studies

UNBOUNDED = 160  # columns where nobody looks: a pipe or a file


def study(arguments: StudyOf) -> None:
    """Run what is missing of a study; print its table, draw its picture."""
    chosen = studies.load(arguments.study)
    out = arguments.out or Path("runs") / chosen.name
    try:
        rows = run_study(chosen, out, arguments.data, arguments.workers, tell=lambda line: print(line, file=sys.stderr))
    except SystemExit:  # a signal, after a checkpoint
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        raise
    console = Console() if sys.stdout.isatty() else Console(width=UNBOUNDED)
    console.print(study_table(rows))
    print(f"written: {out / RESULTS}", file=sys.stderr)
    print(f"written: {plot_study(rows, out / 'study.png', chosen.x_name)}", file=sys.stderr)
