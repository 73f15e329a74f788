"""Looking at a store: is it whole, what is in it, what does an episode look like. Behind `opengato data`.

Letters: E episodes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from opengato.core.episode import ArraySpec, Episode
from opengato.data.store import MANIFEST, EpisodeStore, extend_fingerprint, read_manifest, shard_problem

_SHOWN_STEPS = 5
_SHOWN_CHARACTERS = 300


def validate_store(folder: str | Path, *, progress: bool = False) -> list[str]:
    """Every problem found, none if the store is sound.

    Checks the sha256 of each shard, decodes and validates each episode, and compares counts and fingerprint with the
    manifest. FileNotFoundError if there is no store.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    problems = [
        problem for entry in manifest["shards"] if (problem := shard_problem(folder, entry, digest=True)) is not None
    ]
    store = EpisodeStore(folder, skip_bad=bool(problems))
    for i in track(range(len(store)), description=f"episodes of {folder}", disable=not progress, console=_stderr()):
        try:
            store[i].validate()
        except ValueError as error:
            problems.append(f"episode {i}: {error}")
    if not store.bad_shards:
        problems += _compare(store)
    return problems


def _compare(store: EpisodeStore) -> list[str]:
    fingerprint = ""
    for crc32 in store.column("crc32").tolist():
        fingerprint = extend_fingerprint(fingerprint, crc32)
    steps = int(store.steps_E.sum())
    found = {"episodes": len(store), "steps": steps, "fingerprint": fingerprint}
    problems = [
        f"manifest: `{key}` is {store.manifest[key]}, the shards hold {value}"
        for key, value in found.items()
        if store.manifest[key] != value
    ]
    counts = {task: numbers["episodes"] for task, numbers in store.manifest["tasks"].items()}
    if counts != store.tasks():
        problems.append("manifest: the episodes per task differ from those in the shards")
    return problems


def store_stats(folder: str | Path) -> dict[str, Any]:
    """Totals, and per task: episodes, steps, mean length (steps), mean return, success rate (None if undefined).

    Reads the index columns alone, so it is quick on large stores. `bytes` of a task are its share by steps.
    """
    store = EpisodeStore(folder)
    returns_E = store.column("episode_return")
    success_E = store.column("success")
    tasks = {}
    for number, task in sorted(enumerate(store.task_names), key=lambda item: item[1]):
        chosen_E = store.task_E == number
        successes = [bool(value) for value in success_E[chosen_E].tolist() if value is not None]
        steps_E = store.steps_E[chosen_E]
        tasks[task] = {
            "episodes": int(chosen_E.sum()),
            "steps": int(steps_E.sum()),
            "mean_length": float(steps_E.mean()),
            "mean_return": float(returns_E[chosen_E].mean()),
            "success_rate": float(np.mean(successes)) if successes else None,
            "bytes": round(store.manifest["bytes"] * int(steps_E.sum()) / max(1, int(store.steps_E.sum()))),
        }
    keys = ("episodes", "steps", "bytes", "fingerprint", "extra")
    return {**{key: store.manifest[key] for key in keys}, "shards": len(store.entries), "tasks": tasks}


def show_episode(store: EpisodeStore, index: int) -> str:
    """An episode for reading: its facts, specs, and the first steps."""
    episode = store[index]
    lines = [
        f"episode {index} of {len(store)} in {store.folder}",
        f"task         {episode.task}",
        f"instruction  {episode.instruction!r}",
        f"steps        {episode.num_steps}, return {episode.episode_return:g}, success {episode.success}, "
        f"{'terminated' if episode.terminated else 'truncated' if episode.truncated else 'cut'}",
        f"provenance   {json.dumps(episode.provenance)}",
    ]
    for side, specs in (("observation", episode.observation_specs), ("action", episode.action_specs)):
        lines += [f"{side:<12} {name}: {_spec_text(spec)}" for name, spec in specs.items()]
    for step in range(min(_SHOWN_STEPS, episode.num_steps)):
        lines.append(f"step {step}, reward {float(episode.rewards[step]):g}")
        lines += _step_lines(episode, step)
    if episode.num_steps > _SHOWN_STEPS:
        lines.append(f"... {episode.num_steps - _SHOWN_STEPS} more steps")
    return "\n".join(lines)


def _spec_text(spec: ArraySpec) -> str:
    text = f"{spec.name}, {spec.kind}, shape {spec.shape}, {spec.dtype}"
    if spec.kind == "discrete":
        text += f", {spec.num_values} values"
    elif spec.kind == "continuous":
        text += f", in [{spec.low}, {spec.high}]"
    return f"{text}; {spec.meaning}" if spec.meaning else text


def _step_lines(episode: Episode, step: int) -> list[str]:
    lines = []
    for values_by_name, mark in ((episode.observations, "  "), (episode.actions, "->")):
        for name, values in values_by_name.items():
            value = values[step]
            if isinstance(value, str):
                text = repr(value[:_SHOWN_CHARACTERS]) + (" ..." if len(value) > _SHOWN_CHARACTERS else "")
            elif isinstance(value, bytes):
                text = f"encoded picture, {len(value)} bytes"
            else:
                text = np.array2string(np.asarray(value), precision=3, threshold=24, edgeitems=3).replace("\n", " ")
                text = " ".join(text.split())
            lines.append(f"  {mark} {name}: {text}")
    return lines


def main_validate(folder: str | Path, as_json: bool = False) -> int:
    """`opengato data validate`: prints the problems of all stores below a folder; exit code 1 if there are any."""
    found = []
    for place in stores_below(Path(folder)):
        manifest, problems = read_manifest(place), validate_store(place, progress=not as_json)
        found.append({"folder": str(place), "episodes": manifest["episodes"], "problems": problems})
        if not as_json and not problems:
            print(f"{place}: {manifest['episodes']} episodes in {len(manifest['shards'])} shards, no problem found")
        elif not as_json:
            for problem in problems:
                Console(soft_wrap=True).print(f"{place}: {problem}", style="red", markup=False, highlight=False)
    if as_json:
        _print_json(found[0] if len(found) == 1 else found)
    return 1 if any(store["problems"] for store in found) else 0


def stores_below(folder: Path) -> list[Path]:
    """The store at a folder, or all stores in the folders below it; FileNotFoundError if there is none."""
    inside = sorted(path.parent for path in folder.rglob(MANIFEST))
    if folder in inside or not inside:
        read_manifest(folder)
        return [folder]
    return inside


def main_stats(folder: str | Path, as_json: bool = False) -> int:
    """`opengato data stats`: a table of the tasks."""
    stats = store_stats(folder)
    if as_json:
        _print_json(stats)
        return 0
    table = Table(
        title=f"{folder}: {stats['episodes']:,} episodes, {stats['steps']:,} steps, {stats['bytes'] / 1e6:,.1f} MB, "
        f"{stats['shards']} shards"
    )
    table.add_column("task", overflow="fold")
    for name in ("episodes", "steps", "mean length", "mean return", "success", "MB"):
        table.add_column(name, justify="right")
    for task, row in stats["tasks"].items():
        success = "-" if row["success_rate"] is None else f"{row['success_rate']:.1%}"
        numbers = (f"{row['mean_length']:.1f}", f"{row['mean_return']:.3g}", success, f"{row['bytes'] / 1e6:.1f}")
        table.add_row(task, f"{row['episodes']:,}", f"{row['steps']:,}", *numbers)
    console = Console()
    console.print(table)
    for key, value in stats["extra"].items():
        console.print(f"{key}: {value}", markup=False)
    return 0


def main_show(folder: str | Path, index: int = 0, as_json: bool = False) -> int:
    """`opengato data show`: one episode; as JSON its facts and specs without the arrays."""
    store = EpisodeStore(folder)
    if not as_json:
        print(show_episode(store, index))
        return 0
    episode = store[index]
    facts = {name: getattr(episode, name) for name in ("task", "instruction", "num_steps", "episode_return")}
    facts |= {name: getattr(episode, name) for name in ("success", "terminated", "truncated", "provenance")}
    facts["rewards"] = episode.rewards.tolist()
    specs = store.manifest["specs"][store.column("specs")[index]]
    _print_json({"index": index, **facts, "specs": specs})
    return 0


def _stderr() -> Console:
    return Console(stderr=True)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1))
