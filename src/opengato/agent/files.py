"""An agent on disk: `config.json`, `weights.safetensors`, `card.json` in one folder.

Nothing here is ever unpickled: weights are safetensors, the rest is JSON.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from opengato.agent.model import Agent, Config
from opengato.core.config import choose, from_json, to_json
from opengato.nn.int8 import to_int8

Weights = Literal["float32", "int8"]
CONFIG, WEIGHTS, CARD = "config.json", "weights.safetensors", "card.json"


def shipped() -> list[str]:
    """Names of the agents that come with the package."""
    folder = importlib.resources.files("opengato") / "assets" / "agents"
    return sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []


def save_agent(
    agent: Agent, folder: Path, dtype: torch.dtype = torch.float32, weights: Mapping[str, Tensor] | None = None
) -> None:
    """Write an agent, with `weights` for its own where given; `dtype` bfloat16 halves the file.

    Tied tensors are stored once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = agent.state_dict() if weights is None else weights
    state = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in weights.items()}
    (folder / CONFIG).write_text(json.dumps(to_json(agent.config), indent=1))
    (folder / CARD).write_text(json.dumps(agent.card, indent=1))
    temporary = folder / f".{WEIGHTS}.tmp"  # a folder counts as an agent once its weights are there: last, and whole
    save_file(state, temporary)
    temporary.chmod((folder / CONFIG).stat().st_mode)  # safetensors lets nobody else read what it writes
    temporary.replace(folder / WEIGHTS)


def load_agent(name_or_path: str | Path, device: str = "cpu", weights: Weights = "float32") -> Agent:
    """An agent ready to act: a shipped name such as "tiny", or a folder of an agent, a checkpoint or a run.

    `device` is a name of torch's, such as "cuda:1"; one that is not here is a ValueError. `weights` "int8" keeps those
    of the trunk and of the tables of ids in 8 bits: less memory, and less time where one environment or text goes at a
    time.
    """
    choose(weights, get_args(Weights), what="format of weights")
    check_device(device)
    folder = find_agent(name_or_path)
    config = from_json(json.loads((folder / CONFIG).read_text()))
    if not isinstance(config, Config):
        raise ValueError(f"{folder / CONFIG} holds {type(config).__name__}, expected the config of an agent")
    agent = config.build()
    load_weights(agent, folder)
    agent.card = json.loads((folder / CARD).read_text()) if (folder / CARD).is_file() else {}
    agent = agent.to(device).eval()
    return in_int8(agent) if weights == "int8" else agent


def check_device(name: str) -> None:
    """ValueError where this torch, on this machine, has no such device."""
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        found = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
        found += ["mps"] if torch.backends.mps.is_available() else []
        raise ValueError(
            f"there is no device {name!r} here; expected one of {', '.join(['cpu', *found])}. A GPU that is missing "
            "needs a torch built for it: see docs/gpu.md"
        ) from error


def in_int8(agent: Agent) -> Agent:
    """The same agent, changed in place: it can act and write, and no longer be trained or saved."""
    for module in (agent.backbone, agent.modalities):
        to_int8(module)
    agent.card = {**agent.card, "weights": "int8"}
    return agent.requires_grad_(False)


def load_weights(agent: Agent, folder: Path) -> None:
    """Fill an agent from a folder; ValueError names what does not fit."""
    agent.load_state_dict(read_weights(agent, folder))


def read_weights(agent: Agent, folder: Path) -> dict[str, Tensor]:
    """The weights of a folder, as an agent has them; ValueError names what does not fit."""
    state = load_file(folder / WEIGHTS)
    own = agent.state_dict()
    missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [
        f"{n}: {tuple(state[n].shape)} != {tuple(own[n].shape)}"
        for n in own.keys() & state.keys()
        if state[n].shape != own[n].shape
    ]
    if missing or extra or shapes:
        raise ValueError(
            f"the weights in {folder} are of another config: {len(missing)} tensors missing {missing[:3]}, "
            f"{len(extra)} unknown {extra[:3]}, {len(shapes)} of another shape {shapes[:3]}; "
            f"load them with the {CONFIG} beside them, or start a new run"
        )
    return {name: tensor.to(own[name].dtype) for name, tensor in state.items()}


def find_agent(name_or_path: str | Path) -> Path:
    """The folder of an agent's files; ValueError where there is none, with the near names.

    A shipped name, as a string, means the shipped agent wherever the command runs; `./tiny` is a folder of that name.
    """
    if isinstance(name_or_path, Path) or name_or_path not in shipped():
        folder = Path(name_or_path)
        inside = [folder, folder / "agent", *sorted(folder.glob("checkpoints/step-*/agent"), reverse=True)]
        for candidate in inside:
            if (candidate / CONFIG).is_file() and (candidate / WEIGHTS).is_file():
                return candidate
        if folder.exists():
            raise ValueError(
                f"{folder} holds no agent: expected {CONFIG} and {WEIGHTS} in it, in agent/ or in a checkpoint"
            )
    name = choose(str(name_or_path), shipped(), what="agent (neither a folder nor a shipped name)")
    return Path(str(importlib.resources.files("opengato") / "assets" / "agents" / name))
