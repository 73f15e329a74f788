"""Attention over the patches of films: within a frame, over all at once, or over time and then space.

[Bertasius et al. 2021, arXiv:2102.05095, sec. 3]. Letters: B films, F frames, N patches of a frame, D width, T queries,
S keys, C class tokens.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from opengato.core.config import choose
from opengato.nn.attention import attend

Attention = Literal["space", "joint", "divided"]
ATTENTIONS: tuple[Attention, ...] = ("space", "joint", "divided")


class SelfAttention(nn.Module):
    """Bidirectional attention of several heads, with biases."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        """Each slot sees those where `mask_BT` is True, and itself."""
        q, k, v = rearrange(self.qkv(x_BTD), "b t (three h k) -> three b h t k", three=3, h=self.heads)
        itself_TS = torch.eye(x_BTD.shape[1], dtype=torch.bool, device=x_BTD.device)
        return self.out(rearrange(attend(q, k, v, mask_BT[:, None] | itself_TS), "b h t k -> b t (h k)"))


class SpaceTimeBlock(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)); the attention is one of three.

    "space": patches of a frame see one another. "joint": all patches of a film do. "divided": first each patch sees
    those at its place in all frames, x + time(norm(x)), and then, with weights of its own, those of its frame: F + N
    comparisons a patch in place of F N.

    A class token is optional. In divided attention it takes no part in time, and in space a copy of it goes with each
    frame, of whose outputs it gets the mean: so the paper's code, while its equations let it take part in both.
    """

    def __init__(self, width: int, heads: int, hidden: int, attention: Attention, depth: int = 1):
        super().__init__()
        self.attention: Attention = choose(attention, ATTENTIONS, what="attention over space and time")  # ty: ignore[invalid-assignment]
        self.norm_attention = nn.LayerNorm(width, eps=1e-6)
        self.space = SelfAttention(width, heads)
        self.norm_hidden = nn.LayerNorm(width, eps=1e-6)
        self.feed_forward = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        branches = [self.space.out, self.feed_forward[2]]
        if attention == "divided":
            self.norm_time = nn.LayerNorm(width, eps=1e-6)
            self.time = SelfAttention(width, heads)
            self.out_time = nn.Linear(width, width)
            branches.append(self.out_time)
        for linear in branches:
            assert isinstance(linear, nn.Linear)
            nn.init.normal_(linear.weight, std=1 / math.sqrt(2 * depth * linear.in_features))

    def forward(
        self, x_BFND: Tensor, mask_BFN: Tensor, class_BCD: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Patches and class token (B, 1, D) after this block; `mask_BFN` is False where a film has no patch."""
        if self.attention == "divided":
            x_BFND = x_BFND + self._over_time(x_BFND, mask_BFN)
        rows = "b (f n) d" if self.attention == "joint" else "(b f) n d"
        films, frames, patches = mask_BFN.shape
        x_BTD = rearrange(x_BFND, f"b f n d -> {rows}")
        mask_BT = rearrange(mask_BFN, f"b f n -> {rows.removesuffix(' d')}")
        copies = len(x_BTD) // films
        if class_BCD is not None:
            x_BTD = torch.cat([repeat(class_BCD, "b c d -> (b copies) c d", copies=copies), x_BTD], 1)
            mask_BT = torch.cat([mask_BT.new_ones(len(mask_BT), 1), mask_BT], 1)
        update_BTD = self.space(self.norm_attention(x_BTD), mask_BT)
        if class_BCD is not None:
            update_BCD, update_BTD = update_BTD[:, :1], update_BTD[:, 1:]
            class_BCD = class_BCD + rearrange(update_BCD, "(b copies) c d -> b copies c d", copies=copies).mean(1)
            class_BCD = class_BCD + self.feed_forward(self.norm_hidden(class_BCD))
        x_BFND = x_BFND + rearrange(update_BTD, f"{rows} -> b f n d", b=films, f=frames, n=patches)
        return x_BFND + self.feed_forward(self.norm_hidden(x_BFND)), class_BCD

    def _over_time(self, x_BFND: Tensor, mask_BFN: Tensor) -> Tensor:
        x_BTD = rearrange(x_BFND, "b f n d -> (b n) f d")
        mask_BT = rearrange(mask_BFN, "b f n -> (b n) f")
        return rearrange(
            self.out_time(self.time(self.norm_time(x_BTD), mask_BT)), "(b n) f d -> b f n d", b=len(x_BFND)
        )


class SpaceTimeEncoder(nn.Module):
    """`depth` blocks and a norm over films side by side."""

    def __init__(self, width: int, depth: int, heads: int, hidden: int, attention: Attention):
        super().__init__()
        self.blocks = nn.ModuleList(SpaceTimeBlock(width, heads, hidden, attention, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x_BFND: Tensor, mask_BFN: Tensor) -> Tensor:
        """Patches (B, F, N, D) that have seen one another."""
        for block in self.blocks:
            x_BFND, _ = block(x_BFND, mask_BFN)
        return self.norm(x_BFND)
