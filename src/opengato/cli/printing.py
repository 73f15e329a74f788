"""Where tables are printed."""

from __future__ import annotations

import sys

from rich.console import Console

UNBOUNDED = 160  # columns where nobody looks: a pipe or a file


def wide_console() -> Console:
    """As wide as the terminal; wide enough for any table where there is none."""
    return Console() if sys.stdout.isatty() else Console(width=UNBOUNDED)
