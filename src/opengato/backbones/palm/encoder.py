"""The encoder form of PaLM: its parts, normed after each sub-layer, and every slot sees all of its document.

Letters: B rows, T slots.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask

from opengato.backbones.palm.settings import Settings
from opengato.backbones.stack import Stack
from opengato.nn.attention import same_document
from opengato.nn.blocks import NormAfterBlock
from opengato.nn.flex import documents_seen


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(Settings):
    """Those of `Settings`, without what only a trunk that acts needs."""

    def build(self) -> PalmEncoder:
        return PalmEncoder(self)


class PalmEncoder(Stack):
    """The trunk: a norm is the last thing that each block does."""

    causal = False

    def __init__(self, config: Config):
        super().__init__(config, (NormAfterBlock(config) for _ in range(config.depth)), nn.Identity())

    def _mask(self, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Tensor:
        return same_document(document_BT)

    def _blocks_seen(self, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> BlockMask:
        return documents_seen(document_BT)

    def final_parameters(self) -> list[nn.Parameter]:
        last = self.blocks[-1]
        assert isinstance(last, NormAfterBlock)
        return list(last.norm_hidden.parameters())
