"""Documents into rows, and rows into a `PackedBatch`.

Letters: B rows, T slots of a row, N positions of one modality, D documents, M positions of all documents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from opengato.core.batch import PackedBatch
from opengato.data.documents import Document, split_steps

PADDING = -1


class Rows:
    """Rows of `length` slots that documents are put into."""

    def __init__(self, num_rows: int, length: int):
        self.length = length
        self.documents: list[list[Document]] = [[] for _ in range(num_rows)]
        self.room = [length] * num_rows

    def put(self, row: int, document: Document) -> None:
        if len(document) > self.room[row]:
            raise ValueError(
                f"a document of {len(document)} positions does not fit row {row}: {self.room[row]} are left"
            )
        self.documents[row].append(document)
        self.room[row] -= len(document)

    def best(self, size: int) -> int | None:
        """The fullest row with room for `size` positions."""
        fitting = [row for row, room in enumerate(self.room) if room >= size]
        return min(fitting, key=self.room.__getitem__, default=None)

    def place(self, documents: list[Document]) -> int:
        """Best fit, longest first; what fits nowhere is split between steps. Returns the positions that found no room.

        No document is drawn again because it is long, so the rows hold documents of all lengths as they were drawn.
        """
        left = []
        for document in sorted(documents, key=len, reverse=True):
            row = self.best(len(document))
            if row is None:
                left.append(document)
            else:
                self.put(row, document)
        return sum(self._place_in_pieces(document) for document in left)

    def _place_in_pieces(self, document: Document) -> int:
        while True:
            row = self.best(len(document))
            if row is not None:
                self.put(row, document)
                return 0
            row = max(range(len(self.room)), key=self.room.__getitem__)
            pieces = split_steps(document.sequence, self.room[row])
            if pieces is None:
                return len(document)
            first, rest = (replace(document, sequence=piece) for piece in pieces)
            self.put(row, first)
            document = rest


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedGroup:
    """The arrays of a `PackedBatch` in numpy; `source_BT`, `half_BT` and `task_BT` are -1 for padding."""

    payload: dict[str, np.ndarray]
    slot_N: dict[str, np.ndarray]
    predict_N: dict[str, np.ndarray]
    document_BT: np.ndarray
    position_BT: np.ndarray
    local_BT: np.ndarray
    prompt_BT: np.ndarray
    source_BT: np.ndarray
    half_BT: np.ndarray
    step_BT: np.ndarray
    task_BT: np.ndarray


def pack(rows: list[list[Document]], length: int) -> PackedGroup:
    """Rows of documents as arrays; slots ascend within each modality. ValueError if a row is too long."""
    documents = [document for row in rows for document in row]
    row_D = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    if not documents:
        raise ValueError("no documents to pack")
    sequences = [document.sequence for document in documents]
    names = sequences[0].names
    size_D = np.array([len(sequence) for sequence in sequences])
    used_B = np.bincount(row_D, weights=size_D, minlength=len(rows)).astype(np.int64)
    if used_B.max() > length:
        raise ValueError(f"row {int(used_B.argmax())} holds {int(used_B.max())} positions, expected at most {length}")
    shift_B = np.arange(len(rows)) * length - (np.cumsum(used_B) - used_B)
    slot_M = np.arange(size_D.sum()) + np.repeat(shift_B[row_D], size_D)
    modality_M = np.concatenate([sequence.modality_T for sequence in sequences])
    predict_M = np.concatenate([sequence.predict_T for sequence in sequences])

    def spread(values_M: np.ndarray, empty: int) -> np.ndarray:
        grid = np.full(len(rows) * length, empty, np.int64)
        grid[slot_M] = values_M
        return grid.reshape(len(rows), length)

    payload, slot_N, predict_N = {}, {}, {}
    for index, name in enumerate(names):
        mask_M = modality_M == index
        if mask_M.any():
            parts = [sequence.payload[name] for sequence in sequences if name in sequence.payload]
            payload[name] = np.concatenate([part for part in parts if len(part)])
            slot_N[name], predict_N[name] = slot_M[mask_M], predict_M[mask_M]
    number_D = np.concatenate([np.arange(len(row)) for row in rows])
    return PackedGroup(
        payload=payload,
        slot_N=slot_N,
        predict_N=predict_N,
        document_BT=spread(np.repeat(number_D, size_D), PADDING),
        position_BT=spread(np.concatenate([sequence.position_T for sequence in sequences]), 0),
        local_BT=spread(np.concatenate([sequence.local_T for sequence in sequences]), -1),
        prompt_BT=spread(np.concatenate([sequence.step_T < 0 for sequence in sequences]), 0) > 0,
        source_BT=spread(np.repeat([document.source for document in documents], size_D), PADDING),
        half_BT=spread(np.repeat([document.half for document in documents], size_D), PADDING),
        step_BT=spread(np.concatenate([sequence.step_T for sequence in sequences]), -1),
        task_BT=spread(np.repeat([document.task for document in documents], size_D), PADDING),
    )


def collate(groups: list[PackedGroup]) -> PackedBatch:
    """Groups below one another as a batch of torch tensors; payloads keep the dtype of their codec."""
    slots = groups[0].document_BT.size
    names = list(dict.fromkeys(name for group in groups for name in group.payload))

    def join(field: str, name: str) -> torch.Tensor:
        parts = [getattr(group, field)[name] for group in groups if name in group.payload]
        return torch.from_numpy(np.concatenate(parts))

    def stack(field: str) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([getattr(group, field) for group in groups]))

    slot_N = {}
    for name in names:
        parts = [group.slot_N[name] + g * slots for g, group in enumerate(groups) if name in group.payload]
        slot_N[name] = torch.from_numpy(np.concatenate(parts))
    return PackedBatch(
        payload={name: join("payload", name) for name in names},
        slot_N=slot_N,
        predict_N={name: join("predict_N", name) for name in names},
        document_BT=stack("document_BT"),
        position_BT=stack("position_BT"),
        local_BT=stack("local_BT"),
        prompt_BT=stack("prompt_BT"),
        source_BT=stack("source_BT"),
        half_BT=torch.from_numpy(_numbered_on([group.half_BT for group in groups])),
        step_BT=stack("step_BT"),
        task_BT=stack("task_BT"),
    )


def _numbered_on(halves: list[np.ndarray]) -> np.ndarray:
    """The halves of pairs of several groups, so that each group's pairs have numbers of their own."""
    numbered, first = [], 0
    for half_BT in halves:
        numbered.append(np.where(half_BT >= 0, half_BT + first, PADDING))
        first += (int(half_BT.max()) // 2 + 1) * 2
    return np.concatenate(numbered)


def pack_documents(documents: list[Document], length: int) -> PackedBatch:
    """One document per row, for looking at and for tests; ValueError if one is longer than `length`."""
    return collate([pack([[document] for document in documents], length)])


def fill(batch: PackedBatch) -> float:
    """The share of slots that is not padding."""
    return batch.num_positions / batch.document_BT.numel()


def position_shares(batch: PackedBatch, names: tuple[str, ...]) -> dict[str, float]:
    """The share of positions of each source, by its name."""
    if batch.source_BT is None:
        raise ValueError("the batch does not know its sources: `source_BT` is None")
    source = batch.source_BT[batch.source_BT >= 0]
    counts = torch.bincount(source, minlength=len(names)).tolist()
    return {name: count / max(1, len(source)) for name, count in zip(names, counts, strict=True)}
