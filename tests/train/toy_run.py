"""A small training run that can be killed at a given step: `python -m tests.train.toy_run FOLDER HOW STEP`.

HOW is `TERM` (asked to stop while it waits for the batch of STEP) or `KILL` (dies while it writes the checkpoint after
STEP steps).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.objectives import next_token
from opengato.train import checkpoint, loop, optim
from tests.tiny import caption_episode, toy_episode, trunk, vector_config

STEPS = 6


def config(**changes: Any) -> loop.Config:
    """A checkpoint after every step; batches in parts, and paths dropped by chance."""
    settings: dict[str, Any] = {
        "steps": STEPS,
        "checkpoint_minutes": 0.0,
        "precision": "float32",
        "accumulate": 2,
        "optim": optim.Config(warmup=2),
        **changes,
    }
    agent = replace(vector_config(), backbone=replace(trunk(), drop_path=0.2))
    return loop.Config(agent=agent, objective=next_token.Config(), **settings)


def batch_of(step: int) -> PackedBatch:
    """A batch that depends on the number of the step alone."""
    serializer = vector_config().serializer()
    episodes = [toy_episode(step, steps=2), caption_episode(step), toy_episode(100 + step, steps=1)]
    sequences = [serializer.episode(episode) for episode in episodes]
    return pack_documents([Document(sequence=s, source=i, episode=0) for i, s in enumerate(sequences)], 64)


def batches(start: int) -> Iterator[PackedBatch]:
    step = start
    while True:
        yield batch_of(step)
        step += 1


def train(folder: Path, **changes: Any) -> Agent:
    return loop.fit(config(**changes), batches, folder, {"sources": ["a", "b", "c"], "tasks": ["toy/task"]})


def main() -> None:
    folder, how, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    if how == "KILL":
        replace = os.replace

        def die(source: Path, target: Path) -> None:
            if Path(target).name == f"step-{step:07d}":
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)

        setattr(checkpoint.os, "replace", die)  # noqa: B010 - as a test's monkeypatch would
        train(folder)
        return

    def asked(start: int) -> Iterator[PackedBatch]:
        for number, batch in enumerate(batches(start), start):
            if number == step:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    loop.fit(config(checkpoint_minutes=1e9), asked, folder, {"sources": ["a", "b", "c"]})


if __name__ == "__main__":
    main()
