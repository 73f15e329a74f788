"""What a collection tells of itself: in a log by lines that can be counted by hand, in a terminal by bars."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from opengato.rollout import CollectJob, Limits, Outcome
from opengato.train import collecting, progress
from opengato.train.collecting import collect_stores
from opengato.train.progress import Bars, Log, shown
from tests.crew import DIE, ScriptedCrew, collected

A, B = Path("data/a"), Path("data/b")
DROPPED, LOST = Outcome(seed=0, kind="dropped"), Outcome(seed=1, kind="lost", cause="it burnt")
GIVEN_UP = Outcome(seed=5, kind="given up", cause="all burnt")


class Clock:
    """Seconds, as they are set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_of_a_log() -> None:
    said: list[str] = []
    clock = Clock()
    log = Log(said.append, clock)
    log.expect(A, 200, 20)
    log.expect(B, 8, 0)
    clock.now = 1000.0
    log.tick()
    log.count(A, "task", DROPPED)  # starts the clock of a, and only that
    for _ in range(60):
        clock.now += 1
        log.count(A, "task", DROPPED)
        log.tick()
    assert said == ["a: 81 of 200 episodes, 1 episodes/s, ETA 0:01:59"]
    clock.now += 59.9
    log.tick()
    log.count(B, "task", LOST)
    assert said[1:] == []
    clock.now += 0.1
    log.tick()
    assert said[1:] == ["a: 81 of 200 episodes, 0.5 episodes/s, ETA 0:03:58"]
    clock.now += 60
    log.finish(A)
    log.tick()
    assert said[2:] == ["a: 81 of 200 episodes, 0.333 episodes/s, finished after 0:03:00", "b: 1 of 8 episodes, 1 lost"]
    log.count(B, "the task", GIVEN_UP)
    log.finish(B)
    assert said[4:] == ["given up: the task: all burnt", "b: 1 of 8 episodes, finished after 0:01:00, 1 lost"]


def events(job: CollectJob, seed: int) -> Outcome | str:
    return DIE if job.task == "babyai/GoToLocal" and seed > 2 else collected(job, seed)


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[Path, list[CollectJob]]:
    """Two, of which one loses a task; looked at after every event."""
    monkeypatch.setattr(collecting, "FLUSH_SECONDS", 0.0)
    jobs = [CollectJob(task=task, episodes=12, seed=0) for task in ("babyai/GoToObj", "babyai/GoToLocal")]
    return {tmp_path / "one": jobs[:1], tmp_path / "two": jobs[1:]}


LIMITS = Limits(seconds=60, tries=1)


def test_a_log_file_hears_of_every_store(
    stores: dict[Path, list[CollectJob]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    collect_stores(stores, ScriptedCrew(1, events), LIMITS, quiet=True)
    assert capsys.readouterr().err == ""
    collect_stores(stores, ScriptedCrew(1), LIMITS)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("two: 12 of 12 episodes, "), "one was whole, two had lost a task"
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    more = {folder: [CollectJob(task=job.task, episodes=30, seed=0) for job in jobs] for folder, jobs in stores.items()}
    collect_stores(more, ScriptedCrew(1, events), LIMITS)
    lines = capsys.readouterr().err.splitlines()
    ends = [line.split(",")[0] for line in lines if "finished after" in line]
    assert ends == ["one: 30 of 30 episodes", "two: 12 of 30 episodes"]
    assert [line for line in lines if line.startswith("given up: babyai/GoToLocal: 5 episodes in a row")]
    assert next(line.split(",")[0] for line in lines if "ETA" in line) == "one: 14 of 30 episodes"


def test_a_store_with_holes_ends_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What waits on the disk is a hole in what is still to come, which is then given out as two jobs."""

    def script(job: CollectJob, seed: int) -> Outcome | str:
        return "hang" if seed == 0 else DIE if seed in range(1, 6) else collected(job, seed)

    jobs = [CollectJob(task="babyai/GoToObj", episodes=12, seed=0)]
    for _ in range(2):
        collect_stores({tmp_path / "a": jobs}, ScriptedCrew(2, script), Limits(seconds=0.2, tries=1))
        seen = capsys.readouterr().err
        assert seen.count("finished after") == 1, seen
    assert collect_stores({tmp_path / "a": jobs}, ScriptedCrew(2))[0].collected == 12


def test_bars_in_a_terminal(stores: dict[Path, list[CollectJob]], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    assert isinstance(shown(quiet=False), Bars)
    assert isinstance(shown(quiet=True), Log)
    collect_stores(stores, ScriptedCrew(1, events), LIMITS)
    drawn = screen.getvalue()
    assert "12/12" in drawn
    assert "3/12" in drawn
    assert "given up: babyai/GoToLocal" in drawn
    assert "finished after" not in drawn
