"""What the benchmarks share: contestants that take turns, a table, and a JSON file that says where it was measured."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("opengato", "torch", "numpy", "transformers", "minigrid", "pyarrow")
BUSY = 0.5  # load average above which times are not to be trusted
SHORT = 3
Work = Callable[[], int]
"""Does some work and returns how many units of it were done."""


def arguments(description: str, argv: Sequence[str] | None, **defaults: int | str) -> argparse.Namespace:
    """The options that every benchmark takes; `defaults` are of further ones, `rounds` among them, and of `threads`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: only to see that it runs")
    parser.add_argument("--short", action="store_true", help=f"{SHORT} rounds at most, as `make bench` takes")
    parser.add_argument("--out", type=Path, default=None, help="folder for the JSON (default: results; none if quick)")
    threads = defaults.pop("threads", len(os.sched_getaffinity(0)))
    parser.add_argument("--threads", type=int, default=threads, help="threads of torch (default: %(default)s)")
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = parser.parse_args(argv)
    if options.short and "rounds" in defaults:
        options.rounds = min(options.rounds, SHORT)
    if options.out is None and not options.quick:
        options.out = RESULTS
    torch.set_num_threads(options.threads)
    if not options.quick and (load := os.getloadavg()[0]) > BUSY:
        print(f"warning: other programs use this machine (load {load:.1f}); do not quote these times", file=sys.stderr)
    return options


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """Units of work a second, round by round; `cores` is the processor time a second of waiting.

    Processes count that ended within the turn: a turn that leaves some running must not be measured so.
    """

    name: str
    unit: str
    rounds: tuple[float, ...]
    cores: float

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


def take_turns(
    contestants: Mapping[str, Work], rounds: int, unit: str, before: Callable[[str], None] = lambda _: None
) -> dict[str, Rate]:
    """Rates of each contestant: A, B, C, A, B, C, ..., so that what slows the machine for a while slows all alike.

    One turn each comes first and is not counted: memory is allocated and kernels are chosen in it. `before(name)` is
    called before each turn, outside of the clock.
    """
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    cores: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, work in contestants.items():
            if sys.stderr.isatty():
                print(f"\r\x1b[2Kround {turn} of {rounds}: {name}", end="", file=sys.stderr, flush=True)
            before(name)
            processor, begun = _processor_seconds(), time.perf_counter()
            units = work()
            seconds = time.perf_counter() - begun
            if turn:
                rates[name].append(units / seconds)
                cores[name].append((_processor_seconds() - processor) / seconds)
    if sys.stderr.isatty():
        print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
    return {
        name: Rate(name=name, unit=unit, rounds=tuple(rates[name]), cores=statistics.median(cores[name]))
        for name in contestants
    }


def _processor_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def ratio(above: Rate, below: Rate) -> dict[str, Any]:
    """How many times as fast `above` is: the median over rounds, with the lowest and the highest round."""
    pairs = [a / b for a, b in zip(above.rounds, below.rounds, strict=True)]
    return {
        "of": above.name,
        "to": below.name,
        "median": statistics.median(pairs),
        "low": min(pairs),
        "high": max(pairs),
    }


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES if _version(name)},
    }


def report(
    name: str,
    options: argparse.Namespace,
    rates: Iterable[Rate],
    *,
    ratios: Sequence[dict[str, Any]] = (),
    figures: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Print the table, write `OUT/name.json` where there is an OUT, and return what was written."""
    rates = list(rates)
    body = {
        "benchmark": name,
        "command": f"python benchmarks/{name}.py",
        "date": datetime.date.today().isoformat(),
        "quick": options.quick,
        "machine": machine(),
        "rates": [asdict(rate) | {"median": rate.median} for rate in rates],
        "ratios": list(ratios),
        "figures": dict(figures or {}),
    }
    _show(name, rates, body)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{name}.json"
        path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        print(f"written: {path}", file=sys.stderr)
    return body


def _show(name: str, rates: list[Rate], body: dict[str, Any]) -> None:
    facts = body["machine"]
    title = f"{name}: {facts['processor']}, {facts['threads']} threads, torch {facts['versions'].get('torch')}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("what", no_wrap=True)
    for column in ("median", "lowest", "highest", "unit", "cores"):
        table.add_column(column, justify="right", no_wrap=True)
    for rate in rates:
        numbers = (shown(value) for value in (rate.median, min(rate.rounds), max(rate.rounds)))
        table.add_row(rate.name, *numbers, rate.unit, f"{rate.cores:.1f}")
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(table)
    for row in body["ratios"]:
        print(f"{row['of']} is {row['median']:.2f} [{row['low']:.2f}, {row['high']:.2f}] times {row['to']}")
    for key, value in body["figures"].items():
        print(f"{key}: {value}")


def shown(value: float) -> str:
    """`1,024`, `12.3`, `0.012`: three digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
