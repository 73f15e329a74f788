"""Sequences side by side, padded on the right, as tensors. Letters: B rows, T slots, N positions of one modality."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from opengato.core.sequence import TokenSequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Slots:
    """What embeds into a block of slots: `payload[m]` (N, ...) at the flat slots `slot_N[m]`.

    `mask_BT` True = real, `prompt_BT` True = of the instruction, `predict_BT` True = to be predicted.
    """

    payload: dict[str, Tensor]
    slot_N: dict[str, Tensor]
    local_BT: Tensor
    position_BT: Tensor
    prompt_BT: Tensor
    mask_BT: Tensor
    step_BT: Tensor
    predict_BT: Tensor

    @property
    def places(self) -> tuple[Tensor, Tensor, Tensor]:
        """What a trunk asks about slots beside their vectors: document (0, padding -1), position, instruction."""
        return torch.where(self.mask_BT, 0, -1), self.position_BT, self.prompt_BT


def slots_of(sequences: list[TokenSequence], device: torch.device) -> Slots:
    """One row a sequence."""
    rows, width = len(sequences), max(len(sequence) for sequence in sequences)
    local_BT = torch.full((rows, width), -1, dtype=torch.int64)
    position_BT = torch.zeros((rows, width), dtype=torch.int64)
    prompt_BT = torch.zeros((rows, width), dtype=torch.bool)
    mask_BT = torch.zeros((rows, width), dtype=torch.bool)
    step_BT = torch.full((rows, width), -1, dtype=torch.int64)
    predict_BT = torch.zeros((rows, width), dtype=torch.bool)
    payload: dict[str, list[Tensor]] = {}
    slot_N: dict[str, list[Tensor]] = {}
    for row, sequence in enumerate(sequences):
        length = len(sequence)
        local_BT[row, :length] = torch.from_numpy(sequence.local_T)
        position_BT[row, :length] = torch.from_numpy(sequence.position_T)
        prompt_BT[row, :length] = torch.from_numpy(sequence.step_T < 0)
        mask_BT[row, :length] = True
        step_BT[row, :length] = torch.from_numpy(sequence.step_T)
        predict_BT[row, :length] = torch.from_numpy(sequence.predict_T)
        modality_T = torch.from_numpy(sequence.modality_T)
        for index, name in enumerate(sequence.names):
            if name in sequence.payload and len(sequence.payload[name]):
                payload.setdefault(name, []).append(torch.from_numpy(sequence.payload[name]))
                slot_N.setdefault(name, []).append((modality_T == index).nonzero()[:, 0] + row * width)
    return Slots(
        payload={name: torch.cat(parts).to(device) for name, parts in payload.items()},
        slot_N={name: torch.cat(parts).to(device) for name, parts in slot_N.items()},
        local_BT=local_BT.to(device),
        position_BT=position_BT.to(device),
        prompt_BT=prompt_BT.to(device),
        mask_BT=mask_BT.to(device),
        step_BT=step_BT.to(device),
        predict_BT=predict_BT.to(device),
    )
