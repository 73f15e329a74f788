"""Memory stays flat: over 100,000 steps of one episode, and in the loader and its worker for some minutes.

Ten minutes on a free core; `OPENGATO_LOADER_MINUTES` says how long the loader is watched (3).
"""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

import opengato
from opengato.agent.policy import AgentPolicy
from opengato.data.loader import Loader
from opengato.data.mixture import Mixture
from opengato.envs import find_task
from opengato.recipes import tiny
from tests.test_benchmarks import script

STEPS, WARM_STEPS = 100_000, 10_000
MINUTES = float(os.environ.get("OPENGATO_LOADER_MINUTES", "3"))
LOOK_SECONDS = 1.0
MARGIN = 8.0  # MiB that an allocator may keep or give back as it likes: 90 bytes a step, over 90,000 steps
INSTRUCTION = "go to the red ball"


def held(process: int) -> float:
    """MiB of a process that are its own: pages of mapped files, which the system may take back, do not count."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return sum(int(kib) for kib in re.findall(r"Rss(?:Anon|Shmem):\s+(\d+) kB", status)) / 1024


@pytest.mark.timeout(4 * 3600)  # six minutes on a free core
def test_memory_stays_flat_over_a_long_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    acting_speed = script("acting_speed", monkeypatch)
    seen = acting_speed.observations(1, 64)
    policy = AgentPolicy(opengato.load("tiny"), rows=1)
    policy.begin(0, find_task(acting_speed.TASK), INSTRUCTION, None, seed=0)
    memory = {}
    for step in range(1, STEPS + 1):
        policy.act([0], seen[step % len(seen)])
        if step % WARM_STEPS == 0:
            memory[step] = held(os.getpid())
            print(f"{step:,} steps: {memory[step]:.1f} MiB", flush=True)
    assert memory[STEPS] - memory[WARM_STEPS] < MARGIN, memory


@pytest.mark.timeout(3600 + 60 * MINUTES)
def test_memory_of_loader_and_workers_stays_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny.recipe()
    rows, context = recipe.rows_per_group, recipe.train.agent.context
    config = script("_episodes", monkeypatch).write_mixture(tmp_path, 2000, context, rows)
    with Loader(Mixture(config, recipe.train.agent.serializer()), recipe.loader) as loader:
        batches = loader.batches()
        next(batches)
        processes = [os.getpid(), *(child.pid for child in multiprocessing.active_children() if child.pid)]
        assert len(processes) == 1 + recipe.loader.workers
        memory: dict[int, list[float]] = {process: [] for process in processes}
        taken, due, end = 1, 0.0, time.monotonic() + 60 * MINUTES
        while (now := time.monotonic()) < end:
            next(batches)
            taken += 1
            if now >= due:
                due = now + LOOK_SECONDS
                for process, looks in memory.items():
                    looks.append(held(process))
    for process, looks in memory.items():
        quarters = [float(np.median(quarter)) for quarter in np.array_split(looks, 4)]
        name = "loader" if process == os.getpid() else "worker"
        print(f"{name}: {taken} batches, MiB by quarter {[round(quarter, 1) for quarter in quarters]}")
        assert quarters[-1] - quarters[1] < MARGIN, looks
