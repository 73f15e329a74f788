"""How far predictions are from targets, and whether all of either have become one.

Letters: N hidden rows, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.core.config import choose

Scale = Literal["sum", "root", "mean"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Regression:
    """Smooth L1, d^2 / (2 beta) up to |d| = beta and |d| - beta / 2 beyond; d^2 where `beta` is 0.

    Of a row it is the sum over its features, as it is ("sum"), over sqrt(D) ("root") or over D ("mean").
    """

    beta: float = 2.0
    scale: Scale = "mean"

    def __post_init__(self) -> None:
        choose(self.scale, get_args(Scale), what="scale of the loss")
        if not self.beta >= 0:
            raise ValueError(f"`beta` is {self.beta}, expected 0 or more")

    def __call__(self, prediction_ND: Tensor, target_ND: Tensor) -> Tensor:
        """The loss of each row (N,)."""
        prediction_ND, target_ND = prediction_ND.float(), target_ND.float()
        if self.beta == 0:
            loss_ND = F.mse_loss(prediction_ND, target_ND, reduction="none")
        else:
            loss_ND = F.smooth_l1_loss(prediction_ND, target_ND, reduction="none", beta=self.beta)
        width = loss_ND.shape[1]
        return loss_ND.sum(1) * {"sum": 1.0, "root": width**-0.5, "mean": 1 / width}[self.scale]


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """From `after` updates on, rows of a batch must differ: by `target` in what is told of them, by `prediction`.

    Counted is the standard deviation of a feature over rows, and of those the mean over features.
    """

    after: int = 5000
    target: float = 0.1
    prediction: float = 0.01

    def figures(self, updates: int, name: str, told_ND: Tensor, target_ND: Tensor) -> dict[str, float]:
        """How much rows of a modality differ, in what is predicted and in targets; RuntimeError if all became one."""
        if len(told_ND) < 2:
            return {}
        target, prediction = spread_of(target_ND), spread_of(told_ND)
        if updates < self.after or (target >= self.target and prediction >= self.prediction):
            return {f"spread/target/{name}": target, f"spread/prediction/{name}": prediction}
        raise RuntimeError(
            f"after {updates} updates the network says nearly the same of every row of {name!r}: targets differ by "
            f"{target:.3g} (at least {self.target:g}), predictions by {prediction:.3g} (at least {self.prediction:g}). "
            "It has collapsed, and going on is of no use. Begin anew with a lower rate or a longer warm-up, a larger "
            "`teaching.ema.start`, or `teaching.norm=instance` where neighbours are alike, as in sounds"
        )


def spread_of(x_ND: Tensor) -> float:
    """The mean over features of the standard deviation over rows; two rows at least."""
    return float((x_ND.detach().float().var(0) + 1e-6).sqrt().mean())


def head(width: int, layers: int) -> nn.Module:
    """One linear layer; or two, twice as wide between them, with GELU."""
    if layers not in (1, 2):
        raise ValueError(f"`head_layers` is {layers}, expected 1 or 2")
    if layers == 1:
        return nn.Linear(width, width)
    return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def mean_of(losses: dict[str, Tensor], device: torch.device) -> tuple[Tensor, dict[str, float]]:
    """The mean over all rows of all modalities, and that of each."""
    total = sum(len(loss_N) for loss_N in losses.values())
    if not total:
        return torch.zeros((), device=device, requires_grad=True), {}
    loss = torch.cat(list(losses.values())).mean()
    return loss, {f"loss/{name}": float(loss_N.detach().mean()) for name, loss_N in losses.items() if len(loss_N)}
