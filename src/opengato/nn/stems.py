"""First layers over arrays with their channels last: linear, convolutional, or patches as they are.

Letters: B rows, H and W pixels, C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear:
    """Each place by itself through one linear layer to `width` numbers: a convolution of 1 x 1."""

    width: int

    def channels(self, channels: int) -> int:
        return self.width

    def build(self, channels: int) -> nn.Module:
        return nn.Linear(channels, self.width)


@dataclass(frozen=True, kw_only=True, slots=True)
class Patches:
    """Blocks of `size` places become one place each, their numbers in raster order, channels last."""

    size: tuple[int, ...]

    def channels(self, channels: int) -> int:
        return channels * math.prod(self.size)

    def build(self, channels: int) -> nn.Module:
        return ToPatches(self.size)


@dataclass(frozen=True, kw_only=True, slots=True)
class Convolution:
    """A convolution of 7 x 7 and a maximum of 3 x 3, both of stride 2, with batch norm and ReLU between them.

    `same` pads so that a side comes out at a quarter of its size rounded up, as the weights of DeepMind were trained
    (224 to 56); without it pixels are padded alike on both sides and the maximum not at all, as transformers does (55).
    """

    width: int = 64
    same: bool = True

    def channels(self, channels: int) -> int:
        return self.width

    def build(self, channels: int) -> nn.Module:
        return ConvolutionStem(channels, self)


class ToPatches(nn.Module):
    """(B, *grid, C) to (B, *grid / size, C * product of size)."""

    def __init__(self, size: tuple[int, ...]):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape[1:-1]
        if len(shape) != len(self.size) or any(n % size for n, size in zip(shape, self.size, strict=True)):
            raise ValueError(f"an array of {tuple(shape)} places cannot be cut into patches of {self.size}")
        axes = range(len(shape))
        outer = " ".join(f"n{i}" for i in axes)
        split = " ".join(f"(n{i} p{i})" for i in axes)
        inner = " ".join(f"p{i}" for i in axes)
        sizes = {f"p{i}": size for i, size in enumerate(self.size)}
        return rearrange(x, f"b {split} c -> b {outer} ({inner} c)", **sizes)


class ConvolutionStem(nn.Module):
    """Pixels (B, H, W, C) to (B, H / 4, W / 4, width)."""

    def __init__(self, channels: int, config: Convolution):
        super().__init__()
        self.same = config.same
        self.convolution = nn.Conv2d(channels, config.width, 7, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(config.width)

    def forward(self, x_BHWC: Tensor) -> Tensor:
        x_BCHW = rearrange(x_BHWC, "b h w c -> b c h w")
        padded_BCHW = _pad_to_same(x_BCHW, 7) if self.same else F.pad(x_BCHW, (3, 3, 3, 3))
        x_BCHW = F.relu(self.norm(self.convolution(padded_BCHW)))
        if self.same:  # of numbers that are none below 0, zeros are no maximum that was not there
            x_BCHW = _pad_to_same(x_BCHW, 3)
        return rearrange(F.max_pool2d(x_BCHW, 3, stride=2), "b c h w -> b h w c")


def _pad_to_same(x_BCHW: Tensor, kernel: int) -> Tensor:
    """Zeros around pixels, so that a kernel of stride 2 gives half as many rounded up; an odd one comes last."""
    missing = [max(0, kernel - (2 if size % 2 == 0 else 1)) for size in reversed(x_BCHW.shape[2:])]
    return F.pad(x_BCHW, [side for total in missing for side in (total // 2, total - total // 2)])


def surroundings(picture_BHWC: Tensor, side: int = 3) -> Tensor:
    """The `side` x `side` pixels around each pixel, zeros beyond the edge: (B, H, W, side * side * C), raster order."""
    reach = side // 2
    padded_BHWC = F.pad(picture_BHWC, (0, 0, reach, reach, reach, reach))
    height, width = picture_BHWC.shape[1:3]
    shifted = [padded_BHWC[:, i : i + height, j : j + width] for i in range(side) for j in range(side)]
    return torch.cat(shifted, -1)
