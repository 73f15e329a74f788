"""How long it takes to begin: the help of the command, importing the package, loading the shipped weights.

    python benchmarks/startup.py

Each turn starts a fresh Python that ends when it is done, files being in the memory of the operating system. All of its
time counts, Python's own start and what it imports included; `python -c pass` and `import torch` show how much of it is
theirs. The package alone imports little, as most of it is loaded when first asked for.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from _measure import Work, arguments, report, take_turns

MINUTE = 60  # starts a minute, as there may be less than one a second
COMMAND = "import sys; from opengato.cli import main; sys.exit(main())"  # what the installed `opengato` does
PROGRAMS: dict[str, tuple[str, ...]] = {
    "python -c pass": ("pass",),
    "import torch": ("import torch",),
    "opengato --help": (COMMAND, "--help"),
    "import opengato": ("import opengato",),
    "opengato.load('tiny')": ("import opengato; opengato.load('tiny')",),
}
LIGHT = ("python -c pass", "opengato --help", "import opengato")  # without torch, for --quick


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=7)
    programs = PROGRAMS
    if options.quick:
        options.rounds, programs = 1, {name: PROGRAMS[name] for name in LIGHT}
    turns = take_turns({name: starting(words) for name, words in programs.items()}, options.rounds, "starts/min")
    figures = {f"{name}, s": round(MINUTE / rate.median, 3) for name, rate in turns.items()}
    return report("startup", options, turns.values(), figures=figures)


def starting(words: tuple[str, ...]) -> Work:
    """One start of a Python with a program and its arguments; CalledProcessError where it fails."""

    def work() -> int:
        subprocess.run([sys.executable, "-c", *words], check=True, stdout=subprocess.DEVNULL)
        return MINUTE

    return work


if __name__ == "__main__":
    main()
