"""Transformers over one value: pictures and films in patches, texts as ids, sounds as samples.

Letters: B rows, T slots, N patches of a frame, F frames, H and W pixels, C channels, D width, L samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from opengato.core.config import choose
from opengato.nn.encoder import Layer, NormAfter, NormBefore, RelativePlaces
from opengato.nn.layers import ACTIVATIONS, Activation
from opengato.nn.space_time import ATTENTIONS, Attention, SpaceTimeBlock
from opengato.nn.stems import ToPatches

Relative = Literal["none", "each", "one"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pictures:
    """A vision transformer: patches and a class token, with learned `places`, relative ones, or both.

    Of `relative` places, `each` module has its own, or all have `one`. [Dosovitskiy et al. 2020, arXiv:2010.11929].
    """

    size: tuple[int, int]
    patch: tuple[int, int]
    depth: int
    layer: Layer
    channels: int = 3
    places: bool = True
    relative: Relative = "none"
    last_norm: bool = True

    def __post_init__(self) -> None:
        choose(self.relative, ("none", "each", "one"), what="kind of relative places")

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.size[0] // self.patch[0], self.size[1] // self.patch[1]

    def build(self) -> PictureEncoder:
        return PictureEncoder(self)


class PictureEncoder(nn.Module):
    """Pictures (B, H, W, C) to states (B, 1 + N, D), the class token's first."""

    def __init__(self, config: Pictures):
        super().__init__()
        self.config = config
        width, (rows, columns) = config.layer.width, config.grid
        self.cut = ToPatches(config.patch)
        self.patch = nn.Linear(config.channels * config.patch[0] * config.patch[1], width)
        self.token = nn.Parameter(torch.zeros(width))
        self.place = nn.Parameter(torch.zeros(1 + rows * columns, width)) if config.places else None
        self.layers = nn.ModuleList(NormBefore(config.layer) for _ in range(config.depth))
        tables = {"none": 0, "each": config.depth, "one": 1}[config.relative]
        self.relative = nn.ModuleList(RelativePlaces(config.grid, config.layer.heads) for _ in range(tables))
        self.norm = config.layer.norm() if config.last_norm else nn.Identity()

    def forward(self, x_BHWC: Tensor) -> Tensor:
        if tuple(x_BHWC.shape[1:3]) != self.config.size:
            raise ValueError(f"received pictures of {tuple(x_BHWC.shape[1:3])} pixels, expected {self.config.size}")
        x_BTD = self.patch(self.cut(x_BHWC).flatten(1, 2))
        x_BTD = torch.cat([self.token.expand(len(x_BTD), 1, -1), x_BTD], 1)
        if self.place is not None:
            x_BTD = x_BTD + self.place
        for number, layer in enumerate(self.layers):
            bias = self.relative[min(number, len(self.relative) - 1)]() if len(self.relative) else None
            x_BTD = layer(x_BTD, bias_BHTS=bias)
        return self.norm(x_BTD)


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """Ids with learned places, counted from `padding_id` + 1; `padding_id` marks what is no text."""

    num_ids: int
    length: int
    depth: int
    layer: Layer
    padding_id: int = 1

    def build(self) -> TextEncoder:
        return TextEncoder(self)


class TextEncoder(nn.Module):
    """Ids (B, T) to states (B, T, D); norms come after. [Liu et al. 2019, arXiv:1907.11692]."""

    def __init__(self, config: Texts):
        super().__init__()
        self.config = config
        self.table = nn.Embedding(config.num_ids, config.layer.width)
        self.place = nn.Embedding(config.length, config.layer.width)
        self.norm = config.layer.norm()
        self.layers = nn.ModuleList(NormAfter(config.layer) for _ in range(config.depth))

    def forward(self, ids_BT: Tensor, mask_BT: Tensor | None = None) -> Tensor:
        """States; `mask_BT` is False on what is not to be seen (default: on padding, if there is any)."""
        padding = self.config.padding_id
        real_BT = ids_BT != padding
        place_BT = real_BT.cumsum(1) * real_BT + padding
        if int(place_BT.max()) >= self.config.length:
            longest = self.config.length - padding - 1
            raise ValueError(f"received a text of {ids_BT.shape[1]} ids, the network has places for {longest}; cut it")
        x_BTD = self.norm(self.table(ids_BT) + self.place(place_BT))
        seen = None if mask_BT is None else mask_BT[:, None]
        for layer in self.layers:
            x_BTD = layer(x_BTD, seen)
        return x_BTD


@dataclass(frozen=True, kw_only=True, slots=True)
class Sounds:
    """Convolutions over samples, (channels, kernel, stride) each, then a transformer whose norms come after.

    With `hidden`, there is a vector to stand for what is not to be seen. Places are what `place_depth` convolutions of
    `place_kernel` in `place_groups` see around a slot.
    [Baevski et al. 2020, arXiv:2006.11477, sec. 2; Baevski et al. 2022, arXiv:2202.03555, sec. 4.2].
    """

    convolutions: tuple[tuple[int, int, int], ...]
    depth: int
    layer: Layer
    place_depth: int = 5
    place_kernel: int = 19
    place_groups: int = 16
    bias: bool = False
    hidden: bool = True
    activation: Activation = "gelu"

    def build(self) -> SoundEncoder:
        return SoundEncoder(self)

    def slots(self, samples: Tensor) -> Tensor:
        """How many slots so many samples make."""
        for _, kernel, stride in self.convolutions:
            samples = (samples - kernel).div(stride, rounding_mode="floor") + 1
        return samples


class SoundEncoder(nn.Module):
    """Samples (B, L) to states (B, T, D)."""

    def __init__(self, config: Sounds):
        super().__init__()
        self.config = config
        channels = [1, *(channels for channels, _, _ in config.convolutions)]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel, stride, bias=config.bias)
            for before, (after, kernel, stride) in zip(channels, config.convolutions, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(after) for after in channels[1:])
        width = config.layer.width
        self.norm_in = nn.LayerNorm(channels[-1], eps=config.layer.epsilon)
        self.linear = nn.Linear(channels[-1], width)
        self.hidden = nn.Parameter(torch.rand(width)) if config.hidden else None
        self.places = nn.ModuleList(
            nn.Conv1d(width, width, config.place_kernel, padding=config.place_kernel // 2, groups=config.place_groups)
            for _ in range(config.place_depth)
        )
        self.norm = config.layer.norm()
        self.layers = nn.ModuleList(NormAfter(config.layer) for _ in range(config.depth))

    def features(self, samples_BL: Tensor) -> Tensor:
        """What the convolutions give, as (B, T, D)."""
        activation = ACTIVATIONS[self.config.activation]
        x = samples_BL[:, None]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = activation(norm(convolution(x).transpose(1, 2)).transpose(1, 2))
        return self.linear(self.norm_in(x.transpose(1, 2)))

    def forward(self, samples_BL: Tensor, length_B: Tensor | None = None, hide_BT: Tensor | None = None) -> Tensor:
        """States of sounds of `length_B` samples (default: all); where `hide_BT` is True, of a learned vector."""
        x_BTD = self.features(samples_BL)
        if hide_BT is not None:
            if self.hidden is None:
                raise ValueError("this encoder of sounds was made without a vector for what is hidden")
            x_BTD = torch.where(hide_BT[..., None], self.hidden, x_BTD)
        seen = None
        if length_B is not None:
            mask_BT = torch.arange(x_BTD.shape[1], device=x_BTD.device) < self.config.slots(length_B)[:, None]
            x_BTD, seen = x_BTD * mask_BT[..., None], mask_BT[:, None]
        x_BTD = self.norm(x_BTD + self._places(x_BTD))
        for layer in self.layers:
            x_BTD = layer(x_BTD, seen)
        return x_BTD

    def _places(self, x_BTD: Tensor) -> Tensor:
        activation, slots = ACTIVATIONS[self.config.activation], x_BTD.shape[1]
        for convolution in self.places:
            seen_BTD = convolution(x_BTD.transpose(1, 2))[..., :slots].transpose(1, 2)
            x_BTD = activation(F.layer_norm(seen_BTD, seen_BTD.shape[-1:]))
        return x_BTD


@dataclass(frozen=True, kw_only=True, slots=True)
class Films:
    """A TimeSformer of the blocks of `nn.space_time` [Bertasius et al. 2021, arXiv:2102.05095]."""

    size: tuple[int, int]
    patch: tuple[int, int]
    frames: int
    width: int
    depth: int
    heads: int
    hidden: int
    attention: Attention = "divided"
    channels: int = 3

    def __post_init__(self) -> None:
        choose(self.attention, ATTENTIONS, what="attention over space and time")

    def build(self) -> FilmEncoder:
        return FilmEncoder(self)


class FilmEncoder(nn.Module):
    """Films (B, F, H, W, C) to states (B, 1 + F N, D), the class token's first, then frame by frame.

    With attention over space alone each frame is a film of its own: (B F, 1 + N, D).
    """

    def __init__(self, config: Films):
        super().__init__()
        self.config = config
        width, patch = config.width, config.patch
        patches = (config.size[0] // patch[0]) * (config.size[1] // patch[1])
        self.cut = ToPatches(patch)
        self.patch = nn.Linear(config.channels * patch[0] * patch[1], width)
        self.token = nn.Parameter(torch.zeros(width))
        self.place = nn.Parameter(torch.zeros(1 + patches, width))
        self.time = nn.Parameter(torch.zeros(config.frames, width)) if config.attention != "space" else None
        self.blocks = nn.ModuleList(
            SpaceTimeBlock(width, config.heads, config.hidden, config.attention, config.depth)
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        wanted = (self.config.frames, *self.config.size, self.config.channels)
        if tuple(x.shape[1:]) != wanted:
            raise ValueError(f"received films of shape {tuple(x.shape[1:])}, expected {wanted}")
        x_BFND = rearrange(self.patch(self.cut(x.flatten(0, 1))), "(b f) h w d -> b f (h w) d", f=x.shape[1])
        x_BFND = x_BFND + self.place[1:]
        if self.time is not None:
            x_BFND = x_BFND + self.time[:, None]
        else:
            x_BFND = rearrange(x_BFND, "b f n d -> (b f) 1 n d")
        token: Tensor | None = (self.token + self.place[0]).expand(len(x_BFND), 1, -1)
        mask = torch.ones(x_BFND.shape[:3], dtype=torch.bool, device=x.device)
        for block in self.blocks:
            x_BFND, token = cast(SpaceTimeBlock, block)(x_BFND, mask, token)
        assert token is not None
        return self.norm(torch.cat([token, x_BFND.flatten(1, 2)], 1))
