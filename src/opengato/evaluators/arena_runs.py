"""The runs of an arena: learning rates tried, the best one trained with every seed, each agent measured.

A finished run is never run again, and one that was broken off goes on from its checkpoint.
Letters: N predicted rows of a modality.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from opengato.agent.model import Agent
from opengato.core.config import differences, renewed, to_json
from opengato.data.loader import Loader, LoaderConfig
from opengato.data.mixture import Mixture
from opengato.data.store import read_manifest
from opengato.evaluators import evaluate
from opengato.evaluators.arena import RATES, Contestant, Entry, Suite
from opengato.evaluators.jobs import in_processes
from opengato.evaluators.report import NORMALISED, TaskResult
from opengato.train.precision import resolve
from opengato.train.run import Recipe, mixture_config, run

SETTINGS, RESULT, REPORT, PRECISION = "settings.json", "result.json", "report.json", "precision.json"
TUNING_SEED = 1000  # of the short runs: no seed of a measured one
VALIDATION_BATCHES = 8
LONGEST_NAME = 80
# References that say what knowing nothing reaches, by whichever of them a task has.
NOTHING = ("majority", "chance", "frequencies of bytes", "empty")
Figures = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A training and what is to be found out about its agent: on which stores, or on which tasks."""

    recipe: Recipe
    folder: Path
    suite: Suite
    data: Path

    @property
    def settings(self) -> Figures:
        """All that its figures hang on, as JSON."""
        measured = {"tasks": self.suite.tasks, "settings": to_json(self.suite.settings)}
        stores = {name: read_manifest(path)["fingerprint"] for name, path in self.recipe.stores.items()}
        return json.loads(json.dumps({"recipe": to_json(self.recipe), **measured, "data": stores}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Of a contestant: the learning rate it was trained at, the validation losses of those it tried, and its runs."""

    rate: float
    losses: dict[float, float]
    runs: list[Figures]


def run_all(
    entries: Sequence[Entry], suite: Suite, seeds: int, folder: Path, data: Path, jobs: int, tell: Callable[[str], None]
) -> dict[str, Found]:
    """Try the learning rates, then train and measure every seed at the best one; what was found, by contestant."""
    rates = RATES[: suite.tries]
    tuned: dict[str, dict[float, float]] = {entry.name: {} for entry in entries}
    if len(rates) > 1:
        tries = [(entry, rate) for rate in rates for entry in entries]
        shorts = [tuning_job(entry, rate, suite, folder, data) for entry, rate in tries]
        found = settled(tuning, shorts, jobs, tell, lambda figures: f"validation loss {figures['loss']}")
        for (entry, rate), figures in zip(tries, found, strict=True):
            tuned[entry.name][rate] = math.inf if figures["loss"] is None else figures["loss"]
    best = {name: best_rate(losses) for name, losses in tuned.items()}
    finals = [
        final_job(entry, best[entry.name], seed, suite, folder, data) for seed in range(seeds) for entry in entries
    ]
    rows = settled(measuring, finals, jobs, tell, lambda figures: f"mean {mean_points(figures):.3f}")
    return {
        entry.name: Found(rate=best[entry.name], losses=tuned[entry.name], runs=rows[number :: len(entries)])
        for number, entry in enumerate(entries)
    }


def same_precision(contestants: Sequence[Contestant], folder: Path) -> list[Contestant]:
    """One number format for all whose recipe leaves it open: measured once, as a busy machine may say another later."""
    path = folder / PRECISION
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        write(path, str(resolve("auto", device)).removeprefix("torch."))
    fastest = json.loads(path.read_text(encoding="utf-8"))
    found = []
    for contestant in contestants:
        train = contestant.recipe.train
        train = dataclasses.replace(train, precision=fastest if train.precision == "auto" else train.precision)
        found.append(dataclasses.replace(contestant, recipe=dataclasses.replace(contestant.recipe, train=train)))
    return found


def settled(
    call: Callable[[Job], Figures],
    wanted: Sequence[Job],
    at_once: int,
    tell: Callable[[str], None],
    words: Callable[[Figures], str],
) -> list[Figures]:
    """The figures of each job, in order; those of finished ones as they were kept."""
    known = {job.folder: kept(job) for job in wanted}
    missing = [job for job in wanted if known[job.folder] is None]
    if at_once == 1:
        found = map(call, missing)
    else:
        logs = [job.folder / "output.txt" for job in missing]
        found = in_processes(call, [(job,) for job in missing], at_once, logs)
    for number, figures in enumerate(found, 1):
        known[Path(figures["folder"])] = figures
        tell(f"{number}/{len(missing)}: {figures['run']}: {words(figures)}")
    return [figures for job in wanted if (figures := known[job.folder]) is not None]


def kept(job: Job) -> Figures | None:
    """The figures of a finished run; ValueError where its folder was begun with other settings."""
    if (job.folder / SETTINGS).is_file():
        begun = renewed(json.loads((job.folder / SETTINGS).read_text(encoding="utf-8")))
        if unlike := differences(begun, job.settings):
            raise ValueError(
                f"{job.folder} was begun with other settings: {'; '.join(unlike[:3])}; choose another --out, or delete "
                "that folder"
            )
    result = job.folder / RESULT
    return json.loads(result.read_text(encoding="utf-8")) if result.is_file() else None


def tuning_job(entry: Entry, rate: float, suite: Suite, folder: Path, data: Path) -> Job:
    """A short run at a learning rate."""
    recipe = entry.at(rate, TUNING_SEED, max(1, round(suite.short * entry.steps)))
    place = folder / "tuning" / folder_name(entry.name) / f"rate-{rate:.3g}"
    return Job(recipe=recipe, folder=place, suite=suite, data=data)


def final_job(entry: Entry, rate: float, seed: int, suite: Suite, folder: Path, data: Path) -> Job:
    """A whole run at the best learning rate."""
    place = folder / "runs" / folder_name(entry.name) / f"rate-{rate:.3g}-seed-{seed}"
    return Job(recipe=entry.at(rate, seed, entry.steps), folder=place, suite=suite, data=data)


def folder_name(name: str) -> str:
    """A name that is fit for a folder; of a long one the beginning, and a hash of the whole."""
    word = re.sub(r"[^\w.=+-]+", "-", name)
    if len(word) <= LONGEST_NAME:
        return word
    return f"{word[:LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def tuning(job: Job) -> Figures:
    """Train shortly, and look at held-out episodes of the training's own stores; no loss where it diverged."""
    begin(job)
    try:
        loss = validation_loss(trained(job), job)
    except FloatingPointError:
        loss = math.inf
    return finish(job, {"loss": loss if math.isfinite(loss) else None})


def measuring(job: Job) -> Figures:
    """Train, and measure on the tasks of the suite: unseen seeds and held-out documents."""
    begin(job)
    agent = trained(job)
    settings = dataclasses.replace(job.suite.settings, data=job.data)
    report = evaluate(agent, job.suite.tasks, settings=settings)
    report.to_json(job.folder / REPORT)
    found = {
        "seed": job.recipe.train.seed,
        "seconds": agent.card["training_seconds"],
        "tasks": {result.task: described(result) for result in report.results},
        "left_out": dict(report.left_out),
    }
    return finish(job, found)


def trained(job: Job) -> Agent:
    """The agent of a run, which goes on where it was broken off."""
    return run(job.recipe, job.folder, job.data)


def begin(job: Job) -> None:
    """Note what a run is, before its first checkpoint."""
    job.folder.mkdir(parents=True, exist_ok=True)
    write(job.folder / SETTINGS, job.settings)


def finish(job: Job, figures: Figures) -> Figures:
    """Keep what a run has found."""
    figures = {"run": f"{job.recipe.name}, {job.folder.name}", "folder": str(job.folder), **figures}
    write(job.folder / RESULT, figures)
    return figures


def write(path: Path, body: Any) -> None:
    """Write JSON, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(body, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def validation_loss(agent: Agent, job: Job) -> float:
    """Mean over modalities of the nats a predicted row has, on episodes nobody trains on, whatever the objective is.

    Tasks are mixed as they come, also for a recipe that trains one at a time: few batches of one task each would be of
    too few tasks. Of a trunk that sees what is to come, the objective's own loss.
    """
    stores = {name: str(job.suite.divided(name, job.data) / "validation") for name in job.suite.sources}
    unseen = dataclasses.replace(job.recipe, stores=stores, groups_per_task=0)
    mixture = Mixture(mixture_config(unseen, job.data), agent.config.serializer())
    objective = job.recipe.train.objective.build()
    nats: dict[str, list[float]] = {}
    agent.eval()
    with Loader(mixture, LoaderConfig(groups=1, workers=0)) as loader, torch.no_grad():
        if not agent.backbone.causal:
            objective.begin(agent)
        for batch in itertools.islice(loader.batches(), VALIDATION_BATCHES):
            if agent.backbone.causal:
                found = {name: losses_N.tolist() for name, losses_N in agent.losses(batch.to(agent.device)).items()}
            else:
                found = {"objective": [float(objective(agent, batch.to(agent.device))[0])]}
            for name, values in found.items():
                nats.setdefault(name, []).extend(values)
    return sum(sum(found) / len(found) for found in nats.values()) / len(nats)


def best_rate(losses: dict[float, float]) -> float:
    """The rate of the least validation loss, of the first where none was tried."""
    if not losses:
        return RATES[0]
    if not math.isfinite(min(losses.values())):
        raise RuntimeError(f"every learning rate diverged: {sorted(losses)} times a recipe's own; make the run shorter")
    return min(losses, key=lambda rate: losses[rate])


def described(result: TaskResult) -> Figures:
    """What is kept of a task: its score in its own measure, and in points where there is a scale."""
    return {
        "metric": result.metric,
        "score": result.score.value,
        "points": points(result),
        "higher_is_better": result.higher_is_better,
        "samples": result.num_samples,
    }


def points(result: TaskResult) -> float | None:
    """A score on one scale: 0 knows nothing, 1 is perfect, or in control the expert's; None without such a scale.

    (score - nothing) / (perfect - nothing), where perfect is 1, and 0 for what is better the lower it is.
    """
    if result.metric == NORMALISED:
        return result.score.value
    known = [result.references[name] for name in NOTHING if name in result.references]
    perfect = 1.0 if result.higher_is_better else 0.0
    if not known or known[0] == perfect:
        return None
    return (result.score.value - known[0]) / (perfect - known[0])


def mean_points(figures: Figures) -> float:
    """The mean over tasks with a scale."""
    found = [task["points"] for task in figures["tasks"].values() if task["points"] is not None]
    return sum(found) / len(found) if found else math.nan
