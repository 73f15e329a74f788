"""data2vec 2.0: the student reads only what is shown, several times over for one pass of the teacher.

[Baevski et al. 2022, arXiv:2212.07525]. Letters: B rows, T slots, S all slots of a batch, C copies of the batch with a
mask each, L slots of the longest row of what is shown, N rows of one modality, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from opengato.core.batch import PackedBatch
from opengato.objectives.data2vec.decoder import ConvDecoder, Decoder, axes_of
from opengato.objectives.data2vec.regression import Guard, Regression, mean_of
from opengato.objectives.data2vec.taught import Taught
from opengato.objectives.data2vec.teacher import Teacher, Teaching
from opengato.objectives.hiding import Hiding
from opengato.objectives.masks import Tokens
from opengato.objectives.values import Values

NOISE = 0.01  # deviation of what stands in the decoder's input for a hidden row


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """As of `data2vec`, with `copies` of the batch, each under a mask of its own, and a decoder for each modality."""

    hiding: Hiding = field(default_factory=lambda: Hiding(others=Tokens(share=0.5)))
    teaching: Teaching = field(default_factory=lambda: Teaching(top=1, norm="instance"))
    regression: Regression = field(default_factory=lambda: Regression(beta=0.0, scale="root"))
    guard: Guard = field(default_factory=Guard)
    decoder: Decoder = field(default_factory=Decoder)
    copies: int = 8

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"`copies` is {self.copies}, expected 1 or more")

    def build(self) -> EfficientData2vec:
        return EfficientData2vec(self)


class Beside(nn.Module):
    """What the objective has of its own: the teacher, and a decoder for each modality of which something is hidden."""

    def __init__(self, config: Config, agent: Any):
        super().__init__()
        self.teacher = Teacher(config.teaching, agent.backbone)
        hidden = [name for name in agent.config.modalities if config.hiding.mask_of(name) is not None]
        self.decoders = nn.ModuleDict(
            {name: ConvDecoder(config.decoder, agent.backbone.width, axes_of(agent.modality(name))) for name in hidden}
        )


class EfficientData2vec(Taught):
    """Loss = mean over the hidden rows of all copies of what the prediction is off the teacher's target."""

    config: Config
    beside: Beside

    def __init__(self, config: Config):
        self.config = config

    def begin(self, agent: Any) -> nn.Module:
        self.config.hiding.check(agent)
        for name in agent.config.modalities:
            mask = self.config.hiding.mask_of(name)
            if mask is not None and any(mask.disguises()):
                raise ValueError(f"the mask of {name!r} shows hidden rows in disguise, but here nothing hidden is read")
        self.beside = Beside(self.config, agent)
        return self.beside

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        config, teacher = self.config, self.beside.teacher
        vectors, values = agent.vectors(batch.payload), config.hiding.values(agent, batch)
        targets = teacher.targets(agent, batch, vectors, values)
        copies = [config.hiding.draw(values) for _ in range(config.copies)]
        x_BTD = agent.in_slots(vectors, batch.slot_N, batch.local_BT)
        h_CSD = read_shown(agent.backbone, x_BTD, batch, shown_slots(batch, copies))
        losses, figures = {}, {}
        for name, found in values.items():
            hidden_N = torch.cat([hidden[name] for hidden in copies])
            h_ND = h_CSD[:, batch.slot_N[name]].flatten(0, 1)
            told_ND = self.beside.decoders[name](
                torch.where(hidden_N[:, None], NOISE * noise_like(h_ND), h_ND), repeated(found, config.copies)
            )[hidden_N]
            target_ND = targets[name].repeat(config.copies, 1)[hidden_N]
            losses[name] = config.regression(told_ND, target_ND)
            figures |= config.guard.figures(int(teacher.updates), name, told_ND, target_ND)
        loss, of_each = mean_of(losses, x_BTD.device)
        hidden = sum(map(len, losses.values())) / config.copies
        return loss, {**of_each, **figures, "hidden": hidden / max(1, self.terms(batch))}


def shown_slots(batch: PackedBatch, copies: list[dict[str, Tensor]]) -> Tensor:
    """True (C, B, T) on the slots of documents that are not hidden in each copy."""
    shown_CS = (batch.document_BT >= 0).flatten().repeat(len(copies), 1)
    for copy, hidden in enumerate(copies):
        for name, hidden_N in hidden.items():
            shown_CS[copy, batch.slot_N[name][hidden_N]] = False
    return shown_CS.view(len(copies), *batch.document_BT.shape)


def read_shown(trunk: nn.Module, x_BTD: Tensor, batch: PackedBatch, shown_CBT: Tensor) -> Tensor:
    """Hidden states (C, S, D) of shown slots, which alone the trunk reads; zeros at the others."""
    copies, rows, slots = shown_CBT.shape
    longest = max(1, int(shown_CBT.sum(-1).max()))
    # Shown slots first, in their order: so a row is no longer than what it shows.
    slot_CBL = torch.argsort(~shown_CBT, dim=-1, stable=True)[..., :longest]
    real_CBL = shown_CBT.gather(-1, slot_CBL)
    row_B1 = torch.arange(rows, device=x_BTD.device)[:, None]

    def taken(x_BT: Tensor) -> Tensor:
        return x_BT[row_B1, slot_CBL].flatten(0, 1)

    document = torch.where(real_CBL.flatten(0, 1), taken(batch.document_BT), -1)
    h_BLD = trunk(taken(x_BTD), document, taken(batch.position_BT), taken(batch.prompt_BT))
    flat_CBL = (row_B1 * slots + slot_CBL) + torch.arange(copies, device=x_BTD.device)[:, None, None] * rows * slots
    h_SD = h_BLD.new_zeros(copies * rows * slots, h_BLD.shape[-1])
    real_S = real_CBL.flatten()
    h_SD = h_SD.index_put((flat_CBL.flatten()[real_S],), h_BLD.flatten(0, 1)[real_S])
    return h_SD.view(copies, rows * slots, -1)


def repeated(values: Values, copies: int) -> Values:
    """The values of so many copies of a batch, one after the other."""
    count = int(values.value_N.max()) + 1
    return Values(
        value_N=torch.cat([values.value_N + copy * count for copy in range(copies)]),
        coordinate_NA=values.coordinate_NA.repeat(copies, 1),
        may_hide_N=values.may_hide_N.repeat(copies),
    )


def noise_like(x_ND: Tensor) -> Tensor:
    """Normal numbers, drawn on the CPU."""
    return torch.randn(x_ND.shape).to(x_ND.device, x_ND.dtype)
