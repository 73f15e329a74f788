"""A worker that dies or hangs costs an episode; every other seed has its outcome, once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from opengato.rollout import CollectJob, Limits, LocalCrew, Outcome, RandomPolicy, rollout, supervise
from opengato.rollout.workers import WorkerDied
from tests.crew import DIE, HANG, ScriptedCrew, ScriptedWorker, Trouble, collected
from tests.data.fakes import assert_equal
from tests.house import PACKAGE, ROOT

PATIENT, QUICK = Limits(seconds=60), Limits(seconds=0.05)


def play_all(jobs: list[CollectJob], crew: ScriptedCrew, limits: Limits = PATIENT) -> list[tuple[int, Outcome]]:
    return [event for event in supervise(jobs, crew, limits) if event is not None]


def jobs_of(*counts: int) -> list[CollectJob]:
    return [CollectJob(task=f"toy/{number}", episodes=count, seed=100) for number, count in enumerate(counts)]


@pytest.mark.parametrize("size", [1, 3])
def test_every_seed_has_one_outcome(size: int) -> None:
    crew = ScriptedCrew(size)
    events = play_all(jobs_of(30, 0, 1, 70), crew)
    expected = {(0, 100 + i) for i in range(30)} | {(2, 100)} | {(3, 100 + i) for i in range(70)}
    assert Counter((number, outcome.seed) for number, outcome in events) == Counter(expected)
    assert all(worker.dead for worker in crew.workers), "no process is left behind"
    assert len(crew.workers) <= size


def test_the_last_pieces_are_small() -> None:
    """So that no worker has fifty episodes before it when the others are done."""
    crew = ScriptedCrew(2)
    play_all(jobs_of(1000), crew)
    pieces = [job.episodes for worker in crew.workers for job in worker.jobs]
    assert sum(pieces) == 1000
    assert max(pieces) == 50
    assert all(worker.jobs[-1].episodes <= 2 for worker in crew.workers)


def test_a_worker_serves_one_family() -> None:
    crew = ScriptedCrew(2)
    jobs = [CollectJob(task=f"{family}/x", episodes=12) for family in ("one", "two", "one", "three")]
    assert len(play_all(jobs, crew)) == 48
    for worker in crew.workers:
        assert len({job.task for job in worker.jobs}) == 1


def test_an_episode_whose_process_dies_is_begun_again_and_then_lost() -> None:
    met: Counter[int] = Counter()

    def script(job: CollectJob, seed: int) -> Outcome | str:
        met[seed] += 1
        return DIE if seed == 103 or (seed == 105 and met[seed] == 1) else collected(job, seed)

    crew = ScriptedCrew(2, script)
    events = [outcome for _, outcome in play_all(jobs_of(40), crew)]
    assert sorted(outcome.seed for outcome in events) == list(range(100, 140))
    [lost] = [outcome for outcome in events if outcome.kind != "collected"]
    assert (lost.seed, lost.kind, lost.cause) == (103, "lost", "it burnt")
    assert met[103] == met[105] == 2
    assert all(count == 1 for seed, count in met.items() if seed not in (103, 105)), "what was finished stays"


def test_an_episode_beyond_the_limit_is_lost_and_the_others_go_on() -> None:
    def script(job: CollectJob, seed: int) -> Outcome | str:
        return HANG if seed in (100, 117) else collected(job, seed)

    crew = ScriptedCrew(2, script)
    events = [outcome for _, outcome in play_all(jobs_of(20), crew, QUICK)]
    assert sorted(outcome.seed for outcome in events) == list(range(100, 120))
    lost = {outcome.seed: outcome.cause for outcome in events if outcome.kind == "lost"}
    assert lost == dict.fromkeys((100, 117), "it took longer than 0.05 s")
    assert crew.played["toy/0", 117] == 1, "a second try would take as long again"


def test_where_the_caller_is_slow_nobody_is_killed() -> None:
    events = []
    for event in supervise(jobs_of(12), ScriptedCrew(2), Limits(seconds=0.02)):
        time.sleep(0.03)
        events.append(event)
    assert {event[1].kind for event in events if event} == {"collected"}


def test_a_job_that_loses_all_is_given_up_and_the_others_are_not() -> None:
    def script(job: CollectJob, seed: int) -> Outcome | str:
        broken = job.task == "toy/1" and seed >= 110
        return Outcome(seed=seed, kind="lost", cause="it is broken") if broken else collected(job, seed)

    crew = ScriptedCrew(3, script)
    events = play_all(jobs_of(60, 300, 60), crew)
    counts = Counter((number, outcome.kind) for number, outcome in events)
    assert counts[0, "collected"] == counts[2, "collected"] == 60
    [given_up] = [outcome for number, outcome in events if outcome.kind == "given up"]
    assert "5 episodes in a row were lost (seeds 110" in given_up.cause
    assert given_up.cause.endswith("because it is broken")
    assert counts[1, "lost"] == 0, "these are tried again by another run"
    last = max(index for index, (number, _) in enumerate(events) if number == 1)
    assert events[last][1] is given_up
    assert sum(count for (task, _), count in crew.played.items() if task == "toy/1") < 40


def test_losses_that_are_not_in_a_row_give_nothing_up() -> None:
    def script(job: CollectJob, seed: int) -> Outcome | str:
        return DIE if seed % 5 else collected(job, seed)

    limits = Limits(seconds=1.0, tries=1)
    events = [outcome for _, outcome in play_all(jobs_of(39), ScriptedCrew(1, script), limits)]
    assert [outcome.seed for outcome in events] == list(range(100, 139)), "also those lost at the end"
    assert Counter(outcome.kind for outcome in events) == {"lost": 31, "collected": 8}


def test_workers_that_do_not_even_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(self: ScriptedWorker) -> None:
        raise WorkerDied("no module named opengato")

    monkeypatch.setattr(ScriptedWorker, "receive", receive)
    with pytest.raises(RuntimeError, match=r"could not begin to collect toy/0 .*no module named opengato"):
        play_all(jobs_of(3), ScriptedCrew(1))


def test_limits_are_checked() -> None:
    with pytest.raises(ValueError, match="received seconds=0"):
        Limits(seconds=0)


def test_real_processes_that_hang_crash_or_raise(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("minigrid")
    task = "babyai/GoToRedBallNoDists"
    job = CollectJob(task=task, episodes=9, policy=Trouble(), seed=0, max_steps=4)
    events = supervise([job], LocalCrew(2), Limits(seconds=4.0, tries=1))
    outcomes = {event[1].seed: event[1] for event in events if event is not None}
    causes = {seed: outcome.cause for seed, outcome in outcomes.items() if outcome.kind == "lost"}
    assert causes.pop(4) in ("its process was ended by SIGSEGV", "its process was ended by SIGABRT")  # pygame turns it
    assert causes == {
        1: "it took longer than 4 s",
        3: "its process ended with exit code 3",
        6: "ZeroDivisionError: no luck",
    }
    expected = list(rollout(task, RandomPolicy(), episodes=9, seed=0, max_steps=4))
    for seed, outcome in outcomes.items():
        if outcome.episode is not None:
            assert_equal(outcome.episode, expected[seed])
    assert outcomes.keys() == set(range(9))
    assert "what simulators print" not in capfd.readouterr().out, "it would stand between what a program reads"


HANGS = """
from opengato.rollout import CollectJob
from opengato.rollout.workers import LocalWorker
from tests.crew import Trouble

if __name__ == "__main__":
    worker = LocalWorker()
    worker.start(CollectJob(task="babyai/GoToObj", episodes=1, policy=Trouble(), seed=1))
    worker.receive()
    print(worker.process.pid, flush=True)
    worker.receive()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can arrange that")
def test_a_worker_that_hangs_does_not_outlive_a_killed_caller(tmp_path: Path) -> None:
    pytest.importorskip("minigrid")
    script = tmp_path / "hangs.py"
    script.write_text(HANGS)
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), str(ROOT)])}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=settings) as caller:
        assert caller.stdout is not None
        status = Path("/proc", caller.stdout.readline().strip(), "status")
        assert "State:\tZ" not in status.read_text()
        caller.kill()
    until = time.monotonic() + 20
    while status.exists() and "State:\tZ" not in status.read_text():  # a zombie waits to be buried, and does nothing
        assert time.monotonic() < until
        time.sleep(0.05)
