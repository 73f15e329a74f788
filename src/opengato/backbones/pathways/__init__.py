"""Pathways: a causal transformer each of whose layers is several independent blocks, summed with learned weights.

h^(l+1) = sum_i w_i Pathway_i(h^(l)), with w the softmax of learned numbers of the layer. A path is a block of the
decoder, attention and feed-forward, with keys and values of its own; one path is the decoder.
Letters: B rows, T slots, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from opengato.backbones.causal import CausalStack, PlainCausalConfig
from opengato.backbones.pathways.paths import Paths, check_paths, moved, sight_on
from opengato.nn.blocks import Block, Look


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(PlainCausalConfig):
    """`paths` blocks a layer; path i lives on device i of `devices`, counted round (none: all with the network).

    Other settings are those of the decoder, for each path.
    """

    hidden: int = 352
    paths: int = 2
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        PlainCausalConfig.__post_init__(self)
        check_paths(self.paths)

    def build(self) -> Pathways:
        return Pathways(self)


class ParallelPaths(nn.Module):
    """The blocks of a layer, which all read the stream before it."""

    def __init__(self, config: Config):
        super().__init__()
        self.paths = Paths((Block(config) for _ in range(config.paths)), config.devices)
        self.weight = nn.Parameter(torch.zeros(config.paths))

    def forward(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], sight: Any) -> Tensor:
        def given() -> Iterator[Tensor]:
            for path, device in self.paths.placed(x_BTD.device):
                cos, sin = angles
                there = sight_on(sight, device)
                yield path(x_BTD.to(device), (cos.to(device), sin.to(device)), there).to(x_BTD.device)

        return self._summed(given())

    def through(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], look: Look) -> Tensor:
        """The stream after this layer; `look` is asked once for each path, in order."""

        def given() -> Iterator[Tensor]:
            for path, device in self.paths.placed(x_BTD.device):
                assert isinstance(path, Block)
                cos, sin = angles
                there = moved(look, x_BTD.device, device)
                yield path.through(x_BTD.to(device), (cos.to(device), sin.to(device)), there).to(x_BTD.device)

        return self._summed(given())

    def _summed(self, streams: Iterator[Tensor]) -> Tensor:
        weights = self.weight.softmax(0)
        return torch.stack([weight * stream_BTD for weight, stream_BTD in zip(weights, streams, strict=True)]).sum(0)


class Pathways(CausalStack):
    """The trunk; its hidden states are normalised, ready for heads."""

    def __init__(self, config: Config):
        norm = nn.LayerNorm(config.width, bias=config.norm_bias)
        super().__init__(config, (ParallelPaths(config) for _ in range(config.depth)), norm)
        self.attentions = config.paths
        self.recordable = not config.devices
