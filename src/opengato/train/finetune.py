"""Fine-tuning: an agent goes on to learn from new episodes, in whole or in part, and stays a plain agent.

Letters: E episodes of a store.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from opengato.agent.files import WEIGHTS, find_agent, load_agent, save_agent
from opengato.agent.model import Agent
from opengato.agent.model import Config as AgentConfig
from opengato.core.batch import PackedBatch
from opengato.core.config import plugin, renewed, to_json
from opengato.core.episode import ArraySpec, specs_from_json
from opengato.core.serialize import Role, Serializer
from opengato.data.loader import Loader, LoaderConfig
from opengato.data.mixture import Mixture, MixtureConfig, SourceConfig
from opengato.data.store import EpisodeStore, sha256_file
from opengato.nn import lora
from opengato.nn.ctc import Config as CtcConfig
from opengato.nn.private import Config as PrivateConfig
from opengato.train import loop
from opengato.train.distributed import Team, together
from opengato.train.optim import Config as OptimConfig
from opengato.train.precision import Precision
from opengato.train.prepare import fit_statistics
from opengato.train.run import describe_store, made_by, standardised

Mode = Literal["full", "head", "lora", "private"]
PLAN = "finetune.json"
MEASURED = "new to the agent, measured from these data"
KEPT = "kept as the agent has them"
RAW = "none, as the agent has learnt to read it without"
HEAD = "ctc."  # begins the names of the weights of the head that spells
SMALL = 50_000_000  # parameters; below, the rates of Gato's sizes hardly move a network


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How to fine-tune. The defaults are Gato's: Adam at a constant rate [Reed et al. 2022, arXiv:2205.06175, app. E].

    `mode`: `full` trains everything, `head` the heads, the tables tied to them and the trunk's last norm, `lora` the
    `adapters` beside the trunk's matrices, `private` nothing that tasks share. Whatever the mode, the parts that belong
    to single tasks are trained, and so is `ctc`, a new head. `private` gives parts to each task of the new data, by
    default such as other tasks of the agent have, and in the mode of that name an adapter where none has any. A batch
    has `loader.groups * rows_per_group` rows, of all tasks or, with `one_task`, of one that is drawn for it.
    """

    mode: Mode = "full"
    objective: Any = field(default_factory=lambda: plugin("objectives", "next_token").Config())
    optim: OptimConfig = field(default_factory=lambda: constant_adam(1e-5))
    adapters: lora.Config = field(default_factory=lora.Config)
    private: PrivateConfig = field(default_factory=lambda: PrivateConfig(task="none"))
    one_task: bool = False
    ctc: CtcConfig | None = None
    loader: LoaderConfig = field(default_factory=lambda: LoaderConfig(groups=8))
    rows_per_group: int = 8
    steps: int = 10_000
    precision: Precision = "auto"
    checkpoint_minutes: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise ValueError(f"`mode` is {self.mode!r}, expected one of {get_args(Mode)}")


def constant_adam(rate: float) -> OptimConfig:
    """Adam for all parameters: betas 0.9 and 0.95, epsilon 1e-8, no decay of weights or rate, no warm-up."""
    return OptimConfig(learning_rate=rate, matrix_learning_rate=None, weight_decay=0.0, warmup=0, decay=0.0)


def defaults(num_parameters: int, mode: Mode = "full") -> Config:
    """Gato's settings for a network of a size like Gato's; for a small one fewer rows, fewer steps and a higher rate.

    Adapters and heads, which are few, get a higher rate than a whole network.
    """
    if num_parameters >= SMALL:
        return Config(mode=mode, optim=constant_adam(1e-5 if mode == "full" else 1e-4))
    rate = 3e-4 if mode == "full" else 2e-3
    return Config(mode=mode, optim=constant_adam(rate), loader=LoaderConfig(groups=2), steps=1000)


def to_spell(config: Config) -> Config:
    """The same for learning to spell what is said, by a new head behind the trunk."""
    return dataclasses.replace(config, objective=plugin("objectives", "ctc").Config(), ctc=CtcConfig(after_trunk=True))


@dataclass(frozen=True, slots=True)
class Start:
    """Where fine-tuning begins: a network, its weights (None: new ones), and what a card says of it."""

    agent: AgentConfig
    weights: Mapping[str, Tensor] | None
    num_parameters: int
    origin: dict[str, Any]
    tasks: tuple[str, ...] = ()

    @classmethod
    def of(cls, name_or_path: str | Path) -> Start:
        """A shipped agent, or the folder of an agent, a checkpoint or a run."""
        agent = load_agent(name_or_path)
        origin = {
            "name": str(name_or_path),
            "recipe": agent.card.get("recipe"),
            "steps": agent.card.get("steps"),
            "weights_sha256": sha256_file(find_agent(name_or_path) / WEIGHTS),
            # Whose data are in the weights stays known, however often they are trained on.
            **{key: agent.card[key] for key in ("data", "from") if key in agent.card},
        }
        plain, tasks = merged(agent), tuple(agent.card.get("tasks", ()))
        return cls(plain.config, plain.state_dict(), plain.num_parameters, origin, tasks)

    def from_scratch(self) -> Start:
        """The same network without what it has learnt: no weights, no statistics, no tasks."""
        forgetful = {name: dataclasses.replace(m, statistics={}) for name, m in standardised(self.agent).items()}
        agent = dataclasses.replace(self.agent, modalities={**self.agent.modalities, **forgetful})
        origin = {"name": f"scratch, in the shape of {self.origin['name']}", "weights_sha256": None}
        return Start(agent, None, self.num_parameters, origin)


def finetune(
    start: Start,
    data: Mapping[str, float],
    config: Config,
    folder: Path,
    replay: Mapping[str, float] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Agent:
    """Go on training `start` into `folder`; the same call resumes. The agent in `folder/agent` has no adapters.

    Processes that `torchrun` started do it together. `data` are stores of new episodes with their weights among one
    another, `replay` stores of old ones with their shares of all positions. `tell` hears what became of the statistics
    of observations. ValueError for data that the network has no way to read, and for a folder that holds another
    fine-tuning.
    """
    with together() as team:
        return _finetune(start, Data(data, replay or {}), config, folder, team, tell)


@dataclass(frozen=True, slots=True)
class Data:
    """Stores of `new` episodes with their weights, and of `old` ones with their shares of all positions."""

    new: Mapping[str, float]
    old: Mapping[str, float]


def _finetune(start: Start, data: Data, config: Config, folder: Path, team: Team, tell: Callable[[str], None]) -> Agent:
    """The same in one process of a team."""
    sources = shares(data.new, data.old)
    stores = {path: EpisodeStore(path) for path in sources}
    agent, statistics = team.first(lambda: with_statistics(start, list(stores.values())))
    for what, names in statistics.items():
        for name in names:
            team.first(partial(tell, f"statistics of {name!r}: {what}"))
    serializer = agent.serializer()
    for store in stores.values():
        check_readable(store, serializer)
    if config.ctc is not None:
        agent = dataclasses.replace(agent, ctc=config.ctc)
    if config.mode == "lora":
        agent = dataclasses.replace(agent, adapters=config.adapters)
    learnt = list(dict.fromkeys(task for path in data.new for task in stores[path].tasks()))
    agent = with_parts(agent, config, learnt)
    described = {path: describe_store(store, sources[path]) for path, store in stores.items()}
    team.first(lambda: keep_plan(folder, config, start.origin, described))
    card = {
        "recipe": f"{start.origin['name']}, fine-tuned ({config.mode})",
        "command": command(start.origin["name"], data.new, data.old, config),
        "tasks": list(dict.fromkeys([*learnt, *start.tasks])),
        "finetuned_on": learnt,
        "from": start.origin,
        "mode": config.mode,
        "statistics": statistics,
        "sources": list(sources),
        "data": described,
        **made_by(),
    }
    mixture = Mixture(_mixture(sources, agent, config), serializer)
    with Loader(mixture, config.loader, rank=team.rank, world_size=team.size) as loader:
        trained = _train(start, agent, loader, config, folder, card, team)
    plain = merged(trained)
    if plain is not trained:
        team.first(lambda: save_agent(plain, folder / "agent"))
    return plain


def _train(
    start: Start, agent: AgentConfig, loader: Loader, config: Config, folder: Path, card: dict, team: Team
) -> Agent:
    settings = loop.Config(
        agent=agent,
        objective=config.objective,
        optim=config.optim,
        steps=config.steps,
        precision=config.precision,
        checkpoint_minutes=config.checkpoint_minutes,
        seed=config.seed,
    )

    def begin(new: Agent) -> None:
        if start.weights is not None:
            fill(new, start.weights)
        new.requires_grad_(False)
        for parameter in trained_parameters(new, config.mode):
            parameter.requires_grad_(True)

    def batches(step: int) -> Iterator[PackedBatch]:
        return loader.batches(start=step)

    return loop.fit(settings, batches, folder, card, begin, team)


def with_parts(agent: AgentConfig, config: Config, learnt: Sequence[str]) -> AgentConfig:
    """The agent with parts of their own for new tasks, where it has parts for others or the config asks for them.

    ValueError where it asks for others than the agent has.
    """
    wanted = agent.private if config.private.is_empty else config.private
    if wanted is None and config.mode == "private":
        wanted = PrivateConfig()
    if wanted is None:
        return agent
    if config.mode == "private" and wanted.task == "none":
        raise ValueError("`mode` is 'private', but no task has parts of its own; set `private.task=adapter`")
    if agent.private not in (None, wanted):
        raise ValueError(
            f"received `private` {config.private}, but this agent has {agent.private}; ask for the same, or for none, "
            "as new tasks get parts like those that it has"
        )
    return dataclasses.replace(agent, private=wanted, tasks=tuple(dict.fromkeys([*agent.tasks, *learnt])))


def trained_parameters(agent: Agent, mode: Mode) -> list[nn.Parameter]:
    """What a mode trains."""
    spelling = [] if agent.ctc is None else list(agent.ctc.parameters())
    if mode == "full":
        return list(agent.parameters())
    parts = [] if agent.private is None else list(agent.private.tasks.parameters())
    if mode == "private":
        return parts
    if mode == "lora":
        return [*lora.adapters(agent.backbone), *parts, *spelling]
    heads = [parameter for name in agent.modalities for parameter in agent.modality(name).head_parameters()]
    named = [] if agent.decision is None else list(agent.decision.parameters())
    of_modalities = [] if agent.private is None else list(agent.private.modalities.parameters())
    return [*heads, *named, *spelling, *of_modalities, *agent.backbone.final_parameters(), *parts]


def fill(agent: Agent, weights: Mapping[str, Tensor]) -> None:
    """Give an agent the weights of one without its adapters, and perhaps of fewer tasks or without its spelling head.

    What is new stays as it is; a head that spells and is not like the new one is left.
    """
    own = agent.state_dict()
    fitting = {n: weight for n, weight in weights.items() if not n.startswith(HEAD) or is_like(weight, own.get(n))}
    shorter = [name for name, tensor in fitting.items() if name in own and own[name].shape != tensor.shape]
    grown = {name: torch.cat([fitting[name], own[name][len(fitting[name]) :]]) for name in shorter}
    missing, unknown = agent.load_state_dict({**fitting, **grown}, strict=False)
    adapters = {id(parameter) for parameter in lora.adapters(agent.backbone)}
    new = {name for name, parameter in agent.named_parameters() if id(parameter) in adapters}
    new |= {name for name in own if name.startswith("private.") and name not in weights}
    assert {name for name in missing if not name.startswith(HEAD)} == new, missing
    assert not unknown, unknown


def is_like(weight: Tensor, own: Tensor | None) -> bool:
    """Whether one tensor can take the place of another."""
    return own is not None and own.shape == weight.shape


def merged(agent: Agent) -> Agent:
    """The agent without adapters that does what `agent` does with them; itself, if it has none."""
    if agent.config.adapters is None:
        return agent
    plain = dataclasses.replace(agent.config, adapters=None).build()
    plain.load_state_dict(lora.merged_state(agent))
    plain.card = agent.card
    return plain.to(agent.device).eval()


def shares(data: Mapping[str, float], replay: Mapping[str, float]) -> dict[str, float]:
    """Each store's share of all positions: `replay` as given, the rest divided among `data` by weight."""
    old = math.fsum(replay.values())
    positive = all(weight > 0 and math.isfinite(weight) for weight in [*data.values(), *replay.values()])
    if not data or not positive or old >= 1:
        raise ValueError(
            f"received data {dict(data)} and replay {dict(replay)}; expected at least one store of new data, weights "
            "above 0, and shares of old data that leave something for the new"
        )
    if both := sorted(set(data) & set(replay)):
        raise ValueError(f"{both} are given as new data and as replay; name each store once")
    total = math.fsum(data.values())
    return {path: (1 - old) * weight / total for path, weight in data.items()} | dict(replay)


def with_statistics(start: Start, stores: Sequence[EpisodeStore]) -> tuple[AgentConfig, dict[str, list[str]]]:
    """The agent with statistics of the observations that are new to it, and the names by what became of them.

    How it reads what it knows stays as it is, with statistics or raw: the weights rely on it.
    """
    keepers = standardised(start.agent)
    if not keepers:
        return start.agent, {}
    found = fit_statistics([store.folder for store in stores])
    known = {name for modality in keepers.values() for name in modality.statistics}
    raw = read_by(start.tasks, stores) & found.keys() - known
    new = {name: figures for name, figures in found.items() if name not in known | raw}
    extended = {name: dataclasses.replace(m, statistics={**new, **m.statistics}) for name, m in keepers.items()}
    agent = dataclasses.replace(start.agent, modalities={**start.agent.modalities, **extended})
    return agent, {MEASURED: sorted(new), KEPT: sorted(found.keys() & known), RAW: sorted(raw)}


def read_by(tasks: Sequence[str], stores: Sequence[EpisodeStore]) -> set[str]:
    """Names of what is observed in those of the tasks that the stores have episodes of."""
    names: set[str] = set()
    for store in stores:
        for task in store.tasks().keys() & set(tasks):
            index = int(np.flatnonzero(store.task_E == store.task_names.index(task))[0])
            names |= {spec.name for spec in store[index].observation_specs.values()}
    return names


def check_readable(store: EpisodeStore, serializer: Serializer) -> None:
    """ValueError, naming store and field, unless the network has a route and room for every field of every episode."""
    for specs in store.manifest["specs"]:
        observations, actions = specs_from_json(specs)
        for role, fields in (("observation", observations), ("action", actions)):
            for spec in fields.values():
                try:
                    _try_field(serializer, role, spec)
                except ValueError as error:
                    raise ValueError(
                        f"the agent cannot take the episodes of {str(store.folder)!r}: {error}; fine-tune one that "
                        "can, or train one whose recipe has a modality and a route for them (docs/add-a-modality.md)"
                    ) from error


def _try_field(serializer: Serializer, role: Role, spec: ArraySpec) -> None:
    codec = serializer.codecs[serializer.layout.modality(role, spec)]
    if spec.kind in ("discrete", "continuous"):
        codec.encode(np.full((1, *spec.shape), (spec.num_values or 1) - 1, spec.dtype), spec, role)


def _mixture(sources: Mapping[str, float], agent: AgentConfig, config: Config) -> MixtureConfig:
    return MixtureConfig(
        sources={path: SourceConfig(path=path, weight=share) for path, share in sources.items()},
        length=agent.context,
        rows_per_group=config.rows_per_group,
        seed=config.seed,
        tasks=agent.tasks,
        groups_per_task=config.loader.groups if config.one_task else 0,
    )


def keep_plan(folder: Path, config: Config, origin: dict[str, Any], data: dict[str, Any]) -> None:
    """Write what is done in `folder`; ValueError if something else was begun there. The number of steps may change."""
    settings = to_json(dataclasses.replace(config, steps=0, checkpoint_minutes=0.0))
    stores = {path: [about["share"], about["fingerprint"]] for path, about in data.items()}
    plan = {"weights": origin["weights_sha256"] or origin["name"], "data": stores, "settings": settings}
    plan = json.loads(json.dumps(plan))
    path = folder / PLAN
    if path.is_file():
        begun = json.loads(path.read_text())
        begun["settings"] = renewed(begun["settings"])
        if changed := [key for key in plan if begun.get(key) != plan[key]]:
            raise ValueError(
                f"{str(folder)!r} holds a fine-tuning with other {' and '.join(changed)}; choose another folder "
                "(--out), or delete this one"
            )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plan, indent=1))


def command(name: str, data: Mapping[str, float], replay: Mapping[str, float], config: Config) -> str:
    """The command line of a fine-tuning, but for settings."""
    words = [f"--data {path}" + (f"={weight:g}" if weight != 1 else "") for path, weight in data.items()]
    words += [f"--replay {path}={share:g}" for path, share in replay.items()]
    return " ".join(["opengato finetune", name, *words, f"--mode {config.mode}", f"steps={config.steps}"])
