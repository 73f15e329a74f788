"""What a second process brings: steps on the same global batches by one process, by two with DDP, by two with FSDP2.

    python benchmarks/ranks.py

The agent and the mixture of `tiny`, 16 rows of 256 positions a batch for all processes together, whole steps with the
optimiser. Each process has half of the threads, also the one that works alone while the other waits: so twice its
speed is an efficiency of 1. On a machine whose cores are busy the figures say nothing.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from _episodes import write_mixture
from _measure import Work, arguments, ratio, report, take_turns

from opengato.agent.model import Config as AgentConfig
from opengato.backbones import decoder
from opengato.core.batch import PackedBatch
from opengato.data.mixture import Mixture
from opengato.data.packing import collate, pack
from opengato.recipes import tiny
from opengato.train import optim
from opengato.train.distributed import ALONE, Layout, Team, connect, is_started, together
from opengato.train.loop import train_step

PROCESSES = 2
LAYOUTS = {"DDP": Layout(PROCESSES, 1), "FSDP2": Layout(1, PROCESSES)}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=7, steps=2, rows=16)
    words = list(sys.argv[1:] if argv is None else argv)
    with tempfile.TemporaryDirectory() as folder:
        out = options.out or Path(folder)
        start([*words, "--out", str(out), "--threads", str(max(1, options.threads // PROCESSES))])
        return json.loads((out / "ranks.json").read_text(encoding="utf-8"))


def start(words: list[str]) -> None:
    """Run the script in several processes, as torchrun would start it; RuntimeError if one fails."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "CUDA_VISIBLE_DEVICES": ""}
    common |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(PROCESSES))
    started = [
        subprocess.Popen(
            [sys.executable, __file__, *words],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=None if rank == 0 else subprocess.DEVNULL,
        )
        for rank in range(PROCESSES)
    ]
    try:
        failed = [process.pid for process in started if process.wait()]
    finally:
        for process in started:
            process.kill()
            process.wait()
    if failed:
        raise RuntimeError("a process of the benchmark failed; it says why above")


def work_together(argv: Sequence[str]) -> None:
    """One process of them: all take the same turns, and the first measures and reports."""
    options = arguments(__doc__ or "", argv, rounds=7, steps=2, rows=16)
    agent = tiny.agent()
    if options.quick:
        agent = dataclasses.replace(agent, backbone=decoder.Config(width=32, depth=1, heads=2, hidden=88, window=32))
        options.rounds, options.steps, options.rows = 1, 1, 2
    batches = mixture_batches(agent, options.rows, 40 if options.quick else 400)
    with together() as team:
        contestants = {"one process": alone(agent, batches, options.steps, team)}
        for engine, layout in LAYOUTS.items():
            contestants[f"{PROCESSES} processes, {engine}"] = jointly(agent, batches, options.steps, team, layout)
        rates = take_turns(contestants, options.rounds, "tokens/s", before=lambda name: wait(team, name))
        if team.is_first:
            one, *several = rates.values()
            ratios = [ratio(rate, one) for rate in several]
            efficiency = {row["of"]: round(row["median"] / PROCESSES, 3) for row in ratios}
            figures = {"efficiency": efficiency, "rows a batch": options.rows, "context": agent.context}
            report("ranks", options, rates.values(), ratios=ratios, figures=figures)


def wait(team: Team, name: str) -> None:
    """Until all have come to the same turn."""
    assert set(team.exchange(name)) == {name}


def mixture_batches(agent: AgentConfig, rows: int, episodes: int) -> list[PackedBatch]:
    """Four batches, the same in every process."""
    with tempfile.TemporaryDirectory() as folder:
        mixture = Mixture(write_mixture(Path(folder), episodes, agent.context, rows), agent.serializer())
        return [collate([pack(mixture.group(group), agent.context)]) for group in range(4)]


def alone(agent: AgentConfig, batches: list[PackedBatch], steps: int, team: Team) -> Work:
    """The first process trains on whole batches, the others wait for it."""
    train = training(agent, batches, steps, ALONE, Layout(1, 1))

    def work() -> int:
        positions = train() if team.is_first else 0
        return sum(team.exchange(positions))

    return work


def jointly(agent: AgentConfig, batches: list[PackedBatch], steps: int, team: Team, layout: Layout) -> Work:
    """All train on their rows."""
    mine = [batch.split(team.size)[team.rank] for batch in batches]
    train = training(agent, mine, steps, team, layout)
    return lambda: sum(team.exchange(train()))


def training(config: AgentConfig, batches: list[PackedBatch], steps: int, team: Team, layout: Layout) -> Work:
    """Steps of one process, and the positions that it took in."""
    recipe = tiny.recipe().train
    torch.manual_seed(0)
    agent = config.build().train()
    network = connect(agent, recipe.objective.build(), team, layout)
    optimizers = optim.build(agent, recipe.optim)

    def work() -> int:
        for step in range(steps):
            train_step(network, optimizers, [batches[step % len(batches)]], 1.0, recipe.optim.clip)
        return sum(batches[step % len(batches)].num_positions for step in range(steps))

    return work


if __name__ == "__main__":
    if is_started():
        work_together(sys.argv[1:])
    else:
        main()
