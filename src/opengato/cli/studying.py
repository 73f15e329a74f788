"""`opengato study`."""

from __future__ import annotations

import sys
from pathlib import Path

from opengato.cli.arguments import StudyOf
from opengato.cli.printing import wide_console
from opengato.evaluators.study import RESULTS, run_study
from opengato.evaluators.study_report import plot_study, study_table
from opengato.recipes import studies


def study(arguments: StudyOf) -> None:
    """Run what is missing of a study; print its table, draw its picture."""
    chosen = studies.load(arguments.study)
    out = arguments.out or Path("runs") / chosen.name
    if arguments.jobs < 1:
        raise ValueError(f"received --jobs {arguments.jobs}, expected 1 or more")
    try:
        rows = run_study(
            chosen, out, arguments.data, arguments.workers, arguments.jobs, lambda line: print(line, file=sys.stderr)
        )
    except SystemExit:  # a signal, after a checkpoint
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        raise
    console = wide_console()
    console.print(study_table(rows))
    for note in chosen.notes:
        print(note)
    print(f"written: {out / RESULTS}", file=sys.stderr)
    print(f"written: {plot_study(rows, out / 'study.png', chosen.x_name)}", file=sys.stderr)
