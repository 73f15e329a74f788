"""Text in a table of ids that begins as PaLM's does: `nn.layers.UnitTable`."""

from __future__ import annotations

from dataclasses import dataclass

from opengato.modalities.text import SHIPPED, TextCodec
from opengato.modalities.token_table import TokenTable
from opengato.nn.layers import UnitTable


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`num_ids` are the rows of the table at least, of which the pieces of `tokenizer` take the first."""

    tokenizer: str = SHIPPED
    num_ids: int = 0

    def codec(self) -> TextCodec:
        return TextCodec(self.tokenizer, reserved=self.num_ids)

    def build(self, width: int) -> TokenTable:
        return TokenTable(self.codec(), width, UnitTable)
