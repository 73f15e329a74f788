"""Text: SentencePiece pieces with byte fallback, one position a piece.

[Kudo & Richardson 2018, arXiv:1808.06226].
"""

from __future__ import annotations

import importlib.resources
from dataclasses import dataclass
from typing import Any

import numpy as np
import sentencepiece

from opengato.core.episode import MEDIA, ArraySpec
from opengato.core.serialize import MARK, Role, TokenCodec
from opengato.modalities.token_table import TokenTable

SHIPPED = "tokenizer.model"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`tokenizer` is the name of a shipped model or a path to a SentencePiece model.

    With `marks`, ids after its pieces say where a picture, a sound or a film begins and ends (`serialize.MARK`).
    """

    tokenizer: str = SHIPPED
    marks: bool = False

    def codec(self) -> TextCodec:
        return TextCodec(self.tokenizer, self.marks)

    def build(self, width: int) -> TokenTable:
        return TokenTable(self.codec(), width)


class TextCodec(TokenCodec):
    """`<s>` opens an instruction; `</s>` ends a text that is to be written, so that free generation stops.

    A piece has the id that it has in the SentencePiece model. `decode(encode(x)) == x` for any text without U+2581,
    SentencePiece's own mark for a space: unknown characters fall back to bytes. With `reserved`, there are as many ids
    at least, of which pieces and marks take the first.
    """

    def __init__(self, tokenizer: str = SHIPPED, marks: bool = False, reserved: int = 0):
        self.tokenizer, self.marks = tokenizer, marks
        shipped = importlib.resources.files("opengato") / "assets" / tokenizer
        path = str(shipped) if shipped.is_file() else tokenizer
        try:
            self._pieces = sentencepiece.SentencePieceProcessor(model_file=path)
        except (OSError, RuntimeError) as error:
            raise ValueError(f"tokenizer {path!r} is no SentencePiece model that can be read: {error}") from error
        self.bos, self.eos = self._pieces.bos_id(), self._pieces.eos_id()
        self.num_pieces = self._pieces.vocab_size()
        self.num_ids = max(self.num_pieces + (MARK.num_values or 0) * marks, reserved)
        if min(self.bos, self.eos) < 0:
            raise ValueError(f"tokenizer {path!r} has no begin or no end marker; train it with bos_id and eos_id")

    def __reduce__(self) -> tuple:
        return TextCodec, (self.tokenizer, self.marks, self.num_ids)

    def num_positions(self, spec: ArraySpec) -> int | None:
        return None

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        if role == "mark":
            if not self.marks:
                raise ValueError("the layout has marks, but its text has no ids for them; give its config `marks=True`")
            return np.asarray(values, np.int64) + self.num_pieces, np.ones(len(values), np.int64)
        # One by one: for a list, SentencePiece starts a pool of threads at every call.
        pieces = [self._pieces.encode(str(value)) for value in values]
        if role == "instruction":
            pieces = [[self.bos, *ids] for ids in pieces]
        elif role == "action":
            pieces = [[*ids, self.eos] for ids in pieces]
        counts = np.array([len(ids) for ids in pieces], np.int64)
        return np.array([i for ids in pieces for i in ids], np.int64), counts

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> str:
        return self._pieces.decode([int(i) for i in payload if i not in (self.bos, self.eos) and i < self.num_pieces])

    def allowed(self, spec: ArraySpec) -> np.ndarray:
        """All but padding, unknown, begin and marks; the end marker is written. Byte pieces cover what is unknown.

        Of `MARK` those within its bounds.
        """
        if spec.kind == MARK.kind:
            value = np.arange(self.num_ids) - self.num_pieces
            low, high = spec.bounds
            return (value >= np.maximum(low, 0)) & (value <= high)
        marks = (self._pieces.is_control, self._pieces.is_unknown, self._pieces.is_unused)
        written = [i == self.eos or not any(is_mark(i) for is_mark in marks) for i in range(self.num_pieces)]
        return np.array(written + [False] * (self.num_ids - self.num_pieces), bool)

    def piece(self, token: int) -> str:
        """The piece as SentencePiece writes it, or a mark such as `<image>` or `</image>`, for inspection."""
        if token >= self.num_pieces:
            kind, end = divmod(int(token) - self.num_pieces, 2)
            return f"<{'/' * end}{MEDIA[kind]}>"
        return self._pieces.id_to_piece(int(token))
