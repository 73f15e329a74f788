"""Whether what the benchmarks measured reaches what is asked for, and whether anything fell below what is claimed.

    python benchmarks/_floors.py             # after `make bench`, which ends with it
    python benchmarks/_floors.py FOLDER      # of other results

Of each row of `GUARDS` a figure is looked up in `results/*.json`: a ratio within one run or, where a ratio says nothing
(a share, a deadline), the figure itself; of several, such as one a family, the worst. `aim` is what is asked for: to
miss it is said, and no failure. `floor` is what must not fall: it is set a margin below what was measured, and what
falls below it ends this with status 1, as does a file that lacks its figure. What was never measured has no floor yet.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _growth import CURVES
from _markdown import table
from _measure import RESULTS, shown
from rich import box
from rich.console import Console
from rich.table import Table

Found = Mapping[str, Any]
NOISE = 0.1  # by which an exponent may be off


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A median, with the lowest and the highest round where there are such."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """`1.19 [1.14, 1.33]`."""
        spread = "" if self.low == self.high else f" [{shown(self.low)}, {shown(self.high)}]"
        return f"{shown(self.value)}{spread}"


Look = Callable[[Found], Iterable[Figure]]
"""All figures of a result that a row is about."""


def nothing(_: Found) -> Iterable[Figure]:
    """Of what no benchmark measures."""
    return ()


def ratios(of: str, to: str) -> Look:
    """Ratios whose two names hold these expressions."""

    def look(body: Found) -> Iterator[Figure]:
        for row in body["ratios"]:
            if re.search(of, row["of"]) and re.search(to, row["to"]):
                yield Figure(value=row["median"], low=row["low"], high=row["high"])

    return look


def rates(above: str, below: str) -> Look:
    """The ratio of two rates of these names: the ratio of their medians, and the range of the rounds' ratios."""

    def look(body: Found) -> Iterator[Figure]:
        found = {rate["name"]: rate for rate in body["rates"]}
        if above in found and below in found:
            one, other = found[above], found[below]
            each = [a / b for a, b in zip(one["rounds"], other["rounds"], strict=True)]
            yield Figure(value=one["median"] / other["median"], low=min(each), high=max(each))

    return look


def figures(name: str) -> Look:
    """Figures whose whole name fits an expression; `70%` is 0.7."""

    def look(body: Found) -> Iterator[Figure]:
        for key, value in body["figures"].items():
            if re.fullmatch(name, key):
                number = per_cent(value) if isinstance(value, str) else float(value)
                yield Figure(value=number, low=number, high=number)

    return look


def per_cent(words: str) -> float:
    """0.7 of `70%`."""
    return float(words.rstrip("%")) / 100


def power(curve: str) -> Look:
    """The exponent of a curve of `growth.py`, over the upper half of its points."""

    def look(body: Found) -> Iterator[Figure]:
        if fit := body["figures"].get(f"exponent, {curve}"):
            yield Figure(value=fit["upper half"], low=fit["low"], high=fit["high"])

    return look


def best_rate(name: str) -> Look:
    """The fastest of the rates whose whole name fits an expression: of several ways to do a thing, the one to take."""

    def look(body: Found) -> Iterator[Figure]:
        fitting = [rate for rate in body["rates"] if re.fullmatch(name, rate["name"])]
        if fitting:
            best = max(fitting, key=lambda rate: rate["median"])
            yield Figure(value=best["median"], low=min(best["rounds"]), high=max(best["rounds"]))

    return look


def best_shares(*sizes: str) -> Look:
    """For each size of `gpu.py`, its best way with one document a row; nothing where a size was left out.

    Several documents in a row spare operations that are counted all the same: that share says too much.
    """

    def look(body: Found) -> Iterator[Figure]:
        found = [body["figures"].get(f"{size}, share of the peak") for size in sizes]
        for ways in found if all(found) else ():
            best = max(per_cent(share) for way, share in ways.items() if "documents a row" not in way)
            yield Figure(value=best, low=best, high=best)

    return look


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """A row: what is asked for (`aim`), what must not fall (`floor`), and where to look.

    With `most`, both are what a figure may be at most. Without a `file` nothing measures it; `command` says what else
    there is.
    """

    what: str
    aim: float | None = None
    floor: float | None = None
    file: str | None = None
    look: Look = nothing
    most: bool = False
    unit: str = ""
    command: str = ""

    @property
    def asked(self) -> str:
        """`≥ 1.15`."""
        return "-" if self.aim is None else f"{'≤' if self.most else '≥'} {shown(self.aim)}{self.unit}"

    @property
    def source(self) -> str:
        """The command that measures it."""
        return self.command if self.file is None else f"`python benchmarks/{self.file}.py`"

    def holds(self, figure: Figure, bound: float | None) -> bool:
        return bound is None or (figure.value <= bound if self.most else figure.value >= bound)


GUARDS = (
    Guard(
        what="training, 10M, length 1024, beside the fastest of four peers",
        aim=1.15,
        floor=0.85,
        file="training_peers",
        look=ratios("^opengato, compiled, 10M", ""),
    ),
    Guard(
        what="the same at 79M",
        aim=1.15,
        floor=0.9,
        file="training_peers",
        look=ratios("^opengato, compiled, 79M", ""),
    ),
    Guard(
        what="training at the shape of `tiny`, beside GPT-2 of `transformers`",
        floor=1.0,
        file="training_speed",
        look=ratios("^opengato", "^GPT-2"),
    ),
    Guard(
        what="training on a mixture, beside a trainer that pads and computes all logits",
        aim=2.0,
        floor=1.4,
        file="mixture",
        look=ratios("^opengato, ", "^padded, all logits, "),
    ),
    Guard(
        what="share of what `torch.mm` reaches",
        aim=0.85,
        floor=0.16,
        file="training_peers",
        look=figures("share of it, .*"),
    ),
    Guard(
        what="two processes beside one: DDP",
        floor=1.3,
        file="ranks",
        look=ratios("DDP$", "^one process$"),
    ),
    Guard(
        what="share of the slots that hold a position",
        aim=0.98,
        floor=0.98,
        file="packing",
        look=figures("fill, packed"),
    ),
    Guard(
        what="making a batch, beside a step, one worker, every shipped recipe",
        aim=0.05,
        most=True,
        floor=0.4,
        file="waiting",
        look=figures(".*, making a batch beside a step"),
    ),
    Guard(
        what="waiting for data, beside a step, every shipped recipe",
        aim=0.02,
        most=True,
        floor=0.02,
        file="waiting",
        look=figures(".*, waiting for data beside a step"),
    ),
    Guard(
        what="episodes at random, beside Minari",
        aim=10.0,
        floor=10.0,
        file="loading_peers",
        look=ratios("^store$", "^Minari$"),
    ),
    Guard(
        what="episodes at random, beside LeRobot's layout",
        aim=10.0,
        floor=10.0,
        file="loading_peers",
        look=ratios("^store$", "^LeRobot layout$"),
    ),
    Guard(
        what="episodes at random, beside raw records",
        aim=0.5,
        floor=0.08,
        file="loading_peers",
        look=ratios("^store$", "^raw records$"),
    ),
    Guard(
        what="episodes at random, beside `.npz` files",
        floor=7.0,
        file="store_speed",
        look=ratios("read at random, store$", "read at random, npz$"),
    ),
    Guard(
        what="memory of a worker of the loader, and over 100,000 actions: flat",
        command="`python -m pytest -m slow tests/slow/test_no_growth.py`",
    ),
    Guard(
        what="writing at 79M, beside `generate` of `transformers`",
        aim=1.5,
        floor=1.5,
        file="decoding_speed",
        look=ratios("^opengato, (?!int8)", "^GPT-2"),
    ),
    Guard(
        what="share of what the memory allows in float32",
        aim=0.7,
        floor=0.6,
        file="decoding_speed",
        look=figures("share of the limit reached in float32"),
    ),
    Guard(
        what="weights of 8 bits, beside float32",
        floor=1.2,
        file="decoding_speed",
        look=ratios("^opengato, int8", "^opengato, float32$"),
    ),
    Guard(
        what="99 of 100 actions, the slowest family, one core",
        aim=20.0,
        most=True,
        unit=" ms",
        floor=20.0,
        file="latency",
        look=figures(".*, 99th of 100, ms"),
    ),
    Guard(
        what="an action at the end of a run, beside the beginning",
        aim=1.1,
        most=True,
        floor=1.2,
        file="latency",
        look=figures(".*, last tenth to first"),
    ),
    Guard(
        what="16 environments at once, beside one",
        aim=6.0,
        floor=4.4,
        file="acting_speed",
        look=rates("16, babyai/GoToLocal, cached", "1, babyai/GoToLocal, cached"),
    ),
    Guard(
        what="16 environments with the cache, beside without it",
        floor=4.5,
        file="acting_speed",
        look=ratios("^16, ready observations, cached$", "uncached$"),
    ),
    Guard(
        what="numbers of an action at once, beside one by one (robot)",
        floor=1.9,
        file="real_time",
        look=ratios("^robot, at once", "^robot, number by number"),
    ),
    Guard(
        what="364M and 1.18B on a GPU, share of its bfloat16 peak",
        aim=0.5,
        file="gpu",
        look=best_shares("gato-364m", "gato-1b"),
    ),
    Guard(
        what="actions a second of 1.18B on a GPU, 1024 in sight",
        aim=20.0,
        file="gpu",
        look=best_rate("gato-1b: acting, .*"),
    ),
    Guard(
        what="the help of the command",
        aim=0.3,
        floor=0.3,
        most=True,
        unit=" s",
        file="startup",
        look=figures("opengato --help, s"),
    ),
    Guard(
        what="importing the package",
        aim=1.0,
        floor=1.0,
        most=True,
        unit=" s",
        file="startup",
        look=figures("import opengato, s"),
    ),
    Guard(
        what="loading the shipped weights, start of Python and all",
        aim=2.0,
        floor=2.0,
        most=True,
        unit=" s",
        file="startup",
        look=figures(r"opengato\.load\('tiny'\), s"),
    ),
    *(
        Guard(
            what=f"power of {curve.axis} in the cost of {name}: {curve.expected} in theory, and {NOISE:g} for noise",
            aim=curve.theory[1] + NOISE,
            floor=curve.theory[1] + NOISE,
            most=True,
            file="growth",
            look=power(name),
        )
        for name, curve in CURVES.items()
    ),
    Guard(
        what="collecting BabyAI by two processes, beside one",
        aim=1.6,
        floor=1.6,
        file="collect_speed",
        look=ratios("^babyai", ""),
    ),
    Guard(
        what="collecting Meta-World by two processes, beside one",
        aim=1.6,
        floor=1.45,
        file="collect_speed",
        look=ratios("^metaworld", ""),
    ),
    Guard(
        what="positions a second and core in Gato's encoding",
        aim=1e6,
        floor=1e6,
        file="tokenise_speed",
        look=figures(".* positions a second of processor time"),
    ),
)
REACHED, MISSED, FALLEN, STATED = "reached", "missed", "BELOW ITS FLOOR", "-"
UNMEASURED, LACKING, ELSEWHERE = "not measured", "NOT IN ITS FILE", "a test"
FAILURES = (FALLEN, LACKING)


def judge(guard: Guard, found: Mapping[str, Found]) -> tuple[Figure | None, str]:
    """The worst figure of a row, and what is to be said of it."""
    if guard.file is None:
        return None, ELSEWHERE if "pytest" in guard.command else UNMEASURED
    if guard.file not in found:
        return None, UNMEASURED
    worst = max if guard.most else min
    figure = worst(guard.look(found[guard.file]), key=lambda one: one.value, default=None)
    if figure is None:
        return None, LACKING
    if not guard.holds(figure, guard.floor):
        return figure, FALLEN
    if guard.aim is None:
        return figure, STATED
    return figure, REACHED if guard.holds(figure, guard.aim) else MISSED


def floors(found: Mapping[str, Found]) -> str:
    """The table of the pages: a line a row of the aims."""
    lines = []
    for guard in GUARDS:
        figure, verdict = judge(guard, found)
        said = "-" if figure is None else f"{figure}{guard.unit}"
        lines.append((guard.what, guard.asked, said, verdict, guard.source))
    return table(("what", "asked for", "measured", "reached", "command"), lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=RESULTS, help="of results (default: %(default)s)")
    folder = parser.parse_args(argv).folder
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    printed = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("what", "asked for", "floor", "measured", "reached"):
        printed.add_column(column, justify="left" if column in ("what", "reached") else "right")
    failed = []
    for guard in GUARDS:
        figure, verdict = judge(guard, found)
        floor = "-" if guard.floor is None else shown(guard.floor)
        printed.add_row(guard.what, guard.asked, floor, "-" if figure is None else f"{figure}{guard.unit}", verdict)
        if verdict in FAILURES:
            failed.append(f"{guard.what}: {verdict}")
    console = Console() if sys.stdout.isatty() else Console(width=160)
    console.print(printed)
    for line in failed:
        print(line, file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
