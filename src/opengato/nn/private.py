"""Parts that belong to one task or one modality, between a trunk that all share and the heads.

Each begins as the identity, so that an agent that gains some does what it did before. Letters: N positions, K those of
one task, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

Part = Literal["none", "adapter", "head"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """What each task and each modality has of its own.

    `adapter`: x + W_up gelu(W_down norm(x)), of `units` [Houlsby et al. 2019, arXiv:1902.00751, sec. 2.1]. `head`: a
    matrix (D, D) before the head that all share, which makes any linear head of it that has at most D choices. `none`:
    everything is shared [Caruana 1997, doi:10.1023/A:1007379606734].
    """

    task: Part = "adapter"
    modality: Part = "none"
    units: int = 16

    def __post_init__(self) -> None:
        if {self.task, self.modality} - set(get_args(Part)) or self.units < 1:
            raise ValueError(
                f"received task={self.task!r}, modality={self.modality!r}, units={self.units}; expected one of "
                f"{get_args(Part)} for each, and at least 1 unit"
            )

    @property
    def is_empty(self) -> bool:
        """Whether everything is shared."""
        return self.task == self.modality == "none"

    def build(self, width: int, tasks: int, modalities: Sequence[str]) -> PrivateParts:
        return PrivateParts(self, width, tasks, modalities)


class Adapter(nn.Module):
    """A bottleneck beside the residual stream."""

    def __init__(self, width: int, units: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.down = nn.Linear(width, units)
        self.up = nn.Linear(units, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x_ND: Tensor) -> Tensor:
        return x_ND + self.up(F.gelu(self.down(self.norm(x_ND))))


def part(kind: Part, width: int, units: int) -> nn.Module:
    """A part of a kind."""
    if kind == "none":
        return nn.Identity()
    if kind == "adapter":
        return Adapter(width, units)
    head = nn.Linear(width, width, bias=False)
    nn.init.eye_(head.weight)
    return head


class PrivateParts(nn.Module):
    """A part for each task, by its number, and for each modality, by its name."""

    def __init__(self, config: Config, width: int, tasks: int, modalities: Sequence[str]):
        super().__init__()
        self.tasks = nn.ModuleList(part(config.task, width, config.units) for _ in range(tasks))
        self.modalities = nn.ModuleDict({name: part(config.modality, width, config.units) for name in modalities})

    def forward(self, x_ND: Tensor, task_N: Tensor | None, modality: str) -> Tensor:
        """What the head of a modality reads. Where the task is not known (below 0, or None) no task's part is used.

        Parts of tasks that are not there are not touched, so that they get no gradient, not even a zero.
        """
        x_ND = self.modalities[modality](x_ND)
        if task_N is None:
            return x_ND
        for task in task_N[task_N >= 0].unique().tolist():
            mine_K = (task_N == task).nonzero()[:, 0]
            x_ND = x_ND.index_copy(0, mine_K, self.tasks[task](x_ND[mine_K]).to(x_ND.dtype))
        return x_ND
