"""Heads that name a document's task and what kind of position comes next, and tell the other heads of it.

The classifiers f_task(x) and f_modal(x), and what makes of any head the predictor f_pred(x, t, m).
Letters: N positions, D width, V tasks, M modalities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`told`: whether the other heads hear of task and modality; without it they read x alone, as f_pred(x)."""

    told: bool = True

    def build(self, width: int, tasks: int, modalities: int) -> DecisionHeads:
        return DecisionHeads(self, width, tasks, modalities)


class DecisionHeads(nn.Module):
    """Two linear classifiers of a hidden state x, and a vector for each task and modality that is added to it.

    All begin with zeros: every task is then as likely as any other, and the other heads read x as it is.
    """

    def __init__(self, config: Config, width: int, tasks: int, modalities: int):
        super().__init__()
        self.task_VD = nn.Parameter(torch.zeros(tasks, width))
        self.task_V = nn.Parameter(torch.zeros(tasks))
        self.modality_MD = nn.Parameter(torch.zeros(modalities, width))
        self.modality_M = nn.Parameter(torch.zeros(modalities))
        self.told_task_VD = nn.Parameter(torch.zeros(tasks, width)) if config.told else None
        self.told_modality_MD = nn.Parameter(torch.zeros(modalities, width)) if config.told else None

    def tasks(self, x_ND: Tensor) -> Tensor:
        """f_task: logits (N, V)."""
        return F.linear(x_ND, self.task_VD, self.task_V)

    def modalities(self, x_ND: Tensor) -> Tensor:
        """f_modal: logits (N, M)."""
        return F.linear(x_ND, self.modality_MD, self.modality_M)

    def told(self, x_ND: Tensor, task_N: Tensor | None, modality: int) -> Tensor:
        """What f_pred reads: x + e_t + e_m.

        Where the task is not known (below 0, or None) e_t is the mean of all by what f_task believes.
        """
        if self.told_task_VD is None or self.told_modality_MD is None:
            return x_ND
        share_NV = self.tasks(x_ND).softmax(-1)
        if task_N is not None:
            known_NV = F.one_hot(task_N.clamp(min=0).long(), share_NV.shape[-1]).to(share_NV.dtype)
            share_NV = torch.where(task_N[:, None] >= 0, known_NV, share_NV)
        return x_ND + share_NV.to(x_ND.dtype) @ self.told_task_VD + self.told_modality_MD[modality]
