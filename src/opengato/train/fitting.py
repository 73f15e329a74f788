"""Training of a network that is no agent: a job gives batches of tensors by name, and a loss.

The same promises as of an agent's training: it resumes by itself, bit-equal on CPU, from checkpoints that are whole.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from opengato.core.config import differences, from_json, to_json
from opengato.train import optim
from opengato.train.checkpoint import complete_checkpoints, newest_checkpoint, publish, read_state
from opengato.train.metrics import Metrics
from opengato.train.optim import Config as OptimConfig
from opengato.train.precision import Precision, resolve
from opengato.train.stopping import StopRequest

CONFIG, WEIGHTS, CARD = "config.json", "weights.safetensors", "card.json"
Batch = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How long and how a `network` (whose `build` makes it) is trained; all matrices by AdamW.

    `begin` is a folder whose weights it starts from, those that have the same name and shape.
    """

    network: Any
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(learning_rate=1e-3, matrix_learning_rate=None))
    steps: int = 1000
    batch: int = 16
    precision: Precision = "auto"
    checkpoint_minutes: float = 5.0
    seed: int = 0
    begin: str = ""


class Job(ABC):
    """What a network learns: batches in an order that is a function of the step alone, and a loss to minimise."""

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """Tensors by name, the same ones whenever a step is asked for."""

    @abstractmethod
    def loss(self, network: Any, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The loss (a scalar with gradient), and figures for the log."""


def fit(config: Config, job: Job, folder: Path, about: Mapping[str, Any]) -> nn.Module:
    """Train for `config.steps` steps from the newest checkpoint in `folder`; the network is in `folder/network`.

    `about` goes into its card, with what it began with, the steps, and the seconds that they took. A SIGTERM or SIGINT
    saves and raises SystemExit; the same call then goes on.
    """
    checkpoints = folder / "checkpoints"
    torch.manual_seed(config.seed)
    network = config.network.build()
    if config.begin:
        begin(network, Path(config.begin))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device).train()
    optimizers = optim.build(network, config.optim)
    state = _resume(config, network, optimizers, checkpoints)
    dtype = resolve(state["precision"], device)
    state["precision"] = str(dtype).removeprefix("torch.")
    metrics = Metrics(folder, config.steps)
    started = time.perf_counter() - state["seconds"]  # as if it had never been broken off

    def save(step: int) -> None:
        now = {**state, "step": step, "seconds": time.perf_counter() - started}
        _save(config, network, optimizers, now, checkpoints)

    with contextlib.closing(metrics), StopRequest() as stop:
        saved = time.perf_counter()
        for step in range(state["step"], config.steps):
            batch = {name: tensor.to(device) for name, tensor in job.batch(step).items()}
            metrics.add(step, train_step(config, job, network, optimizers, batch, step, dtype), config.batch)
            due = time.perf_counter() - saved > 60 * config.checkpoint_minutes
            if stop.requested or due or step + 1 == config.steps:
                save(step + 1)
                saved = time.perf_counter()
            stop.honour()
    spent = {"begin": config.begin, "steps": config.steps, "seconds": round(time.perf_counter() - started)}
    save_network(network, config.network, folder / "network", {**about, **spent})
    return network.eval()


def train_step(
    config: Config,
    job: Job,
    network: nn.Module,
    optimizers: optim.Optimizers,
    batch: Batch,
    step: int,
    dtype: torch.dtype,
) -> dict[str, float]:
    """One step of the optimiser; FloatingPointError if the loss is not finite."""
    rate = optim.schedule(step, config.steps, config.optim)
    optimizers.set_rate(rate)
    device = next(iter(batch.values())).device
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        loss, figures = job.loss(network, batch)
    if not math.isfinite(float(loss.detach())):
        raise FloatingPointError(f"the loss is {float(loss.detach())}: {figures}; lower the learning rate")
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), config.optim.clip)
    optimizers.step()
    return {"loss": float(loss.detach()), **figures, "grad_norm": float(norm), "learning_rate": rate}


def begin(network: nn.Module, folder: Path) -> None:
    """Give a network the weights of a folder that have its names and shapes; ValueError if none has."""
    own, state = network.state_dict(), load_file(find_network(folder) / WEIGHTS)
    fitting = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise ValueError(f"no weight in {str(folder)!r} has a name and a shape of this network")
    network.load_state_dict(fitting, strict=False)


def save_network(network: nn.Module, config: Any, folder: Path, card: Mapping[str, Any]) -> None:
    """Write a network: its config and card as JSON, weights as safetensors, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(to_json(config), indent=1))
    (folder / CARD).write_text(json.dumps(dict(card), indent=1))
    temporary = folder / f".{WEIGHTS}.tmp"
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}, temporary)
    temporary.chmod((folder / CONFIG).stat().st_mode)  # safetensors lets nobody else read what it writes
    temporary.replace(folder / WEIGHTS)


def load_network(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """A network ready to use, and its card, from the folder of a run or of a network."""
    folder = find_network(folder)
    network = from_json(json.loads((folder / CONFIG).read_text())).build()
    network.load_state_dict(load_file(folder / WEIGHTS))
    return network.eval(), json.loads((folder / CARD).read_text())


def find_network(folder: Path) -> Path:
    """Where the files of a network are; FileNotFoundError where there are none."""
    for candidate in (folder, folder / "network", *reversed(complete_checkpoints(folder / "checkpoints"))):
        if (candidate / CARD).is_file() and (candidate / WEIGHTS).is_file():
            return candidate
    raise FileNotFoundError(f"{str(folder)!r} holds no network; train one first, or give the folder of one")


def _save(
    config: Config, network: nn.Module, optimizers: optim.Optimizers, state: Mapping[str, Any], folder: Path
) -> None:
    final = folder / f"step-{state['step']:07d}"
    temporary = folder / f".{final.name}.tmp"

    def write() -> None:
        save_network(network, config.network, temporary, {"steps": state["step"]})
        torch.save(optimizers.state_dict(), temporary / "optimizer.pt")
        torch.save(torch.get_rng_state(), temporary / "random.pt")
        (temporary / "state.json").write_text(json.dumps(dict(state)))

    publish(write, temporary, final)
    for old in complete_checkpoints(folder)[:-2]:
        for path in old.iterdir():
            path.unlink()
        old.rmdir()


def _resume(config: Config, network: nn.Module, optimizers: optim.Optimizers, folder: Path) -> dict[str, Any]:
    """Fill network and optimiser from the newest checkpoint; what is known of it, or of a beginning."""
    newest = newest_checkpoint(folder)
    if newest is None:
        return {"step": 0, "precision": config.precision, "seconds": 0.0}
    theirs = json.loads((newest / CONFIG).read_text())
    if differing := differences(theirs, json.loads(json.dumps(to_json(config.network)))):
        raise ValueError(
            f"{newest} is of another network than this run asks for (checkpoint and run): {'; '.join(differing[:3])}; "
            "ask for the same again, or start a new run in another folder"
        )
    network.load_state_dict(load_file(newest / WEIGHTS))
    optimizers.load_state_dict(torch.load(newest / "optimizer.pt", weights_only=True))
    torch.set_rng_state(torch.load(newest / "random.pt", weights_only=True))
    return read_state(newest)
