"""Patches of a picture see one another before the trunk, and those of other pictures never. Letters: N patches, P."""

from __future__ import annotations

import numpy as np
import torch

from opengato.core.episode import MEDIA_SPECS, objects
from opengato.modalities import image
from opengato.modalities.image import encoder
from tests.close import assert_close
from tests.tiny import png, sharpen

SPEC = MEDIA_SPECS["image"]


def pictures() -> list[bytes]:
    generator = np.random.default_rng(0)
    sizes = [(8, 8), (4, 4), (12, 4), (4, 12)]
    return [png(generator.integers(0, 256, (*size, 3)).astype(np.uint8)) for size in sizes]


def made() -> encoder.EncodedImage:
    torch.manual_seed(0)
    config = encoder.Config(front=image.Config(patch=4, max_side=16), depth=2, heads=2, hidden=24)
    module = config.build(16).eval()
    sharpen(module.within)
    return module


def test_patches_are_counted_from_the_top_left_of_each_picture() -> None:
    payload, counts = made().codec.encode(objects(pictures()), SPEC, "observation")
    assert counts.tolist() == [4, 1, 3, 3]
    expected = [place for count in counts for place in range(count)]
    assert encoder.numbers(torch.from_numpy(payload)).tolist() == expected


@torch.inference_mode()
def test_a_change_of_the_last_patch_reaches_the_first_of_its_picture_alone() -> None:
    module = made()
    payload = torch.from_numpy(module.codec.encode(objects(pictures()), SPEC, "observation")[0])
    changed = payload.clone()
    changed[3, :-4] = 255 - changed[3, :-4]
    before, after = module.embed(payload), module.embed(changed)
    assert (before[:4] - after[:4]).abs().amax(1).min() > 1e-3
    assert_close(after[4:], before[4:])
    early = module.rows
    assert_close(early.embed(changed)[:3], early.embed(payload)[:3])
