"""What a recipe needs of several GPUs, by arithmetic: memory of each, what they send one another, hours.

Nothing is measured: peaks are those of data sheets, and the share of them that a run reaches is an assumption.
Letters: N parameters, T positions of a row, D width.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch

from opengato.agent.model import Agent
from opengato.agent.model import Config as AgentConfig
from opengato.core.config import choose
from opengato.train import memory, optim
from opengato.train.distributed import Layout, blocks, layout
from opengato.train.memory import Memory, gib
from opengato.train.run import Recipe

FLOAT32 = 4  # bytes; weights are sent and gradients are summed in it
MFU = 0.4  # of the peak; published runs of 0.8B to 8B parameters on H100 reach 0.33 to 0.50
PER_NODE = 8  # GPUs of a machine
NETWORK = 50e9  # bytes/s of a GPU to other machines: an adapter of 400 Gb/s each, as in DGX H100
GATO_STEPS, GATO_POSITIONS = 1_000_000, 512 * 1024  # [Reed et al. 2022, arXiv:2205.06175, sec. 2.3]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """A GPU of a data sheet: dense bfloat16 FLOP/s, bytes, bytes/s of its memory and to others of its machine.

    `link` is one direction, half of what data sheets add up.
    """

    flops: float
    memory: float
    bandwidth: float
    link: float
    source: str


GPUS = {
    "h100": Gpu(flops=989e12, memory=80e9, bandwidth=3.35e12, link=450e9, source="NVIDIA H100 data sheet, SXM"),
    "h200": Gpu(flops=989e12, memory=141e9, bandwidth=4.8e12, link=450e9, source="NVIDIA H200 data sheet, SXM"),
    "a100": Gpu(flops=312e12, memory=80e9, bandwidth=2.039e12, link=300e9, source="NVIDIA A100 80GB data sheet, SXM"),
    "l40s": Gpu(flops=362e12, memory=48e9, bandwidth=0.864e12, link=32e9, source="NVIDIA L40S data sheet, PCIe 4"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A recipe on `gpus` GPUs of a kind; sizes in bytes and of one GPU, times in seconds.

    A step is `parts` passes over `rows_each` rows. `gathered` are weights and gradients that FSDP2 holds whole for a
    while. `sent` is what goes out in a step, within the machine and to others.
    """

    recipe: str
    gpu: str
    gpus: int
    mfu: float
    layout: Layout
    num_parameters: int
    flops_per_position: int
    positions: int
    parts: int
    rows_each: int
    steps: int
    memory: Memory
    gathered: int
    sent_within: int
    sent_between: int

    @property
    def total(self) -> int:
        """Bytes of a GPU, at most; what an operation needs while it runs comes on top."""
        return self.memory.total + self.gathered

    @property
    def compute_seconds(self) -> float:
        return self.flops_per_position * self.positions / (self.gpus * GPUS[self.gpu].flops * self.mfu)

    @property
    def update_seconds(self) -> float:
        """The optimiser reads weights, gradients and moments and writes all but the gradients."""
        held = self.memory
        moved = 2 * held.parameters + held.gradients + 2 * held.optimizer
        return moved / GPUS[self.gpu].bandwidth

    @property
    def sending_seconds(self) -> float:
        return self.sent_within / GPUS[self.gpu].link + self.sent_between / NETWORK

    @property
    def step_seconds(self) -> tuple[float, float]:
        """Where all sending is hidden behind computing, and where none is."""
        alone = self.compute_seconds + self.update_seconds
        return max(alone, self.sending_seconds), alone + self.sending_seconds

    def hours(self, steps: int, positions: int) -> tuple[float, float]:
        """Of so many steps of so many positions each, from the two times of a step."""
        least, most = (seconds * steps / 3600 * positions / self.positions for seconds in self.step_seconds)
        return least, most

    def to_json(self) -> dict[str, Any]:
        least, most = self.step_seconds
        return {
            **dataclasses.asdict(self),
            "engine": self.layout.engine,
            "memory": self.memory.to_json(),
            "total": self.total,
            "fits": self.total <= GPUS[self.gpu].memory,
            "compute_seconds": self.compute_seconds,
            "update_seconds": self.update_seconds,
            "sending_seconds": self.sending_seconds,
            "step_seconds": [least, most],
            "hours": self.hours(self.steps, self.positions),
            "gato_hours": self.hours(GATO_STEPS, GATO_POSITIONS),
        }


def plan(recipe: Recipe, gpus: int, gpu: str = "h100", mfu: float = MFU) -> Plan:
    """How a recipe would run. ValueError for a number of GPUs that cannot share its batches, or an unknown GPU."""
    choose(gpu, GPUS, what="GPU")
    if not 0 < mfu <= 1:
        raise ValueError(f"the share of the peak is {mfu}, expected a number above 0 and up to 1, such as {MFU}")
    groups = recipe.loader.groups
    if gpus < 1 or groups % gpus:
        numbers = ", ".join(str(n) for n in range(1, groups + 1) if groups % n == 0)
        raise ValueError(f"{gpus} GPUs cannot share batches of {groups} groups of rows; choose one of {numbers}")
    config = recipe.train
    agent = memory.on_meta(config.agent)
    shape = layout(config.sharding, agent.num_parameters, gpus, min(gpus, PER_NODE))
    parts = -(-config.accumulate // gpus)
    rows_each = -(-(recipe.rows // gpus) // parts)
    whole = memory.estimate(dataclasses.replace(config, accumulate=1), rows_each, torch.bfloat16)
    held = dataclasses.replace(
        whole,
        parameters=whole.parameters // shape.shards,
        gradients=whole.gradients // shape.shards,
        optimizer=whole.optimizer // shape.shards,
    )
    inside = sum(p.nbytes for block in blocks(agent) for p in block.parameters())
    matrices = sum(p.nbytes for p in optim.groups(agent, config.optim).matrices) // 2  # in bfloat16
    within, between = sent(shape, (inside, whole.gradients - inside), matrices, parts)
    return Plan(
        recipe=recipe.name,
        gpu=gpu,
        gpus=gpus,
        mfu=mfu,
        layout=shape,
        num_parameters=agent.num_parameters,
        flops_per_position=flops_per_position(config.agent, agent.num_parameters),
        positions=recipe.rows * config.agent.context,
        parts=parts,
        rows_each=rows_each,
        steps=config.steps,
        memory=held,
        gathered=gathered(agent, shape),
        sent_within=within,
        sent_between=between,
    )


def flops_per_position(agent: AgentConfig, num_parameters: int) -> int:
    """6 N for the products of weights, forward and backward, and 12 T D a block for attention over a full row.

    [Chowdhery et al. 2022, arXiv:2204.02311, app. B]. Tables count as if they were products, and recomputing does not
    count. A trunk that does not say its `depth` and `width` has no attention in this.
    """
    trunk = agent.backbone
    has_blocks = {"depth", "width"} <= {field.name for field in dataclasses.fields(trunk)}
    return 6 * num_parameters + (12 * trunk.depth * trunk.width * agent.context if has_blocks else 0)


def gathered(agent: Agent, shape: Layout) -> int:
    """What FSDP2 holds whole: two blocks at a time, and all that lies outside of blocks, with their gradients."""
    if shape.shards == 1:
        return 0
    sizes = [sum(p.nbytes for p in block.parameters()) for block in blocks(agent)]
    outside = sum(p.nbytes for p in agent.parameters()) - sum(sizes)
    return 2 * (2 * max(sizes, default=0) + outside)


def sent(shape: Layout, sizes: tuple[int, int], matrices: int, parts: int) -> tuple[int, int]:
    """Bytes that a GPU sends in a step, within its machine and between machines; `sizes` in blocks and outside them.

    A ring of n sends (n - 1) / n of what is gathered or scattered, and twice that to sum [Patarasuk & Yuan 2009]. For
    each part FSDP2 gathers the blocks forward and again backward, what lies outside them once, and scatters all
    gradients; for each step Muon gathers its matrices, and replicas sum their gradients. A ring that leaves the machine
    is as slow as its link to others.
    """
    shards, replicas, (inside, outside) = shape.shards, shape.replicas, sizes
    among_shards = (shards - 1) * (parts * (3 * inside + 2 * outside) + matrices) // shards
    among_replicas = 2 * (replicas - 1) * (inside + outside) // (replicas * shards)
    shards_leave, replicas_leave = shards > PER_NODE, shards * replicas > PER_NODE
    within = (0 if shards_leave else among_shards) + (0 if replicas_leave else among_replicas)
    return within, among_shards + among_replicas - within


def describe(found: Plan) -> list[tuple[str, str]]:
    """A plan in lines of a heading and the arithmetic."""
    gpu, held = GPUS[found.gpu], found.memory
    room = "fits" if found.total <= gpu.memory else "DOES NOT FIT: more GPUs, train.sharding=shard, or recompute"
    least, most = found.step_seconds
    hours, longest = found.hours(found.steps, found.positions)
    gato, gato_longest = found.hours(GATO_STEPS, GATO_POSITIONS)
    work = found.flops_per_position * found.positions

    def short(number: float) -> str:
        return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"

    return [
        ("GPU", f"{found.gpus} x {found.gpu}: {gpu.flops / 1e12:g} TFLOP/s dense bfloat16, {gpu.memory / 1e9:g} GB, "
         f"{gpu.bandwidth / 1e12:g} TB/s, {gpu.link / 1e9:g} GB/s to its neighbours ({gpu.source}); "
         f"{NETWORK / 1e9:g} GB/s to other machines of {PER_NODE} (assumed)"),
        ("processes", f"{found.layout}, for {found.num_parameters:,} parameters"),
        ("a step", f"{found.positions:,} positions; each GPU {found.parts} x {found.rows_each} rows of them"),
        ("memory of a GPU", f"{gib(found.total)} GiB: weights {gib(held.parameters)} + gradients {gib(held.gradients)} "
         f"+ optimiser {gib(held.optimizer)} + activations {gib(held.activations)} + gathered {gib(found.gathered)}; "
         f"of {gib(int(gpu.memory))}: {room}"),
        ("sent by a GPU", f"{found.sent_within / 1e9:.3g} GB within the machine + {found.sent_between / 1e9:.3g} GB "
         f"between machines: {found.sending_seconds:.3g} s"),
        ("computing", f"{found.flops_per_position / 1e9:.3g} GFLOP a position x {found.positions:,} = "
         f"{short(work / 1e12)} TFLOP; / ({found.gpus} x {gpu.flops / 1e12:g} TFLOP/s x {found.mfu:g} assumed) = "
         f"{found.compute_seconds:.3g} s, + {found.update_seconds:.2g} s of the optimiser"),
        ("time of a step", f"{least:.3g} s if sending hides behind computing, {most:.3g} s if not"),
        ("the recipe", f"{found.steps:,} steps: {short(hours)} to {short(longest)} hours, "
         f"{short(hours * found.gpus)} to {short(longest * found.gpus)} GPU hours"),
        ("as long as Gato's", f"{GATO_STEPS:,} steps of 512 x 1024: {short(gato)} to {short(gato_longest)} hours"),
    ]  # fmt: skip
