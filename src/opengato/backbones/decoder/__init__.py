"""Decoder: a pre-norm (LayerNorm) causal transformer with rotary positions, a gated feed-forward and a rolling cache.

Letters: B rows, T slots, S places of the cache, D width, H heads, K head width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from opengato.backbones.stack import Stack, check
from opengato.core.backbone import CachedBackbone
from opengato.nn.attention import attend, same_document, visible
from opengato.nn.cache import RollingCache
from opengato.nn.layers import Activation


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`window` positions of the past are visible, and the instruction always, up to `sinks` positions of it.

    That is what one layer sees. What a position has seen flows on through its keys and values, so that `depth` layers
    reach `depth` * (`window` - 1) positions back, as with the memory of Transformer-XL [Dai et al. 2019,
    arXiv:1901.02860, sec. 3.2].

    The feed-forward is a product of two halves (`gated`) or one layer, of `hidden` units. In training each sub-layer
    is left out with probability `drop_path`; `recompute` keeps only the inputs of the blocks for the backward pass and
    computes the rest again: less memory, a third more time.
    """

    width: int = 256
    depth: int = 6
    heads: int = 4
    hidden: int = 704
    window: int = 256
    sinks: int = 64
    rotary_base: float = 10_000.0
    activation: Activation = "silu"
    gated: bool = True
    norm_bias: bool = False
    drop_path: float = 0.0
    recompute: bool = False

    def __post_init__(self) -> None:
        check(self)

    def build(self) -> Decoder:
        return Decoder(self)


class Decoder(CachedBackbone, Stack):
    """The trunk; its hidden states are normalised, ready for heads."""

    causal = True
    config: Config

    def _mask(self, document_BT: Tensor, position_BT: Tensor, prompt_BT: Tensor) -> Tensor:
        kept_BT = prompt_BT & (position_BT < self.config.sinks)
        mask_BTS = same_document(document_BT) & visible(position_BT, position_BT, kept_BT, self.config.window)
        # A padded slot sees itself, lest its softmax be empty.
        return mask_BTS | torch.eye(mask_BTS.shape[1], dtype=torch.bool, device=mask_BTS.device)

    def new_cache(self, rows: int, window: int | None = None) -> RollingCache:
        config = self.config
        head_width = config.width // config.heads
        reach = config.window if window is None else window
        cache = RollingCache(config.depth, rows, config.heads, head_width, reach, config.sinks)
        return cache.to(self.norm.weight.device, self.norm.weight.dtype)

    def extend(
        self,
        x_BTD: Tensor,
        position_BT: Tensor,
        prompt_BT: Tensor,
        mask_BT: Tensor,
        cache: RollingCache,
        rows_B: Tensor,
    ) -> Tensor:
        if x_BTD.shape[1] > cache.slack + 1:
            parts = [t.split(cache.slack + 1, dim=1) for t in (x_BTD, position_BT, prompt_BT, mask_BT)]
            return torch.cat([self.extend(*part, cache, rows_B) for part in zip(*parts, strict=True)], dim=1)
        kept_BT = prompt_BT & mask_BT & (position_BT < self.config.sinks)
        written = cache.write_positions(rows_B, position_BT, kept_BT, mask_BT)
        key_BS, kept_BS = cache.seen(rows_B)
        # A padded slot sees all, lest its softmax be empty.
        mask_BTS = visible(position_BT, key_BS, kept_BS, cache.window) | ~mask_BT[:, :, None]
        angles = self._angles(position_BT, x_BTD.dtype)
        for layer, block in enumerate(self._blocks()):
            q, k, v = block.project(x_BTD, angles)
            cache.write_layer(layer, written, k, v)
            k_all, v_all = cache.read_layer(layer, rows_B, key_BS.shape[1])
            x_BTD = block.finish(x_BTD, attend(q, k_all, v_all, mask_BTS))
        return self.norm(x_BTD)
