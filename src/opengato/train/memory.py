"""What a training run will need of memory, found before any is taken: the agent on torch's meta device, shapes alone.

Letters: B rows, T query slots, S key slots, D width, H heads, K head width, N positions of one modality, P payload
features.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode

from opengato.agent.model import Agent
from opengato.agent.model import Config as AgentConfig
from opengato.core.modality import Modality
from opengato.nn.shapes import shapes_alone
from opengato.train import optim
from opengato.train.loop import Config
from opengato.train.precision import resolve
from opengato.train.run import Recipe

GIB = 2**30


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Bytes of a training run on the device that trains.

    `activations` are what autograd keeps of one part of a batch: `kept`, or `recomputed` where the trunk is told to
    recompute (None: it cannot). The batch and what an operation needs while it runs come on top.
    """

    parameters: int
    gradients: int
    optimizer: int
    kept: int
    recomputed: int | None
    recompute: bool

    @property
    def activations(self) -> int:
        return self.recomputed if self.recompute and self.recomputed is not None else self.kept

    @property
    def total(self) -> int:
        """What a run holds at a time, at most."""
        return self.parameters + self.gradients + self.optimizer + self.activations

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "activations": self.activations, "total": self.total}

    def __str__(self) -> str:
        terms = {
            "parameters": self.parameters,
            "gradients": self.gradients,
            "optimiser": self.optimizer,
            "activations": self.activations,
        }
        line = f"{gib(self.total)} GiB: " + " + ".join(f"{name} {gib(size)}" for name, size in terms.items())
        if self.recomputed is None:
            return line
        other = ("kept", self.kept) if self.recompute else ("recomputed", self.recomputed)
        return f"{line} ({gib(other[1])} if {other[0]})"


def gib(size: int) -> str:
    """Bytes as GiB with two digits that count, as people read them."""
    return f"{size / GIB:.2g}" if size < 10 * GIB else f"{size / GIB:.0f}"


def of_recipe(recipe: Recipe) -> Memory:
    """Of a recipe's run on this machine."""
    return estimate(recipe.train, recipe.rows, resolve(recipe.train.precision, torch.device("cpu")))


def estimate(config: Config, rows: int, dtype: torch.dtype = torch.float32) -> Memory:
    """Of a run with batches of `rows` rows and matrix products in `dtype`.

    Which modalities will fill the rows is not known yet: all positions count as those that cost most to embed, and
    all are predicted as those that cost most to score. Scores count as on a GPU; a CPU keeps less of many ids
    (`nn/likelihood.py`).
    """
    agent, trunk = on_meta(config.agent), config.agent.backbone
    beside = beside_on_meta(agent, config.objective)
    rows = -(-rows // config.accumulate)
    positions = rows * agent.context
    modalities = [agent.modality(name) for name in agent.modalities]
    around = max(modality_bytes(modality, positions, 0, dtype) for modality in modalities)
    around += max(modality_bytes(modality, 0, positions, dtype) for modality in modalities)
    kept = around + trunk_bytes(trunk, rows, agent.context, dtype)
    recomputed = None
    if can_recompute(trunk):
        recomputed = around + recomputed_trunk_bytes(trunk, rows, agent.context, dtype)
    return Memory(
        parameters=sum(t.nbytes for module in (agent, beside) for t in (*module.parameters(), *module.buffers())),
        gradients=sum(p.nbytes for module in (agent, beside) for p in module.parameters() if p.requires_grad),
        optimizer=optim.groups(agent, config.optim, beside).state_bytes(),
        kept=kept,
        recomputed=recomputed,
        recompute=recomputed is not None and trunk.recompute,
    )


def on_meta(config: AgentConfig) -> Agent:
    """An agent without numbers: one of any size is built in no memory, to be asked for its shapes."""
    with shapes_alone():
        return config.build().to("meta")


def beside_on_meta(agent: Agent, objective: Any) -> nn.Module:
    """What the objective of a config has of its own beside an agent on meta."""
    with shapes_alone():
        return (objective.build().begin(agent) or nn.Module()).to("meta")


def can_recompute(trunk: Any) -> bool:
    """Whether the config of a trunk has `depth` equal blocks and a setting to `recompute` them."""
    return {"depth", "recompute"} <= {field.name for field in dataclasses.fields(trunk)}


def trunk_bytes(trunk: Any, rows: int, slots: int, dtype: torch.dtype) -> int:
    """What autograd keeps of a forward pass of the trunk of a config, its input included, without recomputing."""
    if can_recompute(trunk):
        trunk = dataclasses.replace(trunk, recompute=False)
    with shapes_alone():
        module = trunk.build().to("meta")
        x_BTD = torch.empty(rows, slots, module.width, requires_grad=True)
        place_BT = torch.zeros(rows, slots, dtype=torch.int64)
        return _saved_bytes(module, dtype, lambda: module(x_BTD, place_BT, place_BT, place_BT > 0))


def recomputed_trunk_bytes(trunk: Any, rows: int, slots: int, dtype: torch.dtype) -> int:
    """The same with recomputing: the inputs of all blocks, and all of the one block that the backward pass is in."""
    whole = trunk_bytes(trunk, rows, slots, dtype)
    block = trunk_bytes(dataclasses.replace(trunk, depth=trunk.depth + 1), rows, slots, dtype) - whole
    entry = 4 * rows * slots * trunk.width
    return whole - (trunk.depth - 1) * (block - entry)


def modality_bytes(modality: Modality, positions: int, targets: int, dtype: torch.dtype) -> int:
    """What autograd keeps of embedding `positions` rows of a modality on meta and of scoring `targets` of them."""
    width = modality.embed(_payload(modality, 0)).shape[1]
    h_ND = torch.empty(targets, width, device="meta", requires_grad=True)

    def run() -> None:
        modality.embed(_payload(modality, positions))
        if targets and type(modality).loss is not Modality.loss:
            modality.loss(h_ND, _payload(modality, targets))

    return _saved_bytes(modality, dtype, run)


def _payload(modality: Modality, positions: int) -> Tensor:
    codec = modality.codec
    return torch.zeros(positions, *codec.payload_shape, dtype=getattr(torch, codec.payload_dtype), device="meta")


def _saved_bytes(module: nn.Module, dtype: torch.dtype, run: Callable[[], Any]) -> int:
    """Bytes of the storages that autograd saves while `run` runs; those of the module's own numbers do not count."""
    own = [tensor.untyped_storage() for tensor in (*module.parameters(), *module.buffers())]
    known = {id(storage) for storage in own}
    saved: list[torch.UntypedStorage] = []  # alive, so that no other takes the id of one

    def note(tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if id(storage) not in known:
            known.add(id(storage))
            saved.append(storage)

    def refuse(_: None) -> Tensor:
        raise AssertionError("nothing was kept: there is no way back")

    with saved_tensors_hooks(note, refuse), _AsTrained(dtype):
        run()
    return sum(storage.nbytes() for storage in saved)


class _AsTrained(TorchFunctionMode):
    """Products in `dtype` and losses in float32, as autocast makes them, and attention by a fused kernel.

    The meta device knows neither.
    """

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.dtype = dtype

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func in (F.linear, F.conv2d, F.scaled_dot_product_attention):
            args = _cast(args, self.dtype)
        elif func is F.cross_entropy:
            args = _cast(args, torch.float32)
        if func is F.scaled_dot_product_attention:
            return _FusedAttention.apply(*args, kwargs.get("attn_mask"))
        return func(*args, **kwargs)


def _cast(args: tuple, dtype: torch.dtype) -> tuple:
    return tuple(a.to(dtype) if isinstance(a, Tensor) and a.is_floating_point() else a for a in args)


class _FusedAttention(torch.autograd.Function):
    """Keeps what a fused kernel keeps: its inputs, the mask as numbers, its output and a log-sum-exp a query.

    The output lies by heads, as on CPU, so that joining the heads copies it; elsewhere it may not.
    """

    @staticmethod
    def forward(ctx: Any, q_BHTK: Tensor, k_BHSK: Tensor, v_BHSK: Tensor, mask: Tensor | None) -> Tensor:
        rows, heads, slots, _ = q_BHTK.shape
        out_BHTK = q_BHTK.new_empty(rows, heads, slots, v_BHSK.shape[-1])
        log_sum_BHT = q_BHTK.new_empty(rows, heads, slots, dtype=torch.float32)
        numbers = () if mask is None else (mask.to(q_BHTK.dtype),)
        ctx.save_for_backward(q_BHTK, k_BHSK, v_BHSK, out_BHTK, log_sum_BHT, *numbers)
        return out_BHTK
