"""First layers pixel by pixel. Letters: B rows, H and W pixels, C channels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from opengato.nn.stems import Convolution, ConvolutionStem, Patches, surroundings


def strided(x: np.ndarray, kernel: int, same: bool, empty: float) -> list[list[np.ndarray]]:
    """What a kernel of stride 2 sees of (H, W, C), by the rule of TensorFlow's SAME, or with `kernel // 2` around."""
    height, width, channels = x.shape
    sizes, before = [], []
    for size in (height, width):
        out = math.ceil(size / 2) if same else (size + 2 * (kernel // 2) - kernel) // 2 + 1
        sizes.append(out)
        before.append(max(0, (out - 1) * 2 + kernel - size) // 2 if same else kernel // 2)
    windows = []
    for i in range(sizes[0]):
        row = []
        for j in range(sizes[1]):
            window = np.full((kernel, kernel, channels), empty)
            for a in range(kernel):
                for b in range(kernel):
                    y, z = 2 * i + a - before[0], 2 * j + b - before[1]
                    if 0 <= y < height and 0 <= z < width:
                        window[a, b] = x[y, z]
            row.append(window)
        windows.append(row)
    return windows


@pytest.mark.parametrize(("height", "width"), [(8, 12), (9, 7)])
def test_the_stem_of_the_paper_pixel_by_pixel(height: int, width: int) -> None:
    made = ConvolutionStem(3, Convolution(width=4, same=True)).eval()
    mean, var = made.norm.running_mean, made.norm.running_var
    assert mean is not None
    assert var is not None
    with torch.no_grad():
        mean.normal_()
        var.uniform_(0.5, 2)
        made.norm.bias.normal_()
    x = torch.randn(1, height, width, 3)
    weight = made.convolution.weight.detach().numpy().transpose(2, 3, 1, 0)
    inner = np.array(
        [[np.einsum("abc,abcd->d", w, weight) for w in row] for row in strided(x[0].numpy(), 7, True, 0.0)]
    )
    inner = (inner - mean.numpy()) / np.sqrt(
        var.numpy() + 1e-5
    ) * made.norm.weight.detach().numpy() + made.norm.bias.detach().numpy()
    expected = np.array([[w.max((0, 1)) for w in row] for row in strided(np.maximum(inner, 0), 3, True, -np.inf)])
    np.testing.assert_allclose(made(x)[0].detach().numpy(), expected, atol=1e-5)


def test_a_picture_of_224_pixels_comes_to_56_or_55() -> None:
    with torch.device("meta"):
        pixels = torch.empty(1, 224, 224, 3)
        assert Convolution(same=True).build(3)(pixels).shape == (1, 56, 56, 64)
        assert Convolution(same=False).build(3)(pixels).shape == (1, 55, 55, 64)


def test_patches_hold_their_places_in_raster_order() -> None:
    film = torch.arange(2 * 4 * 4 * 3).view(1, 2, 4, 4, 3)
    cut = Patches(size=(1, 2, 2)).build(3)(film)
    assert cut.shape == (1, 2, 2, 2, 12)
    assert cut[0, 1, 1, 0].tolist() == film[0, 1, 2:4, 0:2].flatten().tolist()
    sound = torch.arange(6.0)[None, :, None]
    assert Patches(size=(3,)).build(1)(sound).tolist() == [[[0, 1, 2], [3, 4, 5]]]
    with pytest.raises(ValueError, match=r"an array of \(5,\) places cannot be cut into patches of \(3,\)"):
        Patches(size=(3,)).build(1)(sound[:, :5])


def test_surroundings_are_those_of_unfold() -> None:
    picture = torch.randn(2, 5, 6, 3)
    unfolded = F.unfold(picture.permute(0, 3, 1, 2), 3, padding=1).view(2, 3, 9, 5, 6)
    expected = unfolded.permute(0, 3, 4, 2, 1).flatten(-2)
    assert torch.equal(surroundings(picture), expected)
