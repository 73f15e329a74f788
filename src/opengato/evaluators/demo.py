"""The demo: an agent plays, looks and writes on things it has never seen, and leaves one page that shows it.

    opengato demo

Two CPU cores need about two and a half minutes. What is played, looked at and continued is fixed before anything is
known of how it went: tasks at even steps through those trained on, the first seeds, pictures at even steps.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from opengato.agent.files import load_agent
from opengato.agent.model import Agent
from opengato.core.config import plugins
from opengato.envs import family_of, find_task
from opengato.evaluators import describe, evaluator_of, run_task, versions
from opengato.evaluators.contract import Settings
from opengato.evaluators.demo_page import Caption, Clip, Passage, Show, page
from opengato.evaluators.heldout import TEXTS, held_out_pictures, held_out_tasks, held_out_text
from opengato.evaluators.report import Report, TaskResult
from opengato.evaluators.video import Played, play

PROMPT = "She opened the letter, and read it twice before she spoke."
PAGE = "index.html"


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How much the demo does. The defaults fit four minutes on two cores."""

    tasks_per_family: int = 5
    episodes: int = 12
    longest_task: int = 500
    render_size: int = 256
    pictures: int = 12
    documents: int = 32
    passage_characters: int = 420
    new_tokens: int = 80


def main(out: Path = Path("out/demo"), model: str = "tiny") -> Path:
    """Show a shipped agent or one in a folder; write `out/index.html` and return its path."""
    console = Console()
    stages = Stages(console)
    with stages.stage("loading the agent"):
        agent = load_agent(model)
    name = model if "/" not in model else Path(model).name
    return run_demo(agent, Path(out), name=name, stages=stages)


def run_demo(agent: Agent, out: Path, *, name: str, size: Size | None = None, stages: Stages | None = None) -> Path:
    """The demo for any agent; videos, `report.json` and the page go to the folder `out`."""
    size, stages = size or Size(), stages or Stages(Console())
    out.mkdir(parents=True, exist_ok=True)
    tasks = control_tasks(agent.card.get("tasks", []), size)
    with stages.stage("playing for scores", len(tasks) * size.episodes) as advance:
        settings = Settings(episodes=size.episodes)
        control = [run_task(agent, task, settings, on_sample=advance) for task in tasks]
    with stages.stage("recording videos", len(control)) as advance:
        clips, notes = record(agent, control, out / "videos", size, advance)
    measured = [task for family in ("caption", "text") for task in documents_of(agent, family)]
    with stages.stage("reading and looking for scores", len(measured)) as advance:
        others = []
        for task in measured:
            others.append(run_task(agent, task, Settings(documents=size.documents)))
            advance()
    with stages.stage("describing pictures", size.pictures) as advance:
        captions = describe_pictures(agent, size, advance)
    with stages.stage("continuing texts", 2) as advance:
        passages = continue_texts(agent, size, advance)
    report = Report(
        agent=describe(agent, Settings(episodes=size.episodes)),
        results=(*control, *others),
        seconds=sum(stages.seconds.values()),
        versions=versions(),
    )
    report.to_json(out / "report.json")
    show = Show(
        name=name,
        num_parameters=agent.num_parameters,
        context=agent.context,
        card=agent.card,
        licences={family: licence_of(family) for family in played_families(tasks)},
        report=report,
        clips=clips,
        captions=captions,
        passages=passages,
        notes=notes,
        seconds=dict(stages.seconds),
    )
    path = out / PAGE
    path.write_text(page(show), encoding="utf-8")
    stages.close(report, show, path)
    return path


def played_families(tasks: Sequence[str]) -> list[str]:
    """The families of the package among those of tasks."""
    return sorted({task.partition("/")[0] for task in tasks} & set(plugins("envs")))


def control_tasks(trained: Sequence[str], size: Size) -> list[str]:
    """Tasks to play: of each family those the agent knows, at even steps, the very long ones left out."""
    chosen = []
    for family in played_families(trained):
        known = [task for task in trained if task.partition("/")[0] == family]
        fit = [t for t in known if evaluator_of(t).unfit(t) is None and find_task(t).max_steps <= size.longest_task]
        chosen += [fit[i] for i in even_steps(len(fit), size.tasks_per_family)]
    return chosen


def even_steps(total: int, wanted: int) -> list[int]:
    """At most `wanted` different indices below `total`, evenly spread: (10, 4) -> [1, 3, 6, 8]."""
    count = min(total, wanted)
    return [int((i + 0.5) * total / count) for i in range(count)]


def documents_of(agent: Agent, family: str) -> list[str]:
    """What of a family of documents the agent was trained on and can be measured on."""
    return [task for task in held_out_tasks(family) if task in agent.card.get("tasks", ())]


def record(
    agent: Agent, control: Sequence[TaskResult], folder: Path, size: Size, advance: Callable[[], None]
) -> tuple[list[Clip], list[str]]:
    """A video of the first episode of each task; where a simulator cannot draw, a clip without and a note why."""
    clips, notes = [], []
    blind: dict[str, str] = {}
    for result in control:
        played: Played | None = None
        if result.family not in blind:
            try:
                played = play(agent, result.task, 0, folder, size.render_size)
            except RuntimeError as error:
                blind[result.family] = str(error)
                notes.append(f"No videos of {result.family}: {error}")
        instruction = played.episode.instruction if played else find_task(result.task).instruction
        clips.append(Clip(result=result, instruction=instruction, played=played))
        advance()
    return clips, notes


def describe_pictures(agent: Agent, size: Size, advance: Callable[[], None]) -> list[Caption]:
    """Held-out pictures with what the agent writes about them, greedily."""
    pictures = [picture for task in documents_of(agent, "caption") for picture in held_out_pictures(task)]
    captions = []
    for index in even_steps(len(pictures), size.pictures):
        one = pictures[index]
        written = agent.generate([one.png, one.instruction], max_new_tokens=24, temperature=0.0, seed=0)
        captions.append(Caption(png=one.png, written=written.strip(), truth=one.caption))
        advance()
    return captions


def continue_texts(agent: Agent, size: Size, advance: Callable[[], None]) -> list[Passage]:
    """A held-out passage and a made-up sentence, continued at temperature 0.7."""
    tasks = documents_of(agent, "text")
    if not tasks:
        return []
    settings: dict[str, Any] = {"max_new_tokens": size.new_tokens, "temperature": 0.7, "seed": 0}
    text = held_out_text(tasks[0])
    # From a third on: the first page is a title, and not prose.
    text = text[text.find("\n\n", len(text) // 3) :].lstrip()
    cut = text.rfind(" ", 0, size.passage_characters)
    given = text[:cut]
    passages = [
        Passage(
            title=f"A page of {TEXTS[tasks[0]][1]}, a book it has never read",
            given=given,
            written=agent.generate([given], **settings),
            truth=text[cut : 2 * cut].rpartition(" ")[0].strip() + " …",
        )
    ]
    advance()
    passages.append(Passage(title="A sentence of ours", given=PROMPT, written=agent.generate([PROMPT], **settings)))
    advance()
    return passages


def licence_of(family: str) -> str:
    """The licence of a family's simulator, as its package states it."""
    for package in family_of(f"{family}/").packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            fields = importlib.metadata.metadata(package)
            stated = [*fields.get_all("License-Expression", []), *fields.get_all("License", [])]
            named = [line for line in fields.get_all("Classifier", []) if line.startswith("License ::")]
            stated += [line.rpartition(" :: ")[2] for line in named]
            return f"{package}, {stated[0].splitlines()[0] if stated else 'licence in the package'}"
    return "not installed"


class Stages:
    """Named stages with a progress bar each; `seconds` keeps how long each took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str, total: int | None = None) -> Generator[Callable[[], None]]:
        """A bar while the stage runs, one line when it is over; gives a function to call after each part."""
        started = time.perf_counter()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            row: TaskID = progress.add_task(name, total=total)
            yield lambda: progress.advance(row)
        self.seconds[name] = time.perf_counter() - started
        self.console.print(f"[green]✓[/] {name} [dim]{self.seconds[name]:.1f} s[/]")

    def close(self, report: Report, show: Show, path: Path) -> None:
        """The tables, what was written, and where the page is."""
        self.console.print()
        self.console.print(report)
        for one in show.captions[:4]:
            self.console.print(f"picture of {one.truth!r}: {one.written!r}", markup=False, highlight=False)
        for note in show.notes:
            self.console.print(note, style="yellow", markup=False)
        self.console.print(f"\nThe page: {path.resolve()}", highlight=False, soft_wrap=True, markup=False)
