"""Text: SentencePiece pieces with byte fallback, one position a piece.

[Kudo & Richardson 2018, arXiv:1808.06226]. Letters: N positions, P (none: a row is one id), D
width, V vocabulary.
"""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass
from typing import Any

import numpy as np
import sentencepiece
import torch
from torch import Tensor, nn

from opengato.core.episode import ArraySpec
from opengato.core.modality import Modality, Sampling
from opengato.core.serialize import Codec, Role
from opengato.nn.layers import TiedTable
from opengato.nn.sampling import choose_ids

SHIPPED = "tokenizer.model"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`tokenizer` is the shipped model's name or a path to a SentencePiece model."""

    tokenizer: str = SHIPPED

    def codec(self) -> TextCodec:
        return TextCodec(self.tokenizer)

    def build(self, width: int) -> Text:
        return Text(self.codec(), width)


class TextCodec(Codec):
    """`<s>` opens an instruction; `</s>` ends a text that is to be written, so that free generation stops.

    A piece is one row of shape (). `decode(encode(x)) == x` for any text without U+2581, SentencePiece's own mark for a
    space: unknown characters fall back to bytes.
    """

    payload_shape = ()
    payload_dtype = "int64"

    def __init__(self, tokenizer: str = SHIPPED):
        self.tokenizer = tokenizer
        shipped = importlib.resources.files("opengato") / "assets" / SHIPPED
        path = str(shipped) if tokenizer == SHIPPED else tokenizer
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_file=path)
        except (OSError, RuntimeError) as error:
            raise ValueError(f"tokenizer {path!r} is no SentencePiece model that can be read: {error}") from error
        self.bos, self.eos = self._pieces.bos_id(), self._pieces.eos_id()
        self.num_values = self._pieces.vocab_size()
        if min(self.bos, self.eos) < 0:
            raise ValueError(f"tokenizer {path!r} has no begin or no end marker; train it with bos_id and eos_id")

    def __reduce__(self) -> tuple:
        return TextCodec, (self.tokenizer,)

    def num_positions(self, spec: ArraySpec) -> int | None:
        return None

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        # One by one: for a list, SentencePiece starts a pool of threads at every call.
        pieces = [self._pieces.encode(str(value)) for value in values]
        if role == "instruction":
            pieces = [[self.bos, *ids] for ids in pieces]
        elif role == "action":
            pieces = [[*ids, self.eos] for ids in pieces]
        counts = np.array([len(ids) for ids in pieces], np.int64)
        return np.array([i for ids in pieces for i in ids], np.int64), counts

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> str:
        return self._pieces.decode([int(i) for i in payload if i not in (self.bos, self.eos)])

    def never_written(self) -> list[int]:
        """Padding, unknown and begin, but not the end marker. Byte pieces cover what is unknown."""
        marks = (self._pieces.is_control, self._pieces.is_unknown, self._pieces.is_unused)
        return [i for i in range(self.num_values) if i != self.eos and any(is_mark(i) for is_mark in marks)]

    def piece(self, token: int) -> str:
        """The piece as SentencePiece writes it, for inspection."""
        return self._pieces.id_to_piece(int(token))


class Text(Modality):
    """A token table tied to the output head."""

    codec: TextCodec
    hidden_V: Tensor

    def __init__(self, codec: TextCodec, width: int):
        super().__init__()
        self.codec = codec
        self.table = TiedTable(codec.num_values, width)
        hidden = torch.zeros(codec.num_values, dtype=torch.bool)
        hidden[codec.never_written()] = True
        self.register_buffer("hidden_V", hidden, persistent=False)

    def embed(self, payload_NP: Tensor) -> Tensor:
        return self.table.embed(payload_NP)

    def loss(self, h_ND: Tensor, payload_NP: Tensor) -> Tensor:
        return self.table.loss(h_ND, payload_NP)

    def head_parameters(self) -> list[nn.Parameter]:
        return list(self.table.parameters())

    def sample(self, h_ND: Tensor, spec: ArraySpec, sampling: Sampling) -> Tensor:
        logits_NV = self.table.logits(h_ND).masked_fill(self.hidden_V, -torch.inf)
        return choose_ids(logits_NV, sampling)
