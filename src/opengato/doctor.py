"""`opengato doctor`: what this machine has, what is missing, and the command that brings it.

Nothing here fails: what is broken is what is looked for, so each finding is a value or a sentence that says why not.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import time
from importlib import metadata
from json import dumps
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table

from opengato.core.config import plugins
from opengato.envs import all_tasks, families
from opengato.envs.gl import ensure_gl

NAME = "opengato"
DEVELOPERS = "dev"
COLLECTIONS = ("demo", DEVELOPERS)  # extras that are shown only as far as they are missing
GIB = 2**30


def report() -> dict[str, Any]:
    """Everything `opengato doctor` knows, as plain JSON values. Takes seconds: it multiplies, draws and imports."""
    extras = _extras()
    torch = _torch()
    rendering = _rendering()
    families = _families()
    missing = [name for name, needs in extras.items() if name not in COLLECTIONS and not all(n["fits"] for n in needs)]
    checked = {"torch": torch, "rendering": rendering, **{f"tasks of {n}": found for n, found in families.items()}}
    problems = [f"{part}: {found['error']}" for part, found in checked.items() if found["error"]]
    return {
        NAME: {"version": _version(NAME), "folder": str(Path(__file__).parent)},
        "python": {"version": platform.python_version(), "executable": sys.executable, "platform": platform.platform()},
        "torch": torch,
        "rendering": rendering,
        "families": families,
        "plugins": {group: plugins(group) for group in ("modalities", "backbones", "objectives", "sources")},
        "memory": _memory(),
        "disk": {"folder": str(Path.cwd()), "free_gib": round(shutil.disk_usage(Path.cwd()).free / GIB, 1)},
        "extras": extras,
        "install": f"pip install '{NAME}[{','.join(missing)}]'" if missing else None,
        "problems": problems,
    }


def show(found: dict[str, Any], console: Console | None = None) -> None:
    """Print a report for people."""
    console = console or Console()
    torch, memory = found["torch"], found["memory"]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(NAME, f"{found[NAME]['version'] or 'not installed'}  in {found[NAME]['folder']}")
    table.add_row("python", f"{found['python']['version']}  {found['python']['executable']}")
    table.add_row("machine", f"{found['python']['platform']}, {_cores()} cores")
    table.add_row("memory", f"{memory['free_gib']} of {memory['total_gib']} GiB free")
    if training := found.get("training"):
        lacks = memory["free_gib"] is not None and training["total"] > memory["free_gib"] * GIB
        table.add_row(f"to train {training['recipe']}", training["needs"])
        if lacks:
            advice = "train.accumulate=N (batches in N parts), train.agent.backbone.recompute=true, or fewer rows"
            table.add_row("", f"[red]more than is free; try {advice}[/red]")
    table.add_row("disk", f"{found['disk']['free_gib']} GiB free in {found['disk']['folder']}")
    if torch["error"]:
        table.add_row("torch", f"[red]{torch['error']}[/red]")
    else:
        table.add_row("torch", f"{torch['version']}  on {torch['device']}, {torch['threads']} threads")
        speeds = ", ".join(f"{name} {speed:g} GFLOP/s" for name, speed in torch["matmul_gflops"].items())
        unit = "a core" if torch["device"] == "cpu" else "the device"
        table.add_row("", f"{speeds} for {unit}: {torch['faster']} is faster")
    table.add_row("rendering", found["rendering"]["backend"] or f"[red]{found['rendering']['error']}[/red]")
    for name, family in found["families"].items():
        table.add_row(f"tasks of {name}", f"[red]{family['error']}[/red]" if family["error"] else str(family["tasks"]))
    for group, names in found["plugins"].items():
        table.add_row(group, ", ".join(names) or "none")
    for extra, needs in found["extras"].items():
        lines = [_need_line(need) for need in needs if extra not in COLLECTIONS or not need["fits"]]
        table.add_row(f"\\[{extra}]", ", ".join(lines) or "complete")
    console.print(table)
    if found["install"]:
        console.print(f"\nFor what is missing: [bold]{found['install'].replace('[', chr(92) + '[')}[/bold]")


def main(json: bool = False, training: dict[str, Any] | None = None) -> None:
    """Print the report, and what a `training` needs of memory: for people, or as JSON for programs."""
    found = report() | ({} if training is None else {"training": training})
    if json:
        print(dumps(found, indent=1))
    else:
        show(found)


def _need_line(need: dict[str, Any]) -> str:
    if need["version"] is None:
        return f"[yellow]{need['name']} missing[/yellow]"
    line = f"{need['name']} {need['version']}"
    return line if need["fits"] else f"[yellow]{line} (wants {need['wanted']})[/yellow]"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> dict[str, list[dict[str, Any]]]:
    """What each extra asks for and what is there, read from the metadata of the installed package."""
    try:
        lines = metadata.requires(NAME) or []
        names = metadata.metadata(NAME).get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:  # run from a folder of sources
        return {}
    extras: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        for need in map(Requirement, lines):
            ours = need.marker is not None and need.marker.evaluate({"extra": name})
            if not ours or need.marker.evaluate({"extra": ""}) or need.name == NAME:
                continue
            version = _version(need.name)
            fits = version is not None and need.specifier.contains(version, prereleases=True)
            entry = {"name": need.name, "wanted": str(need.specifier), "version": version, "fits": fits}
            extras.setdefault(name, []).append(entry)
    return extras


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _torch() -> dict[str, Any]:
    """Version, device, threads, and which precision multiplies faster: CPUs differ in this."""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError, RuntimeError) as error:  # a build for another machine fails in each of these ways
        return {"version": _version("torch"), "error": f"cannot be imported: {error}. Try: pip install torch"}
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    speeds = {name: _matmul_gflops(torch, device, name) for name in ("float32", "bfloat16")}
    return {
        "version": torch.__version__,
        "error": None,
        "device": f"cuda ({torch.cuda.get_device_name()})" if device == "cuda" else device,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "matmul_gflops": speeds,
        "faster": max(speeds, key=lambda name: speeds[name]),
    }


def _matmul_gflops(torch: Any, device: str, dtype: str, size: int = 512, seconds: float = 0.2) -> float:
    """Speed of matrix products: of one core by its own clock, as others may use it too; or of a GPU."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if device == "cpu" else threads)
    a = torch.randn(size, size).to(device, getattr(torch, dtype))
    b = a @ a
    float(b.sum())  # warms up, and waits for a GPU
    products, start = 0, clock()
    while clock() - start < seconds:
        b = a @ a
        products += 1
    float(b.sum())
    elapsed = clock() - start
    torch.set_num_threads(threads)
    return round(2 * size**3 * products / elapsed / 1e9, 1)


def _rendering() -> dict[str, Any]:
    try:
        return {"backend": ensure_gl(), "error": None}
    except RuntimeError as error:
        return {"backend": None, "error": str(error)}


def _families() -> dict[str, dict[str, Any]]:
    """How many tasks each family has; a family that fails says so and spoils nothing."""
    found: dict[str, dict[str, Any]] = {}
    for name in families():
        try:
            found[name] = {"tasks": len(all_tasks(name)), "error": None}
        except Exception as error:  # a plug-in may fail in any way; the doctor's work is to say how
            found[name] = {"tasks": 0, "error": f"{type(error).__name__}: {error}"}
    return found


def _memory() -> dict[str, float | None]:
    """Memory of the machine, or of the container where that is less."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        free = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError, AttributeError):  # not Linux
        return {"total_gib": None, "free_gib": None}
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and (text := limit.read_text(encoding="ascii").strip()).isdigit():
        total = min(total, int(text))
        free = min(free, int(text) - int(used.read_text(encoding="ascii")))
    return {"total_gib": round(total / GIB, 1), "free_gib": round(free / GIB, 1)}


if __name__ == "__main__":
    main(json="--json" in sys.argv[1:])
