"""The training loop: resumes by itself, checkpoints, stops cleanly on SIGTERM, and is bit-equal after a resume.

Letters: none; tensors live in the agent.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from opengato.agent import model
from opengato.agent.files import save_agent
from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.core.config import to_json
from opengato.core.objective import Objective
from opengato.train import optim
from opengato.train.checkpoint import load_checkpoint, newest_checkpoint, read_state, save_checkpoint
from opengato.train.metrics import Metrics
from opengato.train.optim import Config as OptimConfig
from opengato.train.precision import Precision, resolve
from opengato.train.stopping import StopRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How long and how: `steps` optimiser steps; a checkpoint every `checkpoint_minutes` and at the end.

    `precision` is that of matrix products; weights and optimiser state are always float32. Each batch is trained in
    `accumulate` parts, one after the other, to spare memory; its gradient is that of the whole.
    """

    agent: model.Config
    objective: Any
    optim: OptimConfig = field(default_factory=OptimConfig)
    steps: int = 1000
    accumulate: int = 1
    precision: Precision = "auto"
    checkpoint_minutes: float = 5.0
    seed: int = 0


def fit(
    config: Config,
    batches: Callable[[int], Iterator[PackedBatch]],
    folder: Path,
    card: dict[str, Any],
    begin: Callable[[Agent], object] = lambda _: None,
) -> Agent:
    """Train for `config.steps` steps, from the newest complete checkpoint in `folder` if there is one.

    `batches(step)` must give the batches from that step on. `begin(agent)` gives a new agent the weights to start from
    and says which of them are trained (`requires_grad_`). The finished agent is in `folder/agent`. A SIGTERM or
    SIGINT saves and raises SystemExit(143) or (130); the same call then goes on where it stopped.
    """
    torch.manual_seed(config.seed)
    agent = config.agent.build()
    begin(agent)
    checkpoints = folder / "checkpoints"
    newest = newest_checkpoint(checkpoints)
    # A resumed run keeps the precision it began with, whatever is fastest on the machine that goes on.
    precision = config.precision if newest is None else read_state(newest)["precision"]
    dtype = resolve(precision, agent.device)
    precision = str(dtype).removeprefix("torch.")
    optimizers = optim.build(agent, config.optim, dtype)
    objective = config.objective.build()
    done, seconds = 0, 0.0
    if newest is not None:
        state = load_checkpoint(newest, agent, optimizers)
        done, seconds = state["step"], state["seconds"]

    def signed(step: int, total: float) -> dict[str, Any]:
        return {**card, "steps": step, "training_seconds": round(total), "precision": precision}

    agent.card = signed(done, seconds)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(to_json(config), indent=1))
    agent.train()

    with contextlib.closing(Metrics(folder, config.steps)) as metrics, StopRequest() as stop:
        begun = saved = time.perf_counter()
        source = batches(done) if done < config.steps else iter(())

        def save(step: int) -> None:
            total = seconds + time.perf_counter() - begun
            agent.card = signed(step, total)
            state = {"step": step, "seconds": total, "precision": precision}
            save_checkpoint(checkpoints, agent, optimizers, state)

        for step in range(done, config.steps):
            waited = time.perf_counter()
            batch = next(source)
            figures = {"data_seconds": time.perf_counter() - waited}
            rate = optim.schedule(step, config.steps, config.optim)
            parts = batch.split(config.accumulate)
            figures |= train_step(agent, objective, optimizers, parts, rate, config.optim.clip, dtype)
            figures |= shares(batch, card.get("sources", []))
            metrics.add(step, figures, batch.num_positions)
            if (
                stop.requested
                or step + 1 == config.steps
                or time.perf_counter() - saved > 60 * config.checkpoint_minutes
            ):
                save(step + 1)
                saved = time.perf_counter()
            stop.honour()
    save_agent(agent, folder / "agent")
    return agent.eval()


def train_step(
    agent: Agent,
    objective: Objective,
    optimizers: optim.Optimizers,
    parts: Sequence[PackedBatch],
    rate: float,
    clip: float,
    dtype: torch.dtype = torch.float32,
) -> dict[str, float]:
    """One step of the optimisers, at `rate` times their base rates, on a batch that comes in parts.

    Gradient and loss are those of the whole batch, as each part weighs its terms; other figures are means weighted
    alike over the parts that have them. FloatingPointError if the loss is not finite.
    """
    optimizers.set_rate(rate)
    terms = [objective.terms(part) for part in parts]
    totals: dict[str, tuple[float, float]] = {}
    for part, count in zip(parts, terms, strict=True):
        if not count and any(terms):  # nothing but observations: it adds nothing to the whole
            continue
        share = count / max(1, sum(terms))
        for name, value in _backward(agent, objective, part.to(agent.device), share, dtype).items():
            total, weight = totals.get(name, (0.0, 0.0))
            totals[name] = total + share * value, weight + share
    norm = torch.nn.utils.clip_grad_norm_(agent.parameters(), clip)
    optimizers.step()
    figures = {name: total / weight for name, (total, weight) in totals.items()}
    return {**figures, "grad_norm": float(norm), "learning_rate": rate}


def _backward(
    agent: Agent, objective: Objective, batch: PackedBatch, share: float, dtype: torch.dtype
) -> dict[str, float]:
    """Add `share` of the gradient of a batch to the parameters'; its loss and figures."""
    with torch.autocast(agent.device.type, dtype, enabled=dtype != torch.float32):
        loss, figures = objective(agent, batch)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise FloatingPointError(f"the loss is {value}: {figures}; lower the learning rate or check the data")
    (share * loss).backward()
    return {"loss": value, **figures}


def shares(batch: PackedBatch, sources: list[str]) -> dict[str, float]:
    """Each source's share of the positions of a batch."""
    if batch.source_BT is None:
        return {}
    real = batch.source_BT[batch.source_BT >= 0].long()
    counts = torch.bincount(real, minlength=len(sources)) / max(1, len(real))
    return {f"share/{name}": float(counts[index]) for index, name in enumerate(sources)}
