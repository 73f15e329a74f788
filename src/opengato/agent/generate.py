"""Cached decoding: feed sequences, sample what comes next.

Letters: B rows, T slots, N last positions of each row, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from opengato.agent.slots import slots_of
from opengato.core.backbone import CachedBackbone
from opengato.core.episode import ArraySpec
from opengato.core.modality import Sampling
from opengato.core.sequence import TokenSequence
from opengato.nn.cache import Row
from opengato.nn.graphs import Replayed

if TYPE_CHECKING:
    from opengato.agent.model import Agent


class Decoding:
    """Several sequences of one agent, decoded side by side; row b has its own length and its own past.

    `window` is how many positions a layer sees of it (default: as many as in training). On a GPU passes whose shapes
    come again are CUDA `graphs`.
    """

    def __init__(self, agent: Agent, rows: int, window: int | None = None, *, graphs: bool = True):
        backbone = agent.backbone
        if not isinstance(backbone, CachedBackbone):
            raise ValueError(f"{type(backbone).__name__} cannot decode step by step: it keeps no cache")
        self.agent = agent
        self.backbone = backbone
        self.cache = backbone.new_cache(rows, window)
        self.length = [0] * rows
        self._extend: Callable[..., Tensor] = self._extended
        if graphs and agent.device.type == "cuda" and backbone.recordable:
            self._extend = Replayed(self._extended)

    def reset(self, row: int) -> None:
        """Start a new sequence in `row`."""
        self.cache.reset(row)
        self.length[row] = 0

    def row(self, row: int) -> tuple[int, Row]:
        """What `row` holds: its length, and its part of the cache."""
        return self.length[row], self.cache.row(row)

    def begin_as(self, held: tuple[int, Row]) -> None:
        """Let all rows hold what `row` gave."""
        length, row = held
        self.cache.begin_as(row)
        self.length = [length] * len(self.length)

    def feed(self, rows: list[int], sequences: list[TokenSequence]) -> Tensor:
        """Append a sequence to each row; the hidden state h_BD after the last position of each."""
        return self.feed_for(rows, sequences, 1)[:, 0]

    @torch.inference_mode()
    def feed_for(self, rows: list[int], sequences: list[TokenSequence], count: int) -> Tensor:
        """Append a sequence to each row; the hidden states h_BND after the last `count` positions of each."""
        for row, sequence in zip(rows, sequences, strict=True):
            if len(sequence) == 0 or sequence.position_T[0] != self.length[row]:
                raise ValueError(
                    f"row {row} holds {self.length[row]} positions; received {len(sequence)} that start at "
                    f"{sequence.position_T[0] if len(sequence) else 'nowhere'}"
                )
        for row, sequence in zip(rows, sequences, strict=True):
            self.length[row] += len(sequence)
        limit = self.agent.context
        last_BND = self.agent.local.weight.new_zeros(len(rows), count, self.backbone.width)
        first_B = torch.tensor([len(sequence) - count for sequence in sequences], device=self.agent.device)
        wanted_BN = first_B[:, None] + torch.arange(count, device=self.agent.device)
        # Embedded whole, since an embedder may look at all rows of a value; then read by pieces that the cache takes.
        slots = slots_of(sequences, self.agent.device)
        x_BTD = self.agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
        _, position_BT, prompt_BT, *axes = self.agent.places(slots)
        for start in range(0, x_BTD.shape[1], limit):
            members = [b for b, sequence in enumerate(sequences) if len(sequence) > start]
            piece = (members, slice(start, start + limit))
            rows_B = torch.tensor([rows[b] for b in members], device=self.agent.device)
            places = (position_BT[piece], prompt_BT[piece], slots.mask_BT[piece])
            h_BTD = self._extend(x_BTD[piece], *places, rows_B, *(a[piece] for a in axes))
            here_BN = wanted_BN[members] - start
            within_BN = (here_BN >= 0) & (here_BN < slots.mask_BT[piece].sum(1)[:, None])
            found_BND = h_BTD[torch.arange(len(members))[:, None], here_BN.clamp(0, h_BTD.shape[1] - 1)]
            last_BND[members] = torch.where(within_BN[..., None], found_BND, last_BND[members])
        return last_BND

    def _extended(
        self, x_BTD: Tensor, position_BT: Tensor, prompt_BT: Tensor, mask_BT: Tensor, rows_B: Tensor, *axes: Tensor
    ) -> Tensor:
        return self.backbone.extend(x_BTD, position_BT, prompt_BT, mask_BT, self.cache, rows_B, *axes)

    @torch.inference_mode()
    def sample(
        self, h_BD: Tensor, name: str, spec: ArraySpec, sampling: Sampling, task_B: Tensor | None = None
    ) -> np.ndarray:
        """One payload row of modality `name` for each hidden state: (B, *payload_shape)."""
        read_BD = self.agent.for_head(h_BD, name, task_B)
        return self.agent.modality(name).sample(read_BD, spec, sampling).cpu().numpy()

    @torch.inference_mode()
    def sample_any(self, h_BD: Tensor, name: str, specs: tuple[ArraySpec, ...], sampling: Sampling) -> np.ndarray:
        """The same within what any of several specs allows."""
        read_BD = self.agent.for_head(h_BD, name)
        return self.agent.modality(name).sample_any(read_BD, specs, sampling).cpu().numpy()

    def sequence(self, name: str, row: int, payload: np.ndarray, step: int, local: int = -1) -> TokenSequence:
        """Sampled payload rows (n, ...) as the sequence to feed next into `row`; `local` as `local_T` has it."""
        names = self.agent.config.layout.order
        count = len(payload)
        start = self.length[row]
        return TokenSequence(
            names=names,
            modality_T=np.full(count, names.index(name), np.int16),
            payload={name: payload},
            predict_T=np.zeros(count, bool),
            step_T=np.full(count, step, np.int32),
            local_T=np.full(count, local, np.int32),
            position_T=np.arange(start, start + count, dtype=np.int32),
        )
