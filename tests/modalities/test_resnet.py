"""Gato's embedder of patches: its places by the paper's example, its block by loops.

Letters: N patches, C channels, H and W rows and columns of pixels, D width.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from opengato.core.episode import ArraySpec
from opengato.modalities.image import resnet
from tests.close import assert_close

SPEC = ArraySpec(name="camera", kind="image", shape=(-1, -1, 3), dtype="uint8")
WIDTH = 8


def rows_of(config: resnet.Config, height: int, width: int) -> Tensor:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return torch.from_numpy(config.codec().encode([picture], SPEC, "observation")[0])


def test_the_example_of_the_paper() -> None:
    """A patch from 0.25 to 0.5 of the rows and from 0.4 to 0.6 of the columns [Reed et al. 2022, app. C.3]."""
    config = resnet.Config(max_side=80)
    row = rows_of(config, 64, 80)[1 * 5 + 2]
    assert row[-4:].tolist() == [32, 64, 51, 77]
    top, bottom, left, right = row[-4:].long()[:, None]
    modality = config.build(WIDTH).eval()
    assert modality.entries(top, bottom).tolist() == [48]
    assert modality.entries(left, right).tolist() == [64]


@pytest.mark.parametrize(("low", "high"), [(32, 64), (51, 77), (0, 43), (96, 128), (0, 128), (127, 128), (128, 128)])
def test_places_are_uniform_in_the_interval_and_stay_in_the_table(low: int, high: int) -> None:
    modality = resnet.Config(channels=32).build(WIDTH).train()
    draws = 20_000
    places = modality.entries(torch.full((draws,), low), torch.full((draws,), high)).numpy()
    inside = [place for place in range(low, max(high, low + 1)) if place < 128] or [127]
    counts = np.bincount(places, minlength=128)
    assert set(np.flatnonzero(counts)) == set(inside)
    expected = draws / len(inside)
    assert np.abs(counts[inside] - expected).max() <= 5 * math.sqrt(expected)
    assert np.bincount(modality.eval().entries(torch.tensor([low]), torch.tensor([high]))).size <= 128


def test_training_varies_the_place_and_evaluation_does_not() -> None:
    config = resnet.Config(patch=4, max_side=16, channels=32)
    rows = rows_of(config, 16, 16)
    modality = config.build(WIDTH).eval()
    assert torch.equal(modality.embed(rows), modality.embed(rows))
    modality.train()
    assert not torch.equal(modality.embed(rows), modality.embed(rows))
    torch.manual_seed(3)
    first = modality.embed(rows)
    torch.manual_seed(3)
    assert torch.equal(modality.embed(rows), first), "torch's generator decides, and nothing else"


def test_pixels_are_scaled_as_in_the_paper() -> None:
    """To [-1, 1], then by the root of the patch's side: 1/4 for a patch of 16."""
    config = resnet.Config(channels=32)
    modality = config.build(WIDTH)
    seen: list[Tensor] = []
    modality.stem.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, 16:] = 255
    picture[3, 5] = (255, 0, 0)
    modality.embed(torch.from_numpy(config.codec().encode([picture], SPEC, "observation")[0]))
    (x_NCHW,) = seen
    assert x_NCHW.shape == (2, 3, 16, 16)
    assert x_NCHW[1].unique().tolist() == [0.25]
    assert x_NCHW[0, :, 3, 5].tolist() == [0.25, -0.25, -0.25]
    assert x_NCHW[0, 0].flatten().argmax() == 3 * 16 + 5


def convolved(x_NCHW: Tensor, layer: nn.Conv2d) -> Tensor:
    """Pixel by pixel of the kernel, zeros around."""
    assert layer.bias is not None
    _, _, height, width = x_NCHW.shape
    padded = nn.functional.pad(x_NCHW, (1, 1, 1, 1))
    total = layer.bias[None, :, None, None]
    for dy, dx in itertools.product(range(3), range(3)):
        part = padded[:, :, dy : dy + height, dx : dx + width]
        total = total + torch.einsum("nchw,dc->ndhw", part, layer.weight[:, :, dy, dx])
    return total


def normalised(x_NCHW: Tensor, layer: nn.GroupNorm) -> Tensor:
    """Each of 32 groups of channels of each picture to mean 0 and variance 1, then GELU."""
    found = []
    for x_CHW in x_NCHW:
        groups = [(g - g.mean()) / torch.sqrt(g.var(unbiased=False) + layer.eps) for g in x_CHW.chunk(32)]
        found.append(torch.cat(groups))
    x_NCHW = torch.stack(found) * layer.weight[None, :, None, None] + layer.bias[None, :, None, None]
    return x_NCHW * (1 + torch.erf(x_NCHW / math.sqrt(2))) / 2


def test_the_block_by_loops() -> None:
    """Normalise, GELU, convolve, twice, and the stem's output added; means of squares; one linear layer."""
    config = resnet.Config(patch=4, max_side=16, channels=64, pool=2)
    modality = config.build(WIDTH).eval()
    for parameter in modality.block.parameters():
        nn.init.normal_(parameter, std=0.5)
    rows = rows_of(config, 8, 16)
    pixels = (rows[:, :-4].float() / 127.5 - 1).view(8, 4, 4, 3).permute(0, 3, 1, 2) / 2
    stem = convolved(pixels, modality.stem)
    norm_1, _, conv_1, norm_2, _, conv_2 = modality.block
    assert isinstance(norm_1, nn.GroupNorm)
    assert isinstance(norm_2, nn.GroupNorm)
    assert isinstance(conv_1, nn.Conv2d)
    assert isinstance(conv_2, nn.Conv2d)
    x_NCHW = stem + convolved(normalised(convolved(normalised(stem, norm_1), conv_1), norm_2), conv_2)
    squares = [x_NCHW[:, :, y : y + 2, x : x + 2].mean((2, 3)) for y in (0, 2) for x in (0, 2)]
    x_ND = torch.stack(squares, 2).flatten(1) @ modality.linear.weight.T + modality.linear.bias
    # 2 rows and 4 columns of patches: their middles are at 32 and 96, and at 16, 48, 80, 112.
    row = torch.tensor([32] * 4 + [96] * 4)
    column = torch.tensor([16, 48, 80, 112] * 2)
    expected = x_ND + modality.row.weight[row] + modality.column.weight[column]
    assert_close(modality.embed(rows), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"channels": 48}, "`channels` is 48, expected a multiple of 32"),
        ({"channels": 0}, "`channels` is 0, expected a multiple of 32"),
        ({"pool": 3}, r"`patch` \(=16\) must be a multiple of `pool` \(=3\)"),
    ],
)
def test_a_block_that_cannot_be_is_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resnet.Config(**wrong)
