"""What trunks that act share: a window on the past, and a rolling cache of it.

Letters: B rows, T slots, S places of the cache, D width, M marks of a slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

from opengato.backbones.stack import PlainConfig, Stack, StackConfig
from opengato.core.backbone import CachedBackbone
from opengato.nn.attention import same_document, visible
from opengato.nn.cache import Cache, FixedCache, RollingCache
from opengato.nn.flex import blocks_seen


class CausalConfig(StackConfig, Protocol):
    """What a causal stack asks of its config.

    `window` positions of the past are visible, and the instruction always, up to `sinks` positions of it. That is what
    one layer sees. What a position has seen flows on through its keys and values, so that `depth` layers reach `depth`
    * (`window` - 1) positions back, as with the memory of Transformer-XL [Dai et al. 2019, arXiv:1901.02860, sec. 3.2].
    """

    @property
    def key_heads(self) -> int: ...
    @property
    def window(self) -> int: ...
    @property
    def sinks(self) -> int: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainCausalConfig(PlainConfig):
    """Settings of a decoder: a plain trunk with `window` and `sinks` of a `CausalConfig`."""

    window: int = 256
    sinks: int = 64


class CausalStack(CachedBackbone, Stack):
    """A stack whose slots see the past of their document; its hidden states are ready for heads.

    Each block has `attentions` of them, each with keys and values of its own. Of each slot the cache keeps `marks`
    numbers, from which a subclass makes a sight.
    """

    causal = True
    config: CausalConfig
    attentions: int = 1
    marks: int = 0

    def _mask(self, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Tensor:
        kept_BT = prompt_BT & (position_BT < self.config.sinks)
        # A padded slot sees none but itself, lest its softmax be empty: no later one, for which masks would stay whole.
        key_BT = torch.where(document_BT < 0, -1, position_BT)
        mask_BTS = same_document(document_BT) & visible(position_BT, key_BT, kept_BT, self.config.window)
        return mask_BTS | torch.eye(mask_BTS.shape[1], dtype=torch.bool, device=mask_BTS.device)

    def _blocks_seen(self, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> BlockMask:
        kept_BT = prompt_BT & (position_BT < self.config.sinks)
        return blocks_seen(document_BT, position_BT, kept_BT, self.config.window)

    def new_cache(self, rows: int, window: int | None = None) -> Cache:
        config = self.config
        reach = config.window if window is None else window
        layers = config.depth * self.attentions
        weight = next(self.norm.parameters())
        kind = FixedCache if weight.is_cuda else RollingCache
        cache = kind(layers, rows, config.key_heads, config.head_width, reach, config.sinks, self.marks)
        return cache.to(weight.device, weight.dtype)

    def extend(
        self,
        x_BTD: Tensor,
        position_BT: Tensor,
        prompt_BT: Tensor,
        mask_BT: Tensor,
        cache: Cache,
        rows_B: Tensor,
    ) -> Tensor:
        return self._extended((x_BTD, position_BT, prompt_BT, mask_BT), cache, rows_B)

    def _sight_of(self, mask_BTS: Tensor, *marks: Tensor) -> Any:
        """The sight of queries in keys that the mask lets them see, from the marks of both, where they have such."""
        return mask_BTS

    def _extended(self, slots: tuple[Tensor, ...], cache: Cache, rows_B: Tensor) -> Tensor:
        """`extend` for slots as its first four arguments give them, and their marks (B, T, M) if they have such."""
        x_BTD, position_BT, prompt_BT, mask_BT, *marks = slots
        if x_BTD.shape[1] > cache.slack + 1:
            parts = zip(*(tensor.split(cache.slack + 1, dim=1) for tensor in slots), strict=True)
            return torch.cat([self._extended(part, cache, rows_B) for part in parts], dim=1)
        kept_BT = prompt_BT & mask_BT & (position_BT < self.config.sinks)
        written = cache.write_positions(rows_B, position_BT, kept_BT, mask_BT, *marks)
        key_BS, kept_BS = cache.seen(rows_B)
        # A padded slot sees all, lest its softmax be empty.
        mask_BTS = visible(position_BT, key_BS, kept_BS, cache.window) | ~mask_BT[:, :, None]
        sight = self._sight_of(mask_BTS, *marks, *([cache.marks(rows_B)] if marks else []))
        rows, angles, layers = cache.rows(rows_B), self._angles(position_BT, x_BTD.dtype), count()

        def look(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            layer = next(layers)
            cache.write_layer(layer, written, k, v)
            return self._look(q, *cache.read_layer(layer, rows, key_BS.shape[1]), sight)

        for block in self._blocks():
            x_BTD = block.through(x_BTD, angles, look)
        return self.norm(x_BTD)
