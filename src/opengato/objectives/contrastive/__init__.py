"""VATT: the film, the sound and the texts of a document find one another among those of the whole batch.

Each is read by itself, straight from voxels, samples and pieces of words, in a call of its own; a document that lacks
one takes no part in what is compared with it. [Akbari et al. 2021, arXiv:2104.11178]. Letters: N rows of one modality,
R rows that are read, V values, D width, E width of a space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective
from opengato.nn.spaces import CommonSpaces, mil_nce
from opengato.objectives.masks import highest
from opengato.objectives.values import values_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """In training a share `drop` of the rows of films and sounds is not read; `weight` is that of the texts' loss."""

    drop: float = 0.5
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.drop < 1:
            raise ValueError(f"`drop` is {self.drop}, expected a share from 0 up to 1, without 1")

    def build(self) -> Vatt:
        return Vatt(self)


@dataclass(frozen=True, slots=True)
class Read:
    """The values of one sense: the number of the document of each (V,), and their places in both spaces (V, E)."""

    document_V: Tensor
    fine: Tensor | None
    coarse: Tensor | None


class Vatt(Objective):
    """Loss = NCE of films and sounds + weight * MIL-NCE of films and texts, the means over the films that have both."""

    causal: ClassVar[bool | None] = False

    def __init__(self, config: Config):
        self.config = config

    def terms(self, batch: PackedBatch) -> int:
        """Documents."""
        return int((batch.document_BT.amax(1) + 1).sum())

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        spaces = agent.contrast
        if not isinstance(spaces, CommonSpaces):
            raise ValueError("this agent has no common spaces; give its config `contrast=spaces.Config(...)`")
        names = spaces.config
        read = {
            name: self._read(agent, spaces, batch, name)
            for name in (names.video, names.audio, names.text)
            if name in batch.payload
        }
        loss, figures = agent.local.weight.sum() * 0, {}
        films = read.get(names.video)
        for what, name, weight in (("sounds", names.audio, 1.0), ("texts", names.text, self.config.weight)):
            others = read.get(name)
            if films is None or others is None:
                continue
            one_VE, other_VE, owner_V = matched(films, others)
            if len(one_VE) < 2:
                continue
            loss_V = mil_nce(one_VE, other_VE, owner_V, names.temperature)
            loss = loss + weight * loss_V.mean()
            with torch.no_grad():
                found = owner_V[(one_VE @ other_VE.T).argmax(1)] == torch.arange(len(one_VE), device=owner_V.device)
            figures |= {f"loss/{what}": float(loss_V.detach().mean()), f"{what} found": float(found.float().mean())}
        return loss, {"documents": float(self.terms(batch)), **figures}

    def _read(self, agent: Any, spaces: CommonSpaces, batch: PackedBatch, name: str) -> Read:
        """One sense, in one call of its trunk: of films and sounds the first of each document, of texts all."""
        values, slot_N = values_of(agent, batch, name), batch.slot_N[name]
        row_N = slot_N.div(batch.document_BT.shape[1], rounding_mode="floor")
        document_N = row_N * batch.document_BT.shape[1] + batch.document_BT.flatten()[slot_N]
        is_text = name == spaces.config.text
        if is_text:
            read_N = values.may_hide_N
        else:
            first_N = torch.ones_like(values.may_hide_N)
            opens_N = values.order == 0
            opened = document_N[opens_N]
            first_N = (torch.cat([opened.new_ones(1).bool(), opened[1:] != opened[:-1]]))[values.value_N]
            read_N = first_N & self._kept(agent, values.value_N)
        value_R = values.value_N[read_N].unique(return_inverse=True)[1]
        x_RD = agent.vectors({name: batch.payload[name][read_N]})[name]
        h_VD = spaces.summary(agent.backbone, name, x_RD, value_R)
        first_R = torch.cat([value_R.new_ones(1).bool(), value_R[1:] != value_R[:-1]])
        return Read(document_N[read_N][first_R], *spaces.projected(name, h_VD))

    def _kept(self, agent: Any, value_N: Tensor) -> Tensor:
        """The rows (N,) that are read: DropToken drops the same share of each value, while an agent is in training."""
        if not agent.training or self.config.drop == 0:
            return torch.ones_like(value_N, dtype=torch.bool)
        value_N = value_N.cpu()
        count_V = (torch.bincount(value_N) * (1 - self.config.drop)).ceil().long()
        return highest(torch.rand(len(value_N)), value_N, count_V).to(agent.device)


def matched(films: Read, others: Read) -> tuple[Tensor, Tensor, Tensor]:
    """Films that have something of the other sense, all of that, and the number of the film of each."""
    is_fine = others.fine is not None
    one_VE, other_VE = (films.fine, others.fine) if is_fine else (films.coarse, others.coarse)
    assert one_VE is not None
    assert other_VE is not None
    same_VV = films.document_V[:, None] == others.document_V
    kept_V, has_V = same_VV.any(1), same_VV.any(0)
    return one_VE[kept_V], other_VE[has_V], same_VV[kept_V][:, has_V].int().argmax(0)
