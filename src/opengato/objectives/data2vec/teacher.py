"""The teacher of data2vec: a trunk that follows the student's, and what it makes of the whole input.

Letters: B rows, T slots, S all slots of a batch, N rows of one modality, D width.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.core.backbone import Backbone, BranchedBackbone, Branches
from opengato.core.batch import PackedBatch
from opengato.core.config import choose
from opengato.objectives.values import Values, value_means

Target = Literal["feed_forward", "attention", "stream"]
Norm = Literal["instance", "layer", "none"]
EPSILON = 1e-5  # of norms, as torch has it


@dataclass(frozen=True, kw_only=True, slots=True)
class Ema:
    """The share of itself that a teacher keeps in an update: from `start` in a line to `end` in `steps`, then `end`."""

    start: float = 0.999
    end: float = 0.9999
    steps: int = 30_000

    def __post_init__(self) -> None:
        if not (0 <= self.start <= 1 and 0 <= self.end <= 1 and self.steps >= 0):
            raise ValueError(f"received {self}, expected shares from 0 to 1 and a number of steps")

    def decay(self, update: int) -> float:
        """At an update, counted from 1: end - (end - start) (1 - update / steps)."""
        return self.end if update >= self.steps else self.end - (self.end - self.start) * (1 - update / self.steps)


@dataclass(frozen=True, kw_only=True, slots=True)
class Teaching:
    """What is to be told: the mean over the `top` last blocks of the `target` of each, normalised.

    "instance" subtracts the mean of each feature over the rows of a value and divides by its deviation, "layer" does so
    over the features of a row; neither has weights. `last_norm` is that of the mean.
    """

    ema: Ema = Ema()
    top: int = 6
    target: Target = "feed_forward"
    norm: Norm = "layer"
    last_norm: Norm = "none"

    def __post_init__(self) -> None:
        choose(self.target, get_args(Target), what="target")
        for norm in (self.norm, self.last_norm):
            choose(norm, get_args(Norm), what="norm of targets")
        if self.top < 1:
            raise ValueError(f"`top` is {self.top}, expected 1 block or more")


class Teacher(nn.Module):
    """A copy of a trunk whose weights follow it: theirs = decay * theirs + (1 - decay) * its.

    Embedders are not copied: both read the same vectors [Baevski et al. 2022, arXiv:2202.03555, sec. 3].
    """

    updates: Tensor

    def __init__(self, config: Teaching, trunk: Backbone):
        super().__init__()
        if not isinstance(trunk, BranchedBackbone):
            raise ValueError(
                f"{type(trunk).__name__} does not show what its blocks add, which a teacher tells; use `encoder`"
            )
        if config.top > trunk.depth:
            raise ValueError(f"`top` is {config.top}, but the trunk has {trunk.depth} blocks; ask for no more")
        self.config = config
        self.trunk = copy.deepcopy(trunk).requires_grad_(False).eval()
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, trunk: nn.Module) -> float:
        """One update towards the student's trunk; the decay that it had."""
        self.updates += 1
        decay = self.config.ema.decay(int(self.updates))
        for mine, theirs in zip(self.trunk.parameters(), trunk.parameters(), strict=True):
            mine.lerp_(theirs.to(mine.dtype), 1 - decay)
        return decay

    @torch.no_grad()
    def targets(
        self, agent: Any, batch: PackedBatch, vectors: Mapping[str, Tensor], values: Mapping[str, Values]
    ) -> dict[str, Tensor]:
        """What is to be told of all rows (N, D) of the modalities in `values`, from the vectors of the whole batch."""
        assert isinstance(self.trunk, BranchedBackbone)
        x_BTD = agent.in_slots(vectors, batch.slot_N, batch.local_BT)
        blocks = self.trunk.branches(x_BTD, batch.document_BT, batch.position_BT, batch.prompt_BT)
        totals: dict[str, Tensor] = {}
        for branches in islice(blocks, self.trunk.depth - self.config.top, None):
            told_SD = told(branches, self.config.target).flatten(0, 1).float()
            for name, found in values.items():
                told_ND = normalised(told_SD[batch.slot_N[name]], found.value_N, self.config.norm)
                totals[name] = totals[name] + told_ND if name in totals else told_ND
        return {
            name: normalised(total_ND / self.config.top, values[name].value_N, self.config.last_norm)
            for name, total_ND in totals.items()
        }


def told(branches: Branches, target: Target) -> Tensor:
    """The one that a target names."""
    return {"feed_forward": branches.feed_forward, "attention": branches.attention, "stream": branches.stream}[target]


def normalised(x_ND: Tensor, value_N: Tensor, norm: Norm) -> Tensor:
    """Rows with mean 0 and deviation 1 over their features ("layer"), or each feature over its value ("instance")."""
    if norm == "layer":
        return F.layer_norm(x_ND, x_ND.shape[1:], eps=EPSILON)
    if norm == "instance":
        apart_ND = x_ND - value_means(x_ND, value_N)
        return apart_ND / (value_means(apart_ND.square(), value_N) + EPSILON).sqrt()
    return x_ND
