"""What published encoders have on top. Letters: B rows, T slots, D width, V classes or ids."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from opengato.nn.encoders import TextEncoder
from opengato.nn.layers import ACTIVATIONS


class Encoded(nn.Module):
    """An encoder, and what becomes of its states; without a head, the states."""

    def __init__(self, encoder: nn.Module, head: nn.Module | None = None):
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, *given: Any, **more: Any) -> Tensor:
        """With the arguments of the encoder."""
        states_BTD = self.encoder(*given, **more)
        return states_BTD if self.head is None else self.head(states_BTD)


class FirstHead(nn.Module):
    """Classes (B, V) by the state of the first slot."""

    def __init__(self, width: int, num_classes: int):
        super().__init__()
        self.linear = nn.Linear(width, num_classes)

    def forward(self, states_BTD: Tensor) -> Tensor:
        return self.linear(states_BTD[:, 0])


class DenseHead(nn.Module):
    """The same through a layer with tanh."""

    def __init__(self, width: int, num_classes: int):
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.linear = nn.Linear(width, num_classes)

    def forward(self, states_BTD: Tensor) -> Tensor:
        return self.linear(self.dense(states_BTD[:, 0]).tanh())


class MeanHead(nn.Module):
    """Classes by the mean of all states but the first, normed."""

    def __init__(self, width: int, num_classes: int, epsilon: float):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.linear = nn.Linear(width, num_classes)

    def forward(self, states_BTD: Tensor) -> Tensor:
        return self.linear(self.norm(states_BTD[:, 1:].mean(1)))


class SlotHead(nn.Module):
    """Scores (B, T, V) of each slot by itself, such as those of letters for CTC."""

    def __init__(self, width: int, num_ids: int):
        super().__init__()
        self.linear = nn.Linear(width, num_ids)

    def forward(self, states_BTD: Tensor) -> Tensor:
        return self.linear(states_BTD)


class MaskedText(nn.Module):
    """Scores (B, T, V) of ids by the encoder's own table, after a layer with a norm."""

    def __init__(self, encoder: TextEncoder):
        super().__init__()
        width, epsilon = encoder.config.layer.width, encoder.config.layer.epsilon
        self.encoder = encoder
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.bias = nn.Parameter(torch.zeros(encoder.config.num_ids))

    def forward(self, ids_BT: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        h_BTD = self.norm(ACTIVATIONS["gelu"](self.dense(self.encoder(ids_BT, mask_BT))))
        return h_BTD @ self.encoder.table.weight.T + self.bias
