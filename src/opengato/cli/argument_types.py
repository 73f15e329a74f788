"""Types of arguments that several commands share. Nothing heavy is imported here: see `arguments`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

Flag = Annotated[bool, arg(help_behavior_hint="")]
Agent = Annotated[str, Positional, arg(metavar="AGENT")]
Recipe = Annotated[str, Positional, arg(metavar="RECIPE")]
Settings = Annotated[tuple[str, ...], Positional, arg(metavar="[a.b=c ...]", help_behavior_hint="")]
Stores = Annotated[tuple[str, ...], UseAppendAction]
Store = Annotated[Path, Positional, arg(metavar="FOLDER")]
Workers = Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: one per core)")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Acting:
    """How an agent chooses its actions, and how far it looks back; `random` and `expert` have no use for it."""

    temperature: float = 0.0
    """0 takes the best action, above 0 draws."""
    top_k: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Draw from the N likeliest values."""
    top_p: float = 1.0
    """Draw from the likeliest values that hold this share of the mass."""
    history: Annotated[int | None, arg(metavar="STEPS", help_behavior_hint="(default: all in the window)")] = None
    """Forget all but the last steps, the present one among them; 1 is the real-time mode of Gato."""
    good_returns: float = 10.0
    """How far an agent that predicts returns prefers high ones: nats for the expert's return."""
    weights: Literal["float32", "int8"] = "float32"
    """8 bits read a quarter of the memory: quicker for one environment, slower for many."""
    device: str = "cpu"
    """Where the network runs: `cpu`, `cuda`, `cuda:1`, `mps`."""
    window: Annotated[int | None, arg(metavar="POSITIONS", help_behavior_hint="(default: as in training)")] = None
    """How far back a layer sees."""
