"""Where things went: how like the surroundings of a place are to those of places nearby in a second picture.

What a large network learns from many pictures, to compare, a small one is given. The likeness is the correlation of two
windows once their means are taken off, so that light and contrast do not count [Lewis 1995, Fast Normalized
Cross-Correlation]; the expected shift is the mean of all shifts, weighed by a softmax of their likeness, as in
[Xu et al. 2022, arXiv:2111.13680, eq. 2 and 3].
Letters: B rows, H and W pixels, h and w places, C channels, S shifts, F features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

CELL = 4  # pixels of a side of a place
WINDOW = 8  # in the halved pictures, even so that it lies around the middle of a place
NOISE = 1e-5  # added to variances, of colours between -1 and 1
SHARPNESS = (10.0, 40.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Matching:
    """A stem for two pictures, their channels one after the other; a place of 4 x 4 pixels gets `width` numbers.

    Compared are shifts of up to `reach` pixels either way, by twos; `mixings` convolutions smooth what is found.
    """

    width: int
    reach: int = 10
    mixings: int = 2

    def __post_init__(self) -> None:
        if self.reach < 2 or self.reach % 2:
            raise ValueError(f"`reach` is {self.reach}, expected an even number of pixels from 2 on")

    def channels(self, channels: int) -> int:
        return self.width

    def build(self, channels: int) -> nn.Module:
        return MatchingStem(channels, self)


class MatchingStem(nn.Module):
    """Two pictures (B, H, W, 2 C) to (B, H / 4, W / 4, width): what is there, and what it is like in the second one."""

    reach: int

    def __init__(self, channels: int, config: Matching):
        super().__init__()
        self.reach = config.reach // 2
        shifts = (2 * self.reach + 1) ** 2
        self.known = nn.Linear(channels * CELL**2 + shifts + 3 * len(SHARPNESS) + 2, config.width)
        self.mixings = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(1, config.width), nn.GELU(), nn.Conv2d(config.width, config.width, 3, padding=1))
            for _ in range(config.mixings)
        )

    def forward(self, x_BHWC: Tensor) -> Tensor:
        height, width, channels = x_BHWC.shape[1:]
        if height % CELL or width % CELL or channels % 2:
            raise ValueError(
                f"two pictures of {height} x {width} pixels, {channels} channels in all, are no whole places"
            )
        x_BCHW = rearrange(x_BHWC, "b h w c -> b c h w")
        with torch.no_grad():
            half_BCHW = F.avg_pool2d(x_BCHW.float(), 2)
            first_BCHW, second_BCHW = half_BCHW.chunk(2, 1)
            like_BShw, first_Bhw, second_Bhw = likeness(first_BCHW, second_BCHW, self.reach)
            texture_B2hw = torch.stack([first_Bhw, second_Bhw], 1).log() / 5  # about as large as the rest
            found = [like_BShw, texture_B2hw, *(expected_shift(like_BShw, sharp) for sharp in SHARPNESS)]
            patch_BFhw = rearrange(x_BCHW, "b c (h p) (w q) -> b (c p q) h w", p=CELL, q=CELL)
            known_BhwF = torch.cat([patch_BFhw, *found], 1).movedim(1, -1)
        x_BChw = self.known(known_BhwF.to(self.known.weight.dtype)).movedim(-1, 1)
        for mixing in self.mixings:
            x_BChw = x_BChw + mixing(x_BChw)
        return x_BChw.movedim(1, -1)


def likeness(
    first_BCHW: Tensor, second_BCHW: Tensor, reach: int, window: int = WINDOW
) -> tuple[Tensor, Tensor, Tensor]:
    """Correlations (B, S, h, w) from -1 to 1 of windows at every second pixel, and their deviations (B, h, w).

    Shift (down, right) has number (down + reach) (2 reach + 1) + right + reach. Pictures go on as at their edge.
    """
    before, after = (window - 2) // 2, window // 2  # so that windows lie around the middles of pairs of pixels
    first_BCHW = F.pad(first_BCHW, (before, after) * 2, mode="replicate")
    second_BCHW = F.pad(second_BCHW, (before + reach, after + reach) * 2, mode="replicate")
    height, width = first_BCHW.shape[2:]

    def moments(x_BCHW: Tensor, stride: int) -> tuple[Tensor, Tensor]:
        mean_BChw = window_means(x_BCHW, window, stride)
        variance_BChw = window_means(x_BCHW.square(), window, stride) - mean_BChw.square()
        return mean_BChw, (variance_BChw.mean(1).clamp(min=0) + NOISE).sqrt()

    mean_BChw, deviation_Bhw = moments(first_BCHW, 2)
    all_means_BCHW, all_deviations_BHW = moments(second_BCHW, 1)
    products, means, scales = [], [], []
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            seen_BCHW = second_BCHW[:, :, down : down + height, right : right + width]
            products.append((first_BCHW * seen_BCHW).mean(1))
            at = (..., slice(down, down + 2 * mean_BChw.shape[2], 2), slice(right, right + 2 * mean_BChw.shape[3], 2))
            means.append((mean_BChw * all_means_BCHW[at]).mean(1))
            scales.append(deviation_Bhw * all_deviations_BHW[at])
    covariance_BShw = window_means(torch.stack(products, 1), window, 2) - torch.stack(means, 1)
    at = (..., slice(reach, reach + 2 * mean_BChw.shape[2], 2), slice(reach, reach + 2 * mean_BChw.shape[3], 2))
    return covariance_BShw / torch.stack(scales, 1), deviation_Bhw, all_deviations_BHW[at]


def window_means(x_BCHW: Tensor, window: int, stride: int) -> Tensor:
    """Means of all windows that lie within a picture, every `stride` pixels; first down, then across."""
    return F.avg_pool2d(F.avg_pool2d(x_BCHW, (window, 1), (stride, 1)), (1, window), (1, stride))


def expected_shift(like_BShw: Tensor, sharpness: float) -> Tensor:
    """Right and down (B, 3, h, w), from -1 to 1 of the reach, and the share of the likeliest shift."""
    side = round(like_BShw.shape[1] ** 0.5)
    share_BShw = (sharpness * like_BShw).softmax(1)
    share_Bddhw = share_BShw.unflatten(1, (side, side))
    place_d = torch.linspace(-1, 1, side, device=like_BShw.device)
    right_Bhw = torch.einsum("brdhw,d->bhw", share_Bddhw, place_d)
    down_Bhw = torch.einsum("bdrhw,d->bhw", share_Bddhw, place_d)
    return torch.stack([right_Bhw, down_Bhw, share_BShw.amax(1)], 1)
