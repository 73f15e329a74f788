"""Masked modelling: what is hidden is told where it stands, by the heads that otherwise tell what comes next.

[Devlin et al. 2018, arXiv:1810.04805, sec. 3.1]. With spans for a mask it is that of [Joshi et al. 2019,
arXiv:1907.10529]; of a picture and its text in one observation (`Rules.shown`) it is masked language modelling with a
picture, and of questions whether two things belong together (`Rules.matched`, `Rules.followed`), matching of pictures
with texts and of sentences with the next. Letters: B rows, T slots, S all slots of a batch, N rows of one modality, D
width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from opengato.core.batch import PackedBatch
from opengato.core.modality import Modality
from opengato.core.objective import Objective
from opengato.objectives.hiding import Hiding, blanks
from opengato.objectives.masks import Tokens
from opengato.objectives.prediction import mean_loss


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """What is hidden, of modalities that have a head; `weights[modality]` as in `next_token`.

    What is written or done after something was observed is an answer, and always hidden.
    """

    hiding: Hiding = field(default_factory=lambda: Hiding(others=Tokens(share=0.15, kept=0.1, changed=0.1)))
    weights: dict[str, float] = field(default_factory=dict)

    def build(self) -> Masked:
        return Masked(self)


class Beside(nn.Module):
    """What the objective has of its own: the vectors that hide rows."""

    def __init__(self, agent: Any):
        super().__init__()
        self.blanks = blanks(agent)


class Masked(Objective):
    """Loss = sum over hidden rows of weight * NLL / number of hidden rows."""

    causal: ClassVar[bool | None] = False
    beside: Beside
    told: frozenset[str]

    def __init__(self, config: Config):
        self.config = config

    def begin(self, agent: Any) -> nn.Module:
        self.config.hiding.check(agent)
        names = agent.config.modalities
        headless = {name for name in names if type(agent.modality(name)).loss is Modality.loss}
        if wrong := sorted(headless & {name for name, mask in self.config.hiding.masks.items() if mask}):
            raise ValueError(f"{wrong} have a mask, but no head that could tell what is hidden; give them None")
        self.told = frozenset(names) - headless
        self.beside = Beside(agent)
        return self.beside

    def terms(self, batch: PackedBatch) -> int:
        """Rows that may be hidden, of which masks draw their shares."""
        told_S = batch.prompt_BT.flatten()
        return sum(int((~told_S[slot_N]).sum()) for name, slot_N in batch.slot_N.items() if name in self.told)

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        vectors, values = agent.vectors(batch.payload), self.config.hiding.values(agent, batch)
        drawn = self.config.hiding.draw({name: found for name, found in values.items() if name in self.told})
        hidden = {name: drawn[name] & ~is_N for name, is_N in answers(batch, drawn).items()}
        shown = self.config.hiding.cover(agent, batch, vectors, hidden, self.beside.blanks)
        for name, is_N in answers(batch, [n for n in vectors if n in self.told]).items():
            blank_D = self.beside.blanks[name].to(shown[name].dtype)
            shown[name] = torch.where(is_N[:, None], blank_D, shown[name])
            hidden[name] = hidden[name] | is_N if name in hidden else is_N
        places = batch.document_BT, batch.position_BT, batch.prompt_BT
        h_SD = agent.backbone(agent.in_slots(shown, batch.slot_N, batch.local_BT), *places).flatten(0, 1)
        losses = {
            name: agent.modality(name).loss(h_SD[batch.slot_N[name][hidden_N]], batch.payload[name][hidden_N])
            for name, hidden_N in hidden.items()
        }
        return mean_loss(losses, self.config.weights)


def answers(batch: PackedBatch, names: Mapping[str, Any] | list[str]) -> dict[str, Tensor]:
    """The rows (N,) that are predicted in documents in which something is observed, by modality."""
    document_BT = batch.document_BT.long()
    seen_BT = (batch.local_BT >= 0) & (document_BT >= 0)
    # How often each document of a row is observed; padding counts in a place of its own.
    count_BT = torch.zeros(len(document_BT), int(document_BT.max()) + 2, device=document_BT.device)
    count_BT.scatter_add_(1, document_BT + 1, seen_BT.float())
    observed_S = count_BT.gather(1, document_BT + 1).flatten() > 0
    return {name: batch.predict_N[name] & observed_S[batch.slot_N[name]] for name in names}
