"""data2vec: what a teacher, who follows the network, makes of the whole input is to be told where it is hidden.

[Baevski et al. 2022, arXiv:2202.03555]. Letters: S all slots of a batch, N rows of one modality, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from opengato.core.batch import PackedBatch
from opengato.core.config import choose
from opengato.core.objective import Objective
from opengato.objectives.data2vec.regression import Guard, Regression, head, mean_of, spread_of
from opengato.objectives.data2vec.teacher import Teacher, Teaching
from opengato.objectives.masks import Mask, Tokens
from opengato.objectives.values import Values, values_of

BLANK = 0.3  # deviation of the vector that stands for what is hidden: as large as what embedders give


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`masks[modality]` says what is hidden of it; `mask` what of those that are not named there (None: nothing).

    A head of `head_layers` for each modality tells what is hidden.
    """

    masks: dict[str, Any] = field(default_factory=dict)
    mask: Any = field(default_factory=Tokens)
    teaching: Teaching = field(default_factory=lambda: Teaching(top=1))
    regression: Regression = field(default_factory=Regression)
    guard: Guard = field(default_factory=Guard)
    head_layers: int = 1

    def build(self) -> Data2vec:
        return Data2vec(self)


class Beside(nn.Module):
    """What the objective has of its own: the teacher, a head for each modality, the vector that hides its rows."""

    def __init__(self, config: Config, agent: Any):
        super().__init__()
        width = agent.backbone.width
        self.teacher = Teacher(config.teaching, agent.backbone)
        self.heads = nn.ModuleDict({name: head(width, config.head_layers) for name in agent.config.modalities})
        self.blanks = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(width) * BLANK) for name in agent.config.modalities}
        )


class Data2vec(Objective):
    """Loss = mean over hidden rows of what the prediction is off the teacher's target."""

    causal: ClassVar[bool | None] = False
    beside: Beside

    def __init__(self, config: Config):
        self.config = config

    def begin(self, agent: Any) -> nn.Module:
        for name in self.config.masks:
            choose(name, agent.config.modalities, what="modality in `masks`")
        self.beside = Beside(self.config, agent)
        return self.beside

    def mask_of(self, name: str) -> Mask | None:
        return self.config.masks.get(name, self.config.mask)

    def terms(self, batch: PackedBatch) -> int:
        """Rows that may be hidden, of which a mask draws its share."""
        told_S = batch.prompt_BT.flatten()
        return sum(
            int((~told_S[slot_N]).sum()) for name, slot_N in batch.slot_N.items() if self.mask_of(name) is not None
        )

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        places = batch.document_BT, batch.position_BT, batch.prompt_BT
        vectors = agent.vectors(batch.payload)
        values = {name: values_of(agent, batch, name) for name in vectors if self.mask_of(name) is not None}
        whole = {name: x_ND.detach() for name, x_ND in vectors.items()}
        targets = self.beside.teacher.targets(
            agent.in_slots(whole, batch.slot_N, batch.local_BT).detach(),
            places,
            {name: (batch.slot_N[name], found) for name, found in values.items()},
        )
        hidden = {name: self._drawn(name, found) for name, found in values.items()}
        shown = {name: self._covered(agent, batch, name, x_ND, hidden.get(name)) for name, x_ND in vectors.items()}
        h_SD = agent.backbone(agent.in_slots(shown, batch.slot_N, batch.local_BT), *places).flatten(0, 1)
        losses, figures = {}, {}
        for name, hidden_N in hidden.items():
            told_ND = self.beside.heads[name](h_SD[batch.slot_N[name][hidden_N]])
            losses[name] = self.config.regression(told_ND, targets[name][hidden_N])
            figures |= self._spreads(name, told_ND, targets[name][hidden_N])
        loss, of_each = mean_of(losses, h_SD.device)
        return loss, {**of_each, **figures, "hidden": sum(map(len, losses.values())) / max(1, self.terms(batch))}

    def stepped(self, agent: Any) -> dict[str, float]:
        return {"decay": self.beside.teacher.follow(agent.backbone)}

    def _drawn(self, name: str, values: Values) -> Tensor:
        mask = self.mask_of(name)
        assert mask is not None
        return mask.draw(values) & values.may_hide_N

    def _covered(self, agent: Any, batch: PackedBatch, name: str, x_ND: Tensor, hidden_N: Tensor | None) -> Tensor:
        """Vectors of a modality as the student sees them: where hidden, a blank at its place, or what disguises it."""
        mask = self.mask_of(name)
        if hidden_N is None or mask is None:
            return x_ND
        blank_ND = self.beside.blanks[name].to(x_ND.dtype).expand_as(x_ND)
        places_ND = agent.modality(name).places(batch.payload[name])
        if places_ND is not None:
            blank_ND = blank_ND + places_ND.to(x_ND.dtype)
        kept, changed = mask.disguises()
        if kept or changed:
            lot_N = torch.rand(len(x_ND)).to(x_ND.device)[:, None]
            other_N = torch.randint(len(x_ND), (len(x_ND),)).to(x_ND.device)
            blank_ND = torch.where(lot_N < kept + changed, x_ND[other_N], blank_ND)
            blank_ND = torch.where(lot_N < kept, x_ND, blank_ND)
        return torch.where(hidden_N[:, None], blank_ND, x_ND)

    def _spreads(self, name: str, told_ND: Tensor, target_ND: Tensor) -> dict[str, float]:
        """How much rows differ, in targets and in predictions; RuntimeError if all have become one."""
        if len(told_ND) < 2:
            return {}
        target, prediction = spread_of(target_ND), spread_of(told_ND)
        self.config.guard.check(int(self.beside.teacher.updates), name, target, prediction)
        return {f"spread/target/{name}": target, f"spread/prediction/{name}": prediction}
