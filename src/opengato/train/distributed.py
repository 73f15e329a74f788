"""Training on several processes: who they are, what they tell one another, and how they share one network.

`torchrun` starts the processes and says to each which one it is. All that knows of them is here: everything else asks
the `Team`, which may be one process alone. Letters: none; tensors live in the agent.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, Replicate
from torch.nn.parallel import DistributedDataParallel

from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective

T = TypeVar("T")
LARGE = 1_000_000_000  # parameters; from here on `auto` divides them: 16 bytes each with gradient and moments
PATIENCE = timedelta(days=30)  # for the others, while the first collects the data
STARTED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR")  # what torchrun sets


class Team:
    """The processes that train together, of which this is number `rank` of `size`; alone, it talks to nobody.

    `per_node` of them are on this machine. `saving` is the group that writes checkpoints beside the training.
    """

    def __init__(self, rank: int = 0, size: int = 1, per_node: int = 1, device: str = "cpu"):
        self.rank, self.size, self.per_node, self.device = rank, size, per_node, torch.device(device)
        self.saving: dist.ProcessGroup | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._work: Future[Any] | None = None
        if size > 1:  # of its own each: what waits long, or in another thread, must not get between the steps
            self._talking = dist.new_group(backend="gloo")
            self._patient = dist.new_group(backend="gloo", timeout=PATIENCE)
            self.saving = dist.new_group(backend="gloo")

    @property
    def is_first(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def exchange(self, value: T) -> list[T]:
        """The value of every process, in the order of their numbers; so it also waits for all."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self._talking)
        return values

    def first(self, work: Callable[[], T]) -> T:
        """What `work` returns in the first process, which alone does it; the others wait, however long it takes.

        Where it fails they end with SystemExit(1) and leave it to the first to say why.
        """
        if self.size == 1:
            return work()
        found: list[tuple[T] | None] = [None]
        try:
            if self.is_first:
                found = [(work(),)]
        finally:
            dist.broadcast_object_list(found, src=0, group=self._patient)
        if found[0] is None:
            raise SystemExit(1)
        return found[0][0]

    def seed(self, seed: int, step: int = 0) -> None:
        """Let torch draw other numbers in each process; those of the first go on as they are."""
        if not self.is_first:
            state = np.random.SeedSequence([seed, self.rank, step]).generate_state(1, np.uint64)
            torch.manual_seed(int(state[0]))

    def later(self, work: Callable[[], object]) -> None:
        """Do something in a thread, one after the other; `finish` raises what goes wrong."""
        self.finish()
        self._thread = self._thread or ThreadPoolExecutor(1)
        self._work = self._thread.submit(work)

    def finish(self) -> None:
        """Wait for what is done in the thread."""
        work, self._work = self._work, None
        if work is not None:
            work.result()


ALONE = Team()


def is_started() -> bool:
    """Whether `torchrun` started this process with others."""
    return all(name in os.environ for name in STARTED) and int(os.environ["WORLD_SIZE"]) > 1


def is_first() -> bool:
    """Whether this process prints, also before and after the training."""
    return not is_started() or os.environ["RANK"] == "0"


@contextlib.contextmanager
def together() -> Generator[Team]:
    """The team that this process was started in by `torchrun`, on a GPU of its own where there are GPUs."""
    gpus = torch.cuda.device_count()
    if not is_started():
        yield Team(device="cuda" if gpus else "cpu")
        return
    number = {name: int(os.environ[name]) for name in STARTED[:4]}
    if 0 < gpus < number["LOCAL_WORLD_SIZE"]:
        raise ValueError(
            f"torchrun started {number['LOCAL_WORLD_SIZE']} processes on a machine with {gpus} GPUs; start one for "
            f"each: --nproc_per_node {gpus}"
        )
    device = f"cuda:{number['LOCAL_RANK']}" if gpus else "cpu"
    if gpus:
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo")
    try:
        team = Team(number["RANK"], number["WORLD_SIZE"], number["LOCAL_WORLD_SIZE"], device)
        yield team
        team.finish()
    finally:
        dist.destroy_process_group()


@dataclass(frozen=True, slots=True)
class Layout:
    """`replicas` copies of a network, each divided among `shards` processes."""

    replicas: int
    shards: int

    @property
    def engine(self) -> str:
        """What joins the processes, in torch's words."""
        return "one process" if self.replicas * self.shards == 1 else "FSDP2" if self.shards > 1 else "DDP"

    def __str__(self) -> str:
        return f"{self.engine}, {self.replicas} x {self.shards} (replicas x shards)"


def layout(setting: str, num_parameters: int, processes: int, per_node: int) -> Layout:
    """The layout of a `sharding` setting.

    `replicate`: all weights in every process. `shard`: divided among all. `RxS`: R replicas of S shards. `auto`:
    `replicate` below 1e9 parameters, above divided among the processes of a machine, whose links are fast.
    """
    if setting == "auto":
        within = per_node > 1 and processes % per_node == 0
        shards = 1 if num_parameters < LARGE else per_node if within else processes
    elif setting in ("replicate", "shard"):
        shards = processes if setting == "shard" else 1
    else:
        replicas, _, shards = (int(part) if part.isdigit() else part for part in setting.partition("x"))
        if not (isinstance(replicas, int) and isinstance(shards, int) and replicas * shards > 0):
            raise ValueError(
                f"`sharding` is {setting!r}, expected auto, replicate, shard, or replicas x shards such as 2x4"
            )
        if replicas * shards != processes:
            raise ValueError(
                f"`sharding` is {setting!r}, which is for {replicas * shards} processes, but there are {processes}; "
                "start as many (torchrun --nproc_per_node), or choose auto, replicate or shard"
            )
    return Layout(processes // shards, shards)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor that may be divided; every process must ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def part_like(tensor: Tensor, other: Tensor) -> Tensor:
    """A whole tensor divided as `other` is; nothing is sent, as every process has all of it."""
    if not isinstance(other, DTensor):
        return tensor
    mesh = other.device_mesh
    everywhere = [Replicate()] * mesh.ndim
    tensor = tensor.to(other.device, other.dtype)
    return DTensor.from_local(tensor, mesh, everywhere, run_check=False).redistribute(mesh, other.placements)


def is_divided(agent: nn.Module) -> bool:
    """Whether no process has all of an agent."""
    return any(isinstance(parameter, DTensor) for parameter in agent.parameters())


def whole_state(agent: nn.Module, team: Team) -> dict[str, Tensor]:
    """The weights of an agent, whole; of a divided one in the first process alone. Every process must ask for it."""
    if not is_divided(agent):
        return agent.state_dict()
    found = {}
    for name, tensor in agent.state_dict().items():
        tensor = whole(tensor.detach())
        if team.is_first:  # tensor by tensor, so that no GPU must hold them all
            found[name] = tensor.cpu()
    return found


def fill(agent: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give an agent whole weights, of which it takes its part."""
    own = agent.state_dict()
    agent.load_state_dict({name: part_like(tensor, own[name]) for name, tensor in weights.items()})


class Network(ABC):
    """An agent, what it is trained for, and the team that trains it; `beside` is what the objective has of its own."""

    def __init__(self, agent: Agent, objective: Objective, team: Team, layout: Layout):
        self.agent, self.objective, self.team, self.layout = agent, objective, team, layout
        self.beside = objective.begin(agent)
        if self.beside is not None:
            self.beside.to(agent.device)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Those of the agent and those beside it."""
        yield from self.agent.parameters()
        if self.beside is not None:
            yield from self.beside.parameters()

    @abstractmethod
    def backward(self, part: PackedBatch, share: float, dtype: torch.dtype, *, last: bool) -> dict[str, float]:
        """Add to the gradients `share` times that of a part of a batch, of which it may be the `last`.

        Its loss and figures, none where `share` is 0: such a part predicts nothing. Products are in `dtype`.
        """

    @abstractmethod
    def join(self, figures: Any) -> list[Any]:
        """After the last part: the gradients become those of all processes; what each process has found."""


class Alone(Network):
    """One process."""

    def __init__(self, agent: Agent, objective: Objective):
        super().__init__(agent, objective, ALONE, Layout(1, 1))

    def backward(self, part: PackedBatch, share: float, dtype: torch.dtype, *, last: bool) -> dict[str, float]:
        if share == 0:
            return {}
        with torch.autocast(self.agent.device.type, dtype, enabled=dtype != torch.float32):
            loss, figures = self.objective(self.agent, part)
        (share * loss).backward()
        return {"loss": float(loss.detach()), **figures}

    def join(self, figures: Any) -> list[Any]:
        return [figures]


class Joint(Network):
    """Several processes: DDP, or FSDP2 over the blocks of the trunk and over all else as one unit.

    What a batch holds differs from process to process, so one may need weights that another does not. Modalities are
    no units of their own, for all must gather the same ones in the same order; and every loss reaches every weight, if
    with a zero, for all must send the same gradients. A weight that no process needed is then left without a
    gradient, as if alone.
    """

    def __init__(self, agent: Agent, objective: Objective, team: Team, layout: Layout):
        super().__init__(agent, objective, team, layout)
        if self.beside is not None and layout.shards > 1:
            raise ValueError(
                f"{type(objective).__name__} keeps weights of its own, which cannot be divided among processes; "
                "set train.sharding=replicate"
            )
        self._loss = _Loss(agent, objective, self.beside)
        self._replicated: DistributedDataParallel | None = None
        self._divided: FSDPModule | None = None
        if layout.shards == 1:
            self._replicated = DistributedDataParallel(self._loss, gradient_as_bucket_view=True)
        else:
            self._divided = _shard(self._loss, layout, team.device.type)

    def backward(self, part: PackedBatch, share: float, dtype: torch.dtype, *, last: bool) -> dict[str, float]:
        # DDP sends gradients with the last part. FSDP2 keeps no whole ones, so it divides them with each, and sums
        # the parts of its replicas with the last.
        quiet = self._replicated is not None and not last
        if quiet and share == 0:
            return {}
        if self._divided is not None:
            self._divided.set_requires_all_reduce(last)
        module = self._replicated or self._loss
        with self._replicated.no_sync() if self._replicated and quiet else contextlib.nullcontext():
            with torch.autocast(self.agent.device.type, dtype, enabled=dtype != torch.float32):
                loss, figures = module(part, share, spread=not quiet)
            (self.team.size * loss).backward()  # both engines take the mean over the processes, and this is a sum
        return figures

    def join(self, figures: Any) -> list[Any]:
        told = self.team.exchange((self._loss.reached, figures))
        needed = set().union(*(reached for reached, _ in told))
        for name in self._loss.asked - needed:
            self._loss.get_parameter(name).grad = None
        self._loss.reached, self._loss.asked = set(), set()
        return [found for _, found in told]


class _Loss(nn.Module):
    """The loss as a module: engines watch calls of one, and heads run outside the agent's own.

    Of the weights that lie whole in this process, `reached` are those that losses depended on, since it was emptied,
    and `asked` all of them.
    """

    def __init__(self, agent: Agent, objective: Objective, beside: nn.Module | None):
        super().__init__()
        self.agent, self.objective, self.beside = agent, objective, beside
        self.reached: set[str] = set()
        self.asked: set[str] = set()

    def forward(self, part: PackedBatch, share: float, spread: bool) -> tuple[Tensor, dict[str, float]]:
        """`share` of the loss, which reaches all weights if it is to `spread`."""
        if share == 0:  # nothing to learn, but the others wait for this process to go through the network
            loss, figures = self.agent(part).sum() * 0, {}
        else:
            loss, figures = self.objective(self.agent, part)
            figures = {"loss": float(loss.detach()), **figures}
            loss = share * loss
        trained = {name: p for name, p in self.named_parameters() if p.requires_grad}
        here = {name: parameter for name, parameter in trained.items() if not isinstance(parameter, DTensor)}
        leaves = _leaves(loss)
        reached = {name for name, parameter in here.items() if id(parameter) in leaves}
        self.asked |= here.keys()
        if share != 0:
            self.reached |= reached
        if spread:
            for name, parameter in here.items():
                if name not in reached:
                    loss = loss + parameter.sum() * 0
        return loss, figures


def _leaves(loss: Tensor) -> set[int]:
    """Ids of the tensors that a loss depends on and that wait for a gradient."""
    found, seen, waiting = set(), set(), [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting.extend(parent for parent, _ in node.next_functions)
        if (leaf := getattr(node, "variable", None)) is not None:
            found.add(id(leaf))
    return found


def _shard(loss: _Loss, layout: Layout, device: str) -> FSDPModule:
    """Divide a network in place: every block of the trunk is gathered for its own pass, all else for the whole of it.

    In float32: torch would gather norms in the format of the products too, and autocast keeps them as they are.
    """
    sizes = {"dp_replicate": layout.replicas, "dp_shard": layout.shards}
    sizes = {name: size for name, size in sizes.items() if size > 1}
    mesh = init_device_mesh(device, tuple(sizes.values()), mesh_dim_names=tuple(sizes))
    for block in blocks(loss.agent):
        fully_shard(block, mesh=mesh, reshard_after_forward=True)
    return fully_shard(loss, mesh=mesh)


def blocks(agent: Agent) -> Sequence[nn.Module]:
    """The parts of the trunk that lie one after the other in a list."""
    lists = [module for module in agent.backbone.modules() if isinstance(module, nn.ModuleList)]
    return [block for blocks in lists[:1] for block in blocks]


def connect(agent: Agent, objective: Objective, team: Team, layout: Layout) -> Network:
    """The network that a team trains, laid out so, on its device; a divided agent is changed in place."""
    if layout.shards == 1:  # else each block goes there when it has been divided
        agent.to(team.device)
    return Alone(agent, objective) if team.size == 1 else Joint(agent, objective, team, layout)
