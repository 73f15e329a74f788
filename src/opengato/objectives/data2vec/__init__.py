"""data2vec: what a teacher, who follows the network, makes of the whole input is to be told where it is hidden.

`efficient` is data2vec 2.0. [Baevski et al. 2022, arXiv:2202.03555]. Letters: S all slots of a batch, N rows of one
modality, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from opengato.core.batch import PackedBatch
from opengato.objectives.data2vec.regression import Guard, Regression, head, mean_of
from opengato.objectives.data2vec.taught import Taught
from opengato.objectives.data2vec.teacher import Teacher, Teaching
from opengato.objectives.hiding import Hiding, blanks


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """What is hidden, what is to be told of it, and how far off that may be; a head of `head_layers` a modality."""

    hiding: Hiding = field(default_factory=Hiding)
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
        self.blanks = blanks(agent)


class Data2vec(Taught):
    """Loss = mean over hidden rows of what the prediction is off the teacher's target."""

    config: Config
    beside: Beside

    def __init__(self, config: Config):
        self.config = config

    def begin(self, agent: Any) -> nn.Module:
        self.config.hiding.check(agent)
        self.beside = Beside(self.config, agent)
        return self.beside

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        config, teacher = self.config, self.beside.teacher
        places = batch.document_BT, batch.position_BT, batch.prompt_BT
        vectors, values = agent.vectors(batch.payload), config.hiding.values(agent, batch)
        targets = teacher.targets(agent, batch, vectors, values)
        hidden = config.hiding.draw(values)
        shown = config.hiding.cover(agent, batch, vectors, hidden, self.beside.blanks)
        h_SD = agent.backbone(agent.in_slots(shown, batch.slot_N, batch.local_BT), *places).flatten(0, 1)
        losses, figures = {}, {}
        for name, hidden_N in hidden.items():
            told_ND = self.beside.heads[name](h_SD[batch.slot_N[name][hidden_N]])
            losses[name] = config.regression(told_ND, targets[name][hidden_N])
            figures |= config.guard.figures(int(teacher.updates), name, told_ND, targets[name][hidden_N])
        loss, of_each = mean_of(losses, h_SD.device)
        return loss, {**of_each, **figures, "hidden": sum(map(len, losses.values())) / max(1, self.terms(batch))}
