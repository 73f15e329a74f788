"""Sparse pathways: after attention each slot goes through those feed-forwards alone that a router chooses for it.

h + sum over the top k of w_i(h) Pathway_i(norm(h)), w the softmax over all paths of a linear layer of norm(h): a
mixture of experts [Shazeer et al. 2017, arXiv:1701.06538, sec. 2; Fedus et al. 2021, arXiv:2101.03961, sec. 2.1]. One
path is the decoder. No path has a limit of slots: what happens to one slot must not depend on others.
Letters: B rows, T slots, S key slots, N all slots, M slots of one path, D width, E paths, C paths that a slot takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from opengato.backbones.causal import CausalStack, PlainCausalConfig
from opengato.backbones.pathways.paths import Paths, check_paths
from opengato.nn.attention import attend
from opengato.nn.blocks import Block, Look


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(PlainCausalConfig):
    """`paths` feed-forwards of `hidden` units a layer, of which a slot takes `chosen`.

    `balance` weighs the loss that lets all paths be chosen alike. Path i lives on device i of `devices`, counted round
    (none: all with the network). Other settings are those of the decoder.
    """

    hidden: int = 352
    paths: int = 4
    chosen: int = 2
    balance: float = 0.01
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        PlainCausalConfig.__post_init__(self)
        check_paths(self.paths)
        if not 1 <= self.chosen <= self.paths:
            raise ValueError(f"`chosen` is {self.chosen}, expected 1 to {self.paths}, the number of `paths`")

    def build(self) -> SparsePathways:
        return SparsePathways(self)


class RoutedBlock(nn.Module):
    """A block of the decoder, whose feed-forward is one of several for each slot."""

    def __init__(self, config: Config):
        super().__init__()
        self.chosen = config.chosen
        blocks = [Block(config) for _ in range(config.paths)]
        self.shared = blocks[0]
        self.paths = Paths((block.feed_forward for block in blocks), config.devices)
        del self.shared.feed_forward  # it is the first path
        self.router = nn.Linear(config.width, config.paths, bias=False)

    def forward(
        self,
        x_BTD: Tensor,
        angles: tuple[Tensor, Tensor],
        mask_BTS: Tensor,
        real_BT: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The stream after this block, and how unequally `real_BT` slots (None: all) fall on the paths (1: alike)."""
        stream_BTD, share_NE, path_NC = self._routed(x_BTD, angles, lambda q, k, v: attend(q, k, v, mask_BTS))
        return stream_BTD, imbalance(share_NE, path_NC, None if real_BT is None else real_BT.flatten())

    def through(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], look: Look) -> Tensor:
        """The stream after this block."""
        return self._routed(x_BTD, angles, look)[0]

    def _routed(self, x_BTD: Tensor, angles: tuple[Tensor, Tensor], look: Look) -> tuple[Tensor, Tensor, Tensor]:
        """The stream, the share of each path in each slot, and the paths that each takes."""
        shared = self.shared
        seen_BTD = shared.out(rearrange(look(*shared.project(x_BTD, angles)), "b h t k -> b t (h k)"))
        x_BTD = x_BTD + shared.drop_path(seen_BTD)
        normed_ND = shared.norm_hidden(x_BTD).flatten(0, 1)
        share_NE = self.router(normed_ND).float().softmax(-1)
        weight_NC, path_NC = share_NE.topk(self.chosen)
        hidden_ND = torch.zeros_like(normed_ND)
        for number, (path, device) in enumerate(self.paths.placed(x_BTD.device)):
            slot_M, choice_M = taken(path_NC, number, len(self.paths))
            given_MD = path(normed_ND[slot_M].to(device)).to(x_BTD.device)
            weight_M = weight_NC[slot_M, choice_M]
            hidden_ND = hidden_ND.index_add(0, slot_M, (weight_M[:, None] * given_MD).to(hidden_ND.dtype))
        return x_BTD + shared.drop_path(hidden_ND.view(x_BTD.shape)), share_NE, path_NC


def taken(path_NC: Tensor, number: int, paths: int) -> tuple[Tensor, Tensor]:
    """The slots that take a path, and as which of their choices. Of shapes alone: as if all were taken alike."""
    if path_NC.is_meta:
        some = path_NC.new_empty(path_NC.numel() // paths)
        return some, some
    slot_M, choice_M = (path_NC == number).nonzero(as_tuple=True)
    return slot_M, choice_M


def imbalance(share_NE: Tensor, path_NC: Tensor, real_N: Tensor | None) -> Tensor:
    """E sum_i f_i P_i: the share f of choices that fall on each path times its mean weight P; 1 where all are alike.

    [Fedus et al. 2021, arXiv:2101.03961, eq. 4 to 6].
    """
    mean_N = torch.ones_like(share_NE[:, 0]) if real_N is None else real_N.to(share_NE.dtype)
    mean_N = mean_N / mean_N.sum().clamp(min=1)
    paths = torch.arange(share_NE.shape[1], device=share_NE.device)
    fallen_NE = (path_NC[:, :, None] == paths).to(share_NE.dtype).mean(1)
    return len(paths) * ((mean_N @ fallen_NE) * (mean_N @ share_NE)).sum()


class SparsePathways(CausalStack):
    """The trunk; its hidden states are normalised, ready for heads."""

    config: Config
    recordable = False  # how many slots go which way is up to what they hold

    def __init__(self, config: Config):
        norm = nn.LayerNorm(config.width, bias=config.norm_bias)
        super().__init__(config, (RoutedBlock(config) for _ in range(config.depth)), norm)

    def with_costs(self, x_BTD: Tensor, *places: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Hidden states, and the mean imbalance of the layers over slots that are not padding."""
        document_BT, position_BT, _ = places
        costs = []
        for stream_BTD, cost in self._streams(x_BTD, position_BT, self._sight(*places), document_BT >= 0):
            x_BTD = stream_BTD
            assert cost is not None
            costs.append(cost)
        return self.norm(x_BTD), {"balance": self.config.balance * torch.stack(costs).mean()}
