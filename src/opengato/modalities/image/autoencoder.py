"""A small convolutional autoencoder of square pictures whose code is a grid of ids.

Letters: B pictures, H and W pixels or cells, C channels, N cells of all pictures.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from opengato.nn.fsq import FiniteScalarQuantizer

GROUPS = 8  # of every group norm


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """Pictures of `side` pixels are patches of `patch` pixels with `wide` channels, then half as many a side, `deep`.

    Each cell of that grid becomes one id of `levels` (see `FiniteScalarQuantizer`).
    """

    side: int = 64
    patch: int = 4
    wide: int = 64
    deep: int = 128
    levels: tuple[int, ...] = (8, 5, 5, 5)

    @property
    def grid(self) -> int:
        """Cells a side."""
        return self.side // self.patch // 2


class Bottleneck(nn.Module):
    """x + up(gelu(conv(gelu(down(norm(x)))))), the convolution (3 x 3) on half the channels."""

    def __init__(self, channels: int):
        super().__init__()
        inner = channels // 2
        self.body = nn.Sequential(
            nn.GroupNorm(GROUPS, channels),
            nn.Conv2d(channels, inner, 1),
            nn.GELU(),
            nn.Conv2d(inner, inner, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(inner, channels, 1),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW + self.body(x_BCHW)


class PictureAutoencoder(nn.Module):
    """Pixels in [-1, 1] to ids (B, grid * grid) in raster order, and back."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        wide, deep, patch = architecture.wide, architecture.deep, architecture.patch
        self.quantizer = FiniteScalarQuantizer(architecture.levels)
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(patch),
            nn.Conv2d(3 * patch**2, wide, 1),
            Bottleneck(wide),
            nn.Conv2d(wide, deep, 2, stride=2),
            Bottleneck(deep),
            Bottleneck(deep),
            nn.GroupNorm(GROUPS, deep),
            nn.Conv2d(deep, len(architecture.levels), 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(len(architecture.levels), deep, 1),
            Bottleneck(deep),
            Bottleneck(deep),
            Bottleneck(deep),
            nn.Conv2d(deep, 4 * wide, 1),
            nn.PixelShuffle(2),
            Bottleneck(wide),
            Bottleneck(wide),
            nn.Conv2d(wide, 3 * patch**2, 1),
            nn.PixelShuffle(patch),
        )

    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        """What comes back of pictures, with gradients through the rounding."""
        z_BHWC = rearrange(self.encoder(pixels_BCHW), "b c h w -> b h w c")
        return self.decoder(rearrange(self.quantizer(z_BHWC), "b h w c -> b c h w"))

    @torch.inference_mode()
    def encode(self, pictures_BHWC: Tensor) -> Tensor:
        """Ids (B, N) of uint8 pictures (B, side, side, 3)."""
        pixels_BCHW = rearrange(pictures_BHWC, "b h w c -> b c h w") / 127.5 - 1
        return self.quantizer.ids(rearrange(self.encoder(pixels_BCHW), "b c h w -> b (h w) c"))

    @torch.inference_mode()
    def decode(self, ids_BN: Tensor) -> Tensor:
        """Pictures (B, side, side, 3), uint8, of ids."""
        code_BCHW = rearrange(
            self.quantizer.values(ids_BN), "b (h w) c -> b c h w", h=self.architecture.grid, w=self.architecture.grid
        )
        pixels_BHWC = rearrange(self.decoder(code_BCHW), "b c h w -> b h w c")
        return ((pixels_BHWC.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def psnr(one: Tensor, other: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels of each pair of uint8 pictures (B, H, W, C): 10 log10(255^2 / MSE)."""
    error_B = (one.float() - other.float()).square().flatten(1).mean(1)
    return 10 * torch.log10(255**2 / error_B.clamp(min=1e-8))


def save(model: PictureAutoencoder, path: Path, about: dict[str, str]) -> None:
    """Write the weights in half precision, with the architecture and `about` beside them, whole or not at all."""
    state = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    save_file(state, temporary, metadata={"architecture": json.dumps(asdict(model.architecture)), **about})
    temporary.replace(path)


def load(path: Path) -> PictureAutoencoder:
    """What `save` wrote; ValueError where the file is none of these."""
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
        state = load_file(path)
    except Exception as error:
        raise ValueError(f"no codec of pictures can be read from {str(path)!r}: {error}") from error
    if "architecture" not in about:
        raise ValueError(f"{str(path)!r} holds no codec of pictures; make one with modalities.image.train_codec")
    fields: dict[str, Any] = json.loads(about["architecture"])
    fields["levels"] = tuple(fields["levels"])
    with torch.device("cpu"):  # an agent may be built without numbers, its codec never
        model = PictureAutoencoder(Architecture(**fields))
    model.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    return model.eval().requires_grad_(False)
