"""Next-token prediction in which each task, or each modality, has a weight that is learnt.

`uncertainty`: the weight is the inverse of the noise that the network sees in a task [Kendall et al. 2018,
arXiv:1705.07115, sec. 3.3]. `gradnorm`: weights for which all tasks pull equally hard on the last shared layer, those
that learn more slowly harder [Chen et al. 2018, arXiv:1711.02257, alg. 1]. `equal`: all weights stay 1.
Letters: B rows, T slots, D width, K tasks or modalities, N predicted rows, W weights of the last shared layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective
from opengato.objectives.prediction import with_costs

By = Literal["modality", "task"]
Weighing = Literal["uncertainty", "gradnorm", "equal"]
LEAST = 1e-3  # a weight of GradNorm: the paper has no bound, but below 0 a task would be unlearnt


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """What has a weight, and how it is found; `asymmetry` is GradNorm's alpha: how much harder slow ones pull."""

    by: By = "modality"
    weighing: Weighing = "uncertainty"
    asymmetry: float = 1.5

    def __post_init__(self) -> None:
        if self.by not in get_args(By) or self.weighing not in get_args(Weighing):
            raise ValueError(
                f"received by={self.by!r}, weighing={self.weighing!r}; expected one of {get_args(By)} and one of "
                f"{get_args(Weighing)}"
            )

    def build(self) -> Balanced:
        return Balanced(self)


class Beside(nn.Module):
    """What is learnt of each task: log sigma^2, or GradNorm's weight with the loss that it had at first (0: none yet).

    The last place is that of rows whose task has no number.
    """

    def __init__(self, count: int):
        super().__init__()
        self.log_variance_K = nn.Parameter(torch.zeros(count))
        self.weight_K = nn.Parameter(torch.ones(count))
        self.register_buffer("first_K", torch.zeros(count))
        self.first_K: Tensor


class Balanced(Objective):
    """Loss = mean of the losses of the tasks in a batch, weighted; that of a task is the mean NLL of its rows."""

    causal: ClassVar[bool | None] = True
    beside: Beside

    def __init__(self, config: Config):
        self.config = config

    @property
    def names_tasks(self) -> bool:
        return self.config.by == "task"

    def begin(self, agent: Any) -> nn.Module:
        if self.config.weighing == "gradnorm" and not agent.backbone.final_parameters():
            raise ValueError(
                f"{type(agent.backbone).__name__} names no last layer that all share, which GradNorm looks at; choose "
                "`weighing` uncertainty, or a trunk with `final_parameters`"
            )
        names = agent.config.tasks if self.config.by == "task" else agent.config.modalities
        self.beside = Beside(len(names) + 1)
        trained = {"uncertainty": self.beside.log_variance_K, "gradnorm": self.beside.weight_K}
        for parameter in self.beside.parameters():
            parameter.requires_grad_(parameter is trained.get(self.config.weighing))
        return self.beside

    def terms(self, batch: PackedBatch) -> float:
        """Tasks in the batch."""
        return float(len(self._numbers(batch, sorted(batch.payload)).unique()))

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        h_BTD, costs = agent.with_costs(batch)
        losses = agent.losses_of(h_BTD, batch)
        if not losses:
            raise ValueError("this batch predicts nothing: every position is an observation or an instruction")
        order = list(agent.config.modalities)
        number_N = self._numbers(batch, order, list(losses))
        present_K, place_N = number_N.unique(return_inverse=True)
        loss_N = torch.cat(list(losses.values()))
        sum_K = loss_N.new_zeros(len(present_K)).index_add(0, place_N, loss_N)
        loss_K = sum_K / torch.bincount(place_N)
        figures = {f"loss/{name}": float(found.detach().mean()) for name, found in losses.items()}
        names = [*(agent.config.tasks if self.config.by == "task" else order), "others"]
        if self.config.weighing == "uncertainty":
            log_variance_K = self.beside.log_variance_K[present_K]
            total, weight_K = uncertain(loss_K, log_variance_K), (-log_variance_K).exp()
        elif self.config.weighing == "gradnorm":
            weight_K = self.beside.weight_K[present_K]
            total = (weight_K.detach() * loss_K).mean() + self._pull(agent, loss_K, weight_K, present_K)
        else:
            total, weight_K = loss_K.mean(), torch.ones_like(loss_K)
        weights = zip(present_K.tolist(), weight_K.detach().tolist(), strict=True)
        figures |= {f"weight/{names[number]}": weight for number, weight in weights}
        return with_costs(total, figures, costs)

    def stepped(self, agent: Any) -> dict[str, float]:
        """GradNorm's weights sum to their number again (alg. 1, last line)."""
        if self.config.weighing == "gradnorm":
            with torch.no_grad():
                self.beside.weight_K.clamp_(min=LEAST)
                self.beside.weight_K.mul_(len(self.beside.weight_K) / self.beside.weight_K.sum())
        return {}

    def _numbers(self, batch: PackedBatch, order: Sequence[str], names: Sequence[str] = ()) -> Tensor:
        """The number (N,) of the task or modality of each predicted row, modality by modality."""
        found = []
        for name in names or order:
            slot_N = batch.slot_N[name][batch.predict_N[name]]
            if self.config.by == "modality":
                found.append(torch.full_like(slot_N, order.index(name)))
            elif batch.task_BT is None:
                raise ValueError("this batch does not know its tasks: give its mixture `tasks`")
            else:
                number_N = batch.task_BT.flatten()[slot_N]
                found.append(torch.where(number_N < 0, len(self.beside.weight_K) - 1, number_N))
        return torch.cat(found)

    def _pull(self, agent: Any, loss_K: Tensor, weight_K: Tensor, present_K: Tensor) -> Tensor:
        """0, with GradNorm's gradient on the weights alone."""
        with torch.no_grad():
            first_K = self.beside.first_K
            first_K[present_K] = torch.where(first_K[present_K] == 0, loss_K.detach(), first_K[present_K])
        shared = agent.backbone.final_parameters()
        norms = []
        for loss in loss_K:
            found = torch.autograd.grad(loss, shared, retain_graph=True, materialize_grads=True)
            norms.append(torch.cat([part.flatten() for part in found]).norm())
        pull = gradnorm(torch.stack(norms), weight_K, loss_K.detach() / first_K[present_K], self.config.asymmetry)
        return pull - pull.detach()


def uncertain(loss_K: Tensor, log_variance_K: Tensor) -> Tensor:
    """The mean of L_k / sigma_k^2 + log sigma_k, Kendall's likelihood of classes."""
    return ((-log_variance_K).exp() * loss_K + log_variance_K / 2).mean()


def gradnorm(norm_K: Tensor, weight_K: Tensor, ratio_K: Tensor, asymmetry: float) -> Tensor:
    """sum_k |G_k - mean(G) r_k^asymmetry| with G_k = w_k ||grad_W L_k|| and r_k = ratio_k / mean(ratio).

    Of a loss and the one that it was at first, `ratio_K` is the quotient; the targets count as constant.
    """
    pull_K = weight_K * norm_K.detach()
    target_K = pull_K.mean() * (ratio_K / ratio_K.mean()) ** asymmetry
    return (pull_K - target_K.detach()).abs().sum()
