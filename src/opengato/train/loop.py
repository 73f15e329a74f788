"""The training loop: resumes by itself, checkpoints, stops cleanly on SIGTERM, and is bit-equal after a resume.

It is the same in every process of a team; the first alone prints and writes. Letters: none; tensors live in the agent.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from opengato.agent import model
from opengato.agent.files import load_agent, save_agent
from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.core.config import to_json
from opengato.core.objective import Objective
from opengato.train import distributed, optim
from opengato.train.checkpoint import load_checkpoint, newest_checkpoint, read_state, save_checkpoint
from opengato.train.compiling import Compile, compiled, to_compile
from opengato.train.distributed import ALONE, Network, Team
from opengato.train.metrics import Metrics, Silent
from opengato.train.optim import Config as OptimConfig
from opengato.train.precision import Precision, resolve
from opengato.train.stopping import StopRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How long and how: `steps` optimiser steps; a checkpoint every `checkpoint_minutes` and at the end.

    `precision` is that of matrix products; weights and optimiser state are always float32. Each batch is trained in
    `accumulate` parts, one after the other, to spare memory; its gradient is that of the whole. Several processes share
    the parts, and the network as `sharding` says (see `distributed.layout`). Blocks are compiled as `compile` says
    (see `compiling.to_compile`).
    """

    agent: model.Config
    objective: Any
    optim: OptimConfig = field(default_factory=OptimConfig)
    steps: int = 1000
    accumulate: int = 1
    precision: Precision = "auto"
    sharding: str = "auto"
    compile: Compile = "auto"
    checkpoint_minutes: float = 5.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What a process tells the others after a step: how it went, and whether to `stop` (a signal) or to `save`."""

    data_seconds: float
    positions: int
    source_counts: list[int]
    stop: int
    save: bool


def fit(
    config: Config,
    batches: Callable[[int], Iterator[PackedBatch]],
    folder: Path,
    card: dict[str, Any],
    begin: Callable[[Agent], object] = lambda _: None,
    team: Team = ALONE,
) -> Agent:
    """Train for `config.steps` steps, from the newest complete checkpoint in `folder` if there is one.

    `batches(step)` must give this process's rows of the batches from that step on. `begin(agent)` gives a new agent the
    weights to start from and says which of them are trained (`requires_grad_`). The finished agent is in
    `folder/agent`. A SIGTERM or SIGINT to any process saves and raises SystemExit(143) or (130) in all of them; the
    same call then goes on where it stopped, with any number of processes.
    """
    checkpoints = folder / "checkpoints"
    network, optimizers, state = _start(config, checkpoints, begin, team)
    agent, done, seconds = network.agent, state["step"], state["seconds"]
    dtype = getattr(torch, state["precision"])
    parts_each = -(-config.accumulate // team.size)
    sources = card.get("sources", [])

    def signed(step: int, total: float) -> dict[str, Any]:
        about = {"steps": step, "training_seconds": round(total), "precision": state["precision"]}
        about |= {"compiled": state["compiled"]}
        return {**card, **about, **({"processes": str(network.layout)} if team.size > 1 else {})}

    agent.card = signed(done, seconds)
    if team.is_first:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(to_json(config), indent=1))
    metrics = Metrics(folder, config.steps) if team.is_first else Silent()
    agent.train()

    with contextlib.closing(metrics), compiled(agent, state["compiled"], dtype), StopRequest() as stop:
        begun = saved = time.perf_counter()
        source = batches(done) if done < config.steps else iter(())

        def save(step: int) -> None:
            total = seconds + time.perf_counter() - begun
            agent.card = signed(step, total)
            now = {**state, "step": step, "seconds": total}
            save_checkpoint(checkpoints, agent, optimizers, now, team=team, beside=network.beside)

        for step in range(done, config.steps):
            waited = time.perf_counter()
            batch = next(source)
            waited = time.perf_counter() - waited
            rate = optim.schedule(step, config.steps, config.optim)
            figures = train_step(network, optimizers, batch.split(parts_each), rate, config.optim.clip, dtype)
            due = step + 1 == config.steps or time.perf_counter() - saved > 60 * config.checkpoint_minutes
            mine = Told(waited, batch.num_positions, source_counts(batch, len(sources)), stop.requested, due)
            told = team.exchange(mine)
            stop.requested = max(one.stop for one in told)
            figures |= {"data_seconds": max(one.data_seconds for one in told)}
            figures |= shares([one.source_counts for one in told], sources)
            metrics.add(step, figures, sum(one.positions for one in told))
            if stop.requested or any(one.save for one in told):
                save(step + 1)
                saved = time.perf_counter()
            if stop.requested:
                team.finish()
            stop.honour()
    team.finish()
    weights = distributed.whole_state(agent, team)
    if team.is_first:
        save_agent(agent, folder / "agent", weights=weights)
    team.exchange(None)
    return (load_agent(folder / "agent") if distributed.is_divided(agent) else agent).eval()


def _start(
    config: Config, checkpoints: Path, begin: Callable[[Agent], object], team: Team
) -> tuple[Network, optim.Optimizers, dict[str, Any]]:
    """The network, its optimisers, and `step`, `seconds` and `precision` of the newest checkpoint or of a beginning."""
    torch.manual_seed(config.seed)
    agent = config.agent.build()
    begin(agent)
    newest = team.first(lambda: newest_checkpoint(checkpoints))
    # A resumed run keeps the precision it began with, whatever is fastest on the machine that goes on.
    state = {"step": 0, "seconds": 0.0, "precision": config.precision} if newest is None else read_state(newest)
    is_compiled = team.first(lambda: to_compile(config.compile, config.steps, team.device))
    dtype = team.first(lambda: resolve(state["precision"], team.device))
    layout = distributed.layout(config.sharding, agent.num_parameters, team.size, team.per_node)
    if team.size > 1 and team.is_first:
        print(f"trained by {team.size} processes: {layout}", file=sys.stderr)
    objective = config.objective.build()
    check_trunk(agent, objective)
    network = distributed.connect(agent, objective, team, layout)
    optimizers = optim.build(agent, config.optim, dtype, network.beside)
    team.seed(config.seed, state["step"])
    if newest is not None:
        load_checkpoint(newest, agent, optimizers, team, network.beside)
    return network, optimizers, {**state, "precision": str(dtype).removeprefix("torch."), "compiled": is_compiled}


def check_trunk(agent: Agent, objective: Objective) -> None:
    """ValueError where an objective cannot train the trunk of an agent."""
    if objective.causal is not None and agent.backbone.causal != objective.causal:
        sees, needed = (
            "all of its document" if not causal else "the past alone"
            for causal in (agent.backbone.causal, objective.causal)
        )
        raise ValueError(
            f"a slot of {type(agent.backbone).__name__} sees {sees}, but {type(objective).__name__} needs a trunk "
            f"whose slots see {needed}; choose another backbone or another objective"
        )


def train_step(
    network: Network,
    optimizers: optim.Optimizers,
    parts: Sequence[PackedBatch],
    rate: float,
    clip: float,
    dtype: torch.dtype = torch.float32,
) -> dict[str, float]:
    """One step of the optimisers, at `rate` times their base rates, on a batch that comes in parts.

    Gradient and loss are those of the whole batch, of all processes, as each part weighs its terms; other figures are
    means weighted alike over the parts that have them. FloatingPointError if the loss is not finite.
    """
    agent = network.agent
    optimizers.set_rate(rate)
    terms = [network.objective.terms(part) for part in parts]
    everywhere = sum(network.team.exchange(sum(terms)))
    totals: dict[str, tuple[float, float]] = {}
    for number, (part, count) in enumerate(zip(parts, terms, strict=True), 1):
        share = count / everywhere if everywhere else 1.0  # with nothing to predict at all the objective says so
        for name, value in network.backward(part.to(agent.device), share, dtype, last=number == len(parts)).items():
            total, weight = totals.get(name, (0.0, 0.0))
            totals[name] = total + share * value, weight + share
    figures = _mean(network.join(totals))
    if not math.isfinite(figures["loss"]):
        raise FloatingPointError(f"the loss is {figures['loss']}: {figures}; lower the learning rate or check the data")
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimizers.step()
    figures |= network.objective.stepped(agent)
    return {**figures, "grad_norm": float(distributed.whole(norm)), "learning_rate": rate}


def _mean(totals: Sequence[dict[str, tuple[float, float]]]) -> dict[str, float]:
    """Figures from the weighted totals and the weights of each process."""
    names = dict.fromkeys(name for found in totals for name in found)
    pairs = {name: [found[name] for found in totals if name in found] for name in names}
    return {name: sum(t for t, _ in found) / sum(weight for _, weight in found) for name, found in pairs.items()}


def source_counts(batch: PackedBatch, num_sources: int) -> list[int]:
    """How many positions of a batch each source has."""
    if batch.source_BT is None:
        return []
    return torch.bincount(batch.source_BT[batch.source_BT >= 0].long(), minlength=num_sources).tolist()


def shares(source_counts: Sequence[Sequence[int]], sources: Sequence[str]) -> dict[str, float]:
    """Each source's share of the positions of a batch, from the counts of its parts."""
    counts = [sum(column) for column in zip(*source_counts, strict=True)]
    return {f"share/{name}": count / max(1, sum(counts)) for name, count in zip(sources, counts, strict=False)}
