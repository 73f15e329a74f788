"""Kinds of arguments that several sub-commands take. Nothing heavy is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

Flag = Annotated[bool, arg(help_behavior_hint="")]
Agent = Annotated[str, Positional, arg(metavar="AGENT")]
Recipe = Annotated[str, Positional, arg(metavar="RECIPE")]
Settings = Annotated[tuple[str, ...], Positional, arg(metavar="[a.b=c ...]", help_behavior_hint="")]
Stores = Annotated[tuple[str, ...], UseAppendAction]
Store = Annotated[Path, Positional, arg(metavar="FOLDER")]
Workers = Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: one per core)")]
