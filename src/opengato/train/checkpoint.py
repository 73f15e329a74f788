"""Checkpoints: written to a temporary folder, synced, marked complete, renamed; never a half one.

`step-000500/` holds `agent/` (see `opengato.agent.files`), `optimizer.pt`, `random.pt` (torch's global generators,
which dropout and its kin draw from) and `state.json`; where the objective has weights of its own, they are in
`objective.safetensors`. `.pt` files load with `weights_only=True`. Further processes have
a `random-RANK.pt` each; of a divided network `optimizer/` is in the place of `optimizer.pt` (see `moments`). Whatever a
checkpoint holds, a run on any number of processes goes on from it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.distributed.checkpoint import CheckpointException

from opengato.agent.files import CONFIG, read_weights, save_agent
from opengato.agent.model import Agent
from opengato.core.config import differences, from_json, to_json
from opengato.train import moments
from opengato.train.distributed import ALONE, Team, fill, is_divided, whole_state
from opengato.train.optim import Optimizers

_PREFIX = "step-"
OBJECTIVE = "objective.safetensors"


def save_checkpoint(
    folder: Path,
    agent: Agent,
    optimizers: Optimizers,
    state: dict[str, Any],
    keep: int = 2,
    team: Team = ALONE,
    beside: nn.Module | None = None,
) -> Path:
    """Write `folder/step-XXXXXXX` for `state["step"]` and keep the newest `keep`; every process of a team must ask.

    `beside` is what the objective has of its own.

    That of a divided agent is written while the training goes on, and there after `team.finish()`. A full disk is an
    OSError that leaves the old ones whole.
    """
    final = folder / f"{_PREFIX}{state['step']:07d}"
    temporary = folder / f".{final.name}.tmp"
    team.finish()
    if team.is_first:
        for left_over in folder.glob(f".{_PREFIX}*.tmp"):  # of a process that was killed
            shutil.rmtree(left_over, ignore_errors=True)
    generators = team.exchange(_generator_states(agent.device))
    weights = whole_state(agent, team)
    divided = is_divided(agent)
    written = moments.write(temporary / "optimizer", agent, optimizers, team) if divided else None

    def write() -> None:
        """What the first process writes, after its own part of a divided memory and that of the others."""
        if written is not None:
            written()
        save_agent(agent, temporary / "agent", weights=weights)
        if written is None:
            torch.save(optimizers.state_dict(), temporary / "optimizer.pt")
        if beside is not None:
            own = {name: tensor.detach().cpu().contiguous() for name, tensor in beside.state_dict().items()}
            save_file(own, temporary / OBJECTIVE)
        for rank, states in enumerate(generators):
            torch.save(states, temporary / _generator_file(rank))
        (temporary / "state.json").write_text(json.dumps(state))

    def replace() -> None:
        publish(write, temporary, final)
        for old in complete_checkpoints(folder)[:-keep]:
            shutil.rmtree(old)

    if written is not None:
        team.later(replace if team.is_first else written)
    elif team.is_first:
        replace()
    return final


def publish(write: Callable[[], None], temporary: Path, final: Path) -> None:
    """Let a checkpoint be written to a temporary folder, and give it its name."""
    folder = final.parent
    try:
        write()
        for path in [*temporary.rglob("*"), temporary]:
            _sync(path)
        shutil.rmtree(final, ignore_errors=True)
        temporary.replace(final)
        _sync(folder)
    except (OSError, RuntimeError, SafetensorError, CheckpointException) as error:  # some wrap what the disk says
        shutil.rmtree(temporary, ignore_errors=True)
        newest = newest_checkpoint(folder)
        raise OSError(
            f"checkpoint {final} could not be written ({error}); the newest complete one is {newest or 'none'}; "
            f"free some space and run the same command again: it resumes"
        ) from error


def complete_checkpoints(folder: Path) -> list[Path]:
    """Oldest first. A folder takes its name only when whole, so the name is the mark."""
    return sorted(path for path in folder.glob(f"{_PREFIX}*") if (path / "state.json").is_file())


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint."""
    found = complete_checkpoints(folder)
    return found[-1] if found else None


def read_state(path: Path) -> dict[str, Any]:
    """What `save_checkpoint` was given as `state`."""
    return json.loads((path / "state.json").read_text())


def load_checkpoint(
    path: Path, agent: Agent, optimizers: Optimizers, team: Team = ALONE, beside: nn.Module | None = None
) -> dict[str, Any]:
    """Fill agent, optimisers, divided or not, and what is `beside`, put torch's generators back; the saved state.

    A process whose generators were not saved, as there were fewer, keeps its own. ValueError if the checkpoint is of
    another config.
    """
    theirs = from_json(json.loads((path / "agent" / CONFIG).read_text()))
    differing = differences(to_json(theirs), to_json(agent.config))
    if differing:
        listed = "; ".join(line[:200] for line in differing[:3]) + ("; ..." if len(differing) > 3 else "")
        raise ValueError(
            f"{path} is of another config than this run asks for (checkpoint and run): {listed}; "
            "ask for the same again, or start a new run in another folder"
        )
    if (beside is not None) != (path / OBJECTIVE).is_file():
        raise ValueError(f"{path} is of a run with another objective; start a new run in another folder")
    fill(agent, read_weights(agent, path / "agent"))
    if beside is not None:
        beside.load_state_dict(load_file(path / OBJECTIVE))
    if (path / "optimizer.pt").is_file():
        states = torch.load(path / "optimizer.pt", map_location="cpu", weights_only=True)
        optimizers.load_state_dict(moments.divided(states, optimizers))
    else:
        moments.read(path / "optimizer", agent, optimizers, team)
    random = path / _generator_file(team.rank)
    if random.is_file():  # without it, of a run that drew nothing
        states = torch.load(random, weights_only=True)
        torch.set_rng_state(states["cpu"])
        if agent.device.type != "cpu" and agent.device.type in states:
            torch.get_device_module(agent.device).set_rng_state(states[agent.device.type])
    return read_state(path)


def _generator_file(rank: int) -> str:
    return "random.pt" if rank == 0 else f"random-{rank}.pt"


def _generator_states(device: torch.device) -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
