"""Packed batches: many documents in rows without padding worth naming.

Letters: B rows, T slots of a row, N positions of one modality in the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedBatch:
    """What the agent trains on; it loops over `payload` and never asks what a modality is.

    `payload[m]` (N, ...) rows of modality m; `slot_N[m]` their flat slots b * T + t; `predict_N[m]` True where the row
    is a target, predicted from the slot before. `document_BT` numbers the documents of a row from 0, -1 is padding;
    `position_BT` is the absolute place in the document's episode, `local_BT` the place within a step's observation
    (below 0 elsewhere, as in `TokenSequence`), `prompt_BT` True on the instruction. `half_BT` is below 0 but on
    documents that make a pair: halves 2 k and 2 k + 1 belong together. `step_BT` is the step in the document's episode,
    for trunks that ask (`AxialBackbone`). `task_BT` is the number of the document's task in the list that the mixture
    was given, below 0 where it has none. Construction counts: every slot that is not padding holds exactly one row.
    """

    payload: dict[str, Tensor]
    slot_N: dict[str, Tensor]
    predict_N: dict[str, Tensor]
    document_BT: Tensor
    position_BT: Tensor
    local_BT: Tensor
    prompt_BT: Tensor
    source_BT: Tensor | None = None
    half_BT: Tensor | None = None
    step_BT: Tensor | None = None
    task_BT: Tensor | None = None

    def __post_init__(self) -> None:
        if self.document_BT.is_cuda:  # checked where it was made; looking again would wait for the device
            return
        # In numpy: torch would wake its threads for each of these small steps.
        slots = self.document_BT.shape[1]
        document = self.document_BT.numpy().reshape(-1)
        filled = np.zeros(document.size, np.int64)
        for name, slot_N in self.slot_N.items():
            if not len(self.payload[name]) == len(slot_N) == len(self.predict_N[name]):
                raise ValueError(
                    f"{name!r}: payload has {len(self.payload[name])} rows, slot_N {len(slot_N)}, "
                    f"predict_N {len(self.predict_N[name])}"
                )
            slot = slot_N.numpy()
            filled += np.bincount(slot, minlength=document.size)
            target = slot[self.predict_N[name].numpy()]
            if (target % slots == 0).any() or (document[target] != document[target - 1]).any():
                raise ValueError(
                    f"{name!r}: a target opens its document, so nothing comes before it to predict it from"
                )
        wanted = document >= 0
        if not np.array_equal(filled, wanted):
            counts = ", ".join(f"{name}={len(slot)}" for name, slot in self.slot_N.items())
            raise ValueError(
                f"{int(wanted.sum())} slots hold a document but modalities fill {int(filled.sum())}: {counts}; "
                f"{int((filled > 1).sum())} slots are filled twice"
            )

    @property
    def places(self) -> tuple[Tensor, Tensor, Tensor]:
        """What any trunk asks about slots beside their vectors: document, position, instruction."""
        return self.document_BT, self.position_BT, self.prompt_BT

    @property
    def num_positions(self) -> int:
        """Slots that are not padding."""
        return int((self.document_BT >= 0).sum())

    def split(self, parts: int) -> list[PackedBatch]:
        """Runs of rows, as equal as may be, as batches of their own; joined in order they are this batch."""
        rows = len(self.document_BT)
        if not 1 <= parts <= rows:
            raise ValueError(f"a batch of {rows} rows can be split into 1 to {rows} parts, not into {parts}")
        if parts == 1:
            return [self]
        return [self._run(first, last) for first, last in pairwise(rows * part // parts for part in range(parts + 1))]

    def _run(self, first: int, last: int) -> PackedBatch:
        """Rows `first` to `last` (without it)."""
        slots = self.document_BT.shape[1]
        mine = {name: (slot_N >= first * slots) & (slot_N < last * slots) for name, slot_N in self.slot_N.items()}
        mine = {name: mask_N for name, mask_N in mine.items() if mask_N.any()}
        return replace(
            self,
            payload={name: self.payload[name][mask_N] for name, mask_N in mine.items()},
            slot_N={name: self.slot_N[name][mask_N] - first * slots for name, mask_N in mine.items()},
            predict_N={name: self.predict_N[name][mask_N] for name, mask_N in mine.items()},
            document_BT=self.document_BT[first:last],
            position_BT=self.position_BT[first:last],
            local_BT=self.local_BT[first:last],
            prompt_BT=self.prompt_BT[first:last],
            source_BT=None if self.source_BT is None else self.source_BT[first:last],
            half_BT=None if self.half_BT is None else self.half_BT[first:last],
            step_BT=None if self.step_BT is None else self.step_BT[first:last],
            task_BT=None if self.task_BT is None else self.task_BT[first:last],
        )

    def to(self, device: torch.device | str) -> PackedBatch:
        """The same batch on another device (itself, if it is there already)."""
        if self.document_BT.device == torch.device(device):
            return self

        def move(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}

        return replace(
            self,
            payload=move(self.payload),
            slot_N=move(self.slot_N),
            predict_N=move(self.predict_N),
            document_BT=self.document_BT.to(device),
            position_BT=self.position_BT.to(device),
            local_BT=self.local_BT.to(device),
            prompt_BT=self.prompt_BT.to(device),
            source_BT=None if self.source_BT is None else self.source_BT.to(device),
            half_BT=None if self.half_BT is None else self.half_BT.to(device),
            step_BT=None if self.step_BT is None else self.step_BT.to(device),
            task_BT=None if self.task_BT is None else self.task_BT.to(device),
        )
