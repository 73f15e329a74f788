"""Environments in other processes: the same episodes, errors that come back, nothing left over."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from opengato.core.episode import Episode
from opengato.envs import find_task
from opengato.rollout import ExpertPolicy, RandomPolicy, processes, rollout
from opengato.rollout.processes import ProcessSeats

pytest.importorskip("minigrid")
TASK = "babyai/GoToLocal"
SETTINGS = {"episodes": 5, "seed": 40, "noise": (0.0, 0.3), "max_steps": 20}


def played(**changes: int) -> list[Episode]:
    return list(rollout(TASK, RandomPolicy(), **SETTINGS, **changes))  # ty: ignore[invalid-argument-type]


def test_episodes_are_those_of_one_process() -> None:
    here = played()
    for there in (played(num_envs=3, processes=2), played(num_envs=1, processes=2)):
        assert len(there) == len(here)
        for a, b in zip(here, there, strict=True):
            assert (a.instruction, a.provenance, a.success, a.truncated) == (
                *(b.instruction, b.provenance, b.success, b.truncated),
            )
            np.testing.assert_array_equal(a.observations["view"], b.observations["view"])
            np.testing.assert_array_equal(a.actions["action"], b.actions["action"])
            np.testing.assert_array_equal(a.rewards, b.rewards)


def test_workers_serve_one_rollout_after_another() -> None:
    played(processes=1)
    known = {worker.process.pid for worker in processes._idle}
    assert known
    for _ in range(3):
        played(processes=1)
    assert {worker.process.pid for worker in processes._idle} == known
    run = rollout(TASK, RandomPolicy(), episodes=3, seed=0, processes=1)
    next(run)
    run.close()  # before its end
    assert {worker.process.pid for worker in processes._idle} == known


def test_an_error_in_an_environment_comes_back() -> None:
    seats = ProcessSeats(find_task(TASK), 2, processes=2)
    try:
        seats.reset({0: 0, 1: 1})
        with pytest.raises(KeyError, match="action"):
            seats.step({0: {}, 1: {"action": np.asarray(0)}})
    finally:
        seats.close()
    assert len(played(processes=2)) == 5, "and the next rollout is as good as any"


def test_a_process_that_dies_is_told() -> None:
    seats = ProcessSeats(find_task(TASK), 1, processes=1)
    pid = seats._workers[0].process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"died with exit code -9; run again without processes"):
        seats.reset({0: 0})
    seats.close()
    assert pid not in {worker.process.pid for worker in processes._idle}
    assert not Path(f"/proc/{pid}").exists() or not Path("/proc").exists()


def test_what_must_look_inside_stays_here() -> None:
    with pytest.raises(ValueError, match=r"received processes=1, but 'expert' looks at the environment itself"):
        rollout(TASK, ExpertPolicy(), episodes=1, seed=0, processes=1)
