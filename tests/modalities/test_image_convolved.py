"""Convolutions see whole pictures, each by itself and whatever its size. Letters: N patches, P payload features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.core.episode import MEDIA_SPECS, objects
from opengato.modalities.image import convolved
from tests.close import assert_close
from tests.tiny import png

SPEC = MEDIA_SPECS["image"]
SIZES = [(8, 8), (4, 4), (12, 4), (8, 8), (4, 12), (16, 12)]


def arrays() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*size, 3)).astype(np.uint8) for size in SIZES]


def made() -> convolved.ConvolvedImage:
    torch.manual_seed(0)
    return convolved.Config(patch=4, max_side=16, channels=(16, 32)).build(8).eval()


def encoded(module: convolved.ConvolvedImage, pixels: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(module.codec.encode(objects([png(array) for array in pixels]), SPEC, "observation")[0])


def by_hand(module: convolved.ConvolvedImage, pixels: np.ndarray) -> Tensor:
    """The vectors of one picture, by the functions of torch on its pixels as they are."""
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    for halving, mixing in zip(module.halvings, module.mixings, strict=True):
        assert isinstance(halving, nn.Conv2d)
        assert isinstance(mixing, nn.Sequential)
        norm, _, conv = mixing
        x = F.conv2d(x, halving.weight, halving.bias, stride=2, padding=1)
        assert isinstance(norm, nn.GroupNorm)
        assert isinstance(conv, nn.Conv2d)
        inner = F.gelu(F.group_norm(x, x.shape[1] // 16, norm.weight, norm.bias))
        x = x + F.conv2d(inner, conv.weight, conv.bias, padding=1)
    x = F.gelu(F.group_norm(x, x.shape[1] // 16, module.norm.weight, module.norm.bias))
    return F.linear(x[0].flatten(1).T, module.linear.weight, module.linear.bias)


@torch.inference_mode()
def test_vectors_are_those_of_the_convolutions_on_each_whole_picture() -> None:
    module = made()
    pixels = arrays()
    found = module.embed(encoded(module, pixels))
    for table in (module.row, module.column):
        torch.nn.init.zeros_(table.weight)
    assert_close(module.embed(encoded(module, pixels)), torch.cat([by_hand(module, array) for array in pixels]))
    assert not torch.allclose(found, module.embed(encoded(module, pixels))), "rows and columns count"
    assert module.embed(encoded(module, pixels)[:0]).shape == (0, 8)


@torch.inference_mode()
def test_a_picture_has_the_same_vectors_beside_any_others() -> None:
    module = made()
    pixels = arrays()
    alone = [module.embed(encoded(module, [array])) for array in pixels]
    assert_close(module.embed(encoded(module, pixels)), torch.cat(alone))


def test_channels_that_do_not_fit_the_patch_are_refused() -> None:
    with pytest.raises(ValueError, match="halve a side 2 times"):
        convolved.Config(patch=16, channels=(16, 32))
    with pytest.raises(ValueError, match="multiples of 16"):
        convolved.Config(patch=4, channels=(16, 24))
