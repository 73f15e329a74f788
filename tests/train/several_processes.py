"""What several processes train together: `python -m tests.train.several_processes FOLDER [SHARDING ...]` in each.

With words for `sharding`, whole runs of these. Else, in two processes, each folder in FOLDER is a run: `whole-*` from
beginning to end, `half-*` asked to stop while they wait for the batch of step 2, `A-to-B` going on with B from where
the half A stopped, `drop` with paths dropped by chance. FOLDER/half-alone must be there.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from opengato.agent.model import Agent
from opengato.backbones import encoder
from opengato.core.batch import PackedBatch
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.objectives import data2vec, next_token
from opengato.objectives.data2vec.teacher import Ema, Teaching
from opengato.objectives.hiding import Hiding
from opengato.objectives.masks import Mask
from opengato.objectives.values import Values
from opengato.train import loop, optim
from opengato.train.distributed import ALONE, Team, together
from tests.tiny import caption_episode, toy_episode, trunk, vector_config

STEPS, STOP = 6, 2
SHARDING = {"ddp": "replicate", "fsdp": "shard"}


def config(sharding: str = "auto", drop_path: float = 0.0, **changes: Any) -> loop.Config:
    """Four parts a batch, for all processes together."""
    agent = replace(vector_config(), backbone=replace(trunk(), drop_path=drop_path))
    settings: dict[str, Any] = {"steps": STEPS, "checkpoint_minutes": 1e9, "precision": "float32", "accumulate": 4}
    settings |= {"optim": optim.Config(warmup=2), "sharding": sharding, **changes}
    return loop.Config(agent=agent, objective=next_token.Config(weights={"text": 0.5}), **settings)


@dataclass(frozen=True)
class Odd(Mask):
    """Every second row of a value: the same in whatever part of a batch it comes."""

    def draw(self, values: Values) -> torch.Tensor:
        return values.order % 2 == 1


def with_teacher(sharding: str = "auto") -> loop.Config:
    """The same with an objective that has weights and a memory of its own."""
    settings = config(sharding)
    agent = replace(settings.agent, backbone=encoder.Config(width=32, depth=2, heads=4, hidden=48))
    objective = data2vec.Config(hiding=Hiding(others=Odd()), teaching=Teaching(top=2, ema=Ema(start=0.5, end=0.9)))
    return replace(settings, agent=agent, objective=objective)


def batch_of(step: int) -> PackedBatch:
    """Eight rows, of which the first and the last four differ in what they hold, and in how much is predicted.

    Captions here and control there (0, 3), nothing to predict in the first four (1, 4), nothing but captions (2, 5).
    """
    serializer = vector_config().serializer()
    captions = [caption_episode(10 * step + i, "red panda" if i % 2 else "a very blue whale") for i in range(4)]
    control = [toy_episode(10 * step + i, steps=1 + i % 2) for i in range(4)]
    episodes = captions + (captions[::-1] if step % 3 == 2 else control)
    documents = [Document(sequence=serializer.episode(e), source=i % 2, episode=0) for i, e in enumerate(episodes)]
    batch = pack_documents(documents, 64)
    if step % 3 == 1:
        late = {name: slot_N >= 4 * 64 for name, slot_N in batch.slot_N.items()}
        batch = replace(batch, predict_N={name: marks & late[name] for name, marks in batch.predict_N.items()})
    return batch


def only_heads(agent: Agent) -> None:
    """Train the heads, as a fine-tuning may."""
    agent.requires_grad_(False)
    for name in agent.modalities:
        for parameter in agent.modality(name).head_parameters():
            parameter.requires_grad_(True)


def train(
    folder: Path, settings: loop.Config, team: Team = ALONE, *, stop: bool = False, begin: Callable = lambda _: None
) -> None:
    """Train; with `stop`, the last process alone is asked to, and all of them do."""

    def batches(start: int) -> Iterator[PackedBatch]:
        step = start
        while True:
            if stop and step == STOP and team.rank == team.size - 1:
                signal.raise_signal(signal.SIGTERM)
            yield batch_of(step).split(team.size)[team.rank]
            step += 1

    with pytest.raises(SystemExit, match="143") if stop else contextlib.nullcontext():
        loop.fit(settings, batches, folder, {"sources": ["even", "odd"]}, begin, team)


def in_two_processes(folder: Path, team: Team) -> None:
    """All that the test compares, and an error that the first process alone is to tell."""
    with pytest.raises(ZeroDivisionError if team.is_first else SystemExit):
        team.first(lambda: 1 / 0)
    engines = {name: config(sharding) for name, sharding in SHARDING.items()}
    engines["drop"] = config("replicate", drop_path=0.2)
    engines["teacher"] = with_teacher("replicate")
    with pytest.raises(
        ValueError, match=r"weights of its own, which cannot be divided .*; set train\.sharding=replicate"
    ):
        train(folder / "divided", with_teacher("shard"), team)
    for name, settings in engines.items():
        train(folder / f"whole-{name}", settings, team)
        train(folder / f"half-{name}", settings, team, stop=True)
    pairs = [(half, name) for half in (*SHARDING, "alone") for name in SHARDING]
    for half, name in [*pairs, ("drop", "drop"), ("teacher", "teacher")]:
        run = folder / f"{half}-to-{name}"
        team.first(partial(shutil.copytree, folder / f"half-{half}", run))
        train(run, engines[name], team)
    for name, sharding in SHARDING.items():
        train(folder / f"whole-{name}-bfloat16", config(sharding, precision="bfloat16"), team)
        train(folder / f"heads-{name}", config(sharding), team, begin=only_heads)
    train(folder / "whole-fsdp-often", config("shard", checkpoint_minutes=0.0), team)


def main() -> None:
    folder, *shardings = sys.argv[1:]
    torch.set_num_threads(1)
    with together() as team:
        if shardings:
            for sharding in shardings:
                train(Path(folder, f"whole-{sharding}"), config(sharding, accumulate=8), team)
        else:
            in_two_processes(Path(folder), team)


if __name__ == "__main__":
    main()
