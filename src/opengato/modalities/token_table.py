"""Ids in a table tied to the output head: the modality of every codec whose row is one id.

Gato embeds and predicts all its tokens so [Reed et al. 2022, arXiv:2205.06175, sec. 2.1].
Letters: N positions, P (none: a row is one id), D width, V ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from opengato.core.episode import ArraySpec
from opengato.core.modality import Modality, Sampling
from opengato.core.serialize import TokenCodec
from opengato.nn.layers import TiedTable
from opengato.nn.sampling import choose_ids

CHOICES = 1024  # specs whose choices are kept: an agent acts in a few, at every step


@dataclass(frozen=True, kw_only=True, slots=True)
class _Choice:
    """What a spec allows: the ids of a slice but for those where `holes_V` is True (None: no holes)."""

    ids: slice
    holes_V: Tensor | None


class TokenTable(Modality):
    """The ids of one codec; only those that a spec allows are scored when sampling, however large the table."""

    codec: TokenCodec

    def __init__(self, codec: TokenCodec, width: int, table: type[TiedTable] = TiedTable):
        super().__init__()
        self.codec = codec
        self.table = table(codec.num_ids, width)
        self._choices: dict[tuple[tuple[ArraySpec, ...], torch.device], _Choice] = {}

    def embed(self, payload_NP: Tensor) -> Tensor:
        return self.table.embed(payload_NP)

    def loss(self, h_ND: Tensor, payload_NP: Tensor) -> Tensor:
        return self.table.loss(h_ND, payload_NP)

    def scores(self, h_ND: Tensor, payload_NP: Tensor) -> Tensor:
        return self.table.score(h_ND, payload_NP)

    def head_parameters(self) -> list[nn.Parameter]:
        return list(self.table.parameters())

    def sample(self, h_ND: Tensor, spec: ArraySpec, sampling: Sampling) -> Tensor:
        return self.sample_any(h_ND, (spec,), sampling)

    def sample_any(self, h_ND: Tensor, specs: tuple[ArraySpec, ...], sampling: Sampling) -> Tensor:
        choice = self._choice(specs, h_ND.device)
        return choose_ids(self._logits(h_ND, choice), sampling) + choice.ids.start

    def probabilities(self, h_ND: Tensor, spec: ArraySpec) -> Tensor:
        return torch.softmax(self._logits(h_ND, self._choice((spec,), h_ND.device)).float(), -1)[:, None]

    def _logits(self, h_ND: Tensor, choice: _Choice) -> Tensor:
        logits_NV = self.table.logits(h_ND, choice.ids)
        return logits_NV if choice.holes_V is None else logits_NV.masked_fill(choice.holes_V, -torch.inf)

    def _choice(self, specs: tuple[ArraySpec, ...], device: torch.device) -> _Choice:
        key = specs, device
        if key not in self._choices:
            if len(self._choices) >= CHOICES:
                self._choices.clear()
            self._choices[key] = _choice_of(self.codec, specs, device)
        return self._choices[key]


def _choice_of(codec: TokenCodec, specs: tuple[ArraySpec, ...], device: torch.device) -> _Choice:
    allowed = np.any([codec.allowed(spec) for spec in specs], axis=0)
    if not allowed.any():
        raise ValueError(
            f"{specs[0].name!r} cannot be written: none of the {codec.num_ids} ids of this modality may be used"
        )
    first, last = allowed.nonzero()[0][[0, -1]].tolist()
    holes = ~allowed[first : last + 1]
    with torch.inference_mode(False):  # kept beyond the call, perhaps for one that needs gradients
        holes_V = torch.from_numpy(holes).to(device) if holes.any() else None
    return _Choice(ids=slice(first, last + 1), holes_V=holes_V)
