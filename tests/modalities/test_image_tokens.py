"""Pictures as ids: the file of the codec, what comes back. Letters: B pictures, H and W pixels, C channels."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from opengato.core.episode import MEDIA_SPECS, objects
from opengato.evaluators.heldout import held_out_pictures
from opengato.modalities.image import tokens, train_codec
from opengato.modalities.image.autoencoder import Architecture, PictureAutoencoder, load, psnr, save
from opengato.modalities.image.tokens import PictureTokens
from opengato.nn.shapes import shapes_alone
from tests.close import assert_close
from tests.tiny import png

SPEC = MEDIA_SPECS["image"]
SMALL = Architecture(side=16, patch=2, wide=16, deep=16, levels=(5, 5))


def plain(colour: tuple[int, int, int], height: int = 64, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_psnr_by_hand() -> None:
    """One grey level off everywhere is 20 log10 255 = 48.13 dB; half of the pixels off by 2 are 3 dB less."""
    one_BHWC = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    other_BHWC = torch.ones(2, 4, 4, 3, dtype=torch.uint8)
    other_BHWC[1, :2], other_BHWC[1, 2:] = 2, 0
    expected = [20 * math.log10(255), 20 * math.log10(255) - 10 * math.log10(2)]
    np.testing.assert_allclose(psnr(one_BHWC, other_BHWC).numpy(), expected, rtol=1e-5)


def test_every_weight_learns_and_what_comes_back_comes_nearer() -> None:
    pictures_BHWC = torch.stack([torch.from_numpy(plain((c * 30, 200 - c * 20, 90), 16, 16)) for c in range(8)])
    torch.manual_seed(0)
    before = PictureAutoencoder(SMALL)
    pixels_BCHW = pictures_BHWC.permute(0, 3, 1, 2) / 127.5 - 1
    (before(pixels_BCHW) - pixels_BCHW).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in before.parameters()), "the encoder's too"
    after = train_codec.train(pictures_BHWC, SMALL, steps=25)
    far, near = (psnr(m.decode(m.encode(pictures_BHWC)), pictures_BHWC).mean() for m in (before.eval(), after))
    assert near > far + 3
    about = train_codec.report(after, pictures_BHWC)
    assert about["held out"] == "8 pictures"


def test_a_file_holds_all_that_there_is(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = PictureAutoencoder(SMALL).half().float().eval()
    save(model, tmp_path / "codec.safetensors", {"psnr": "9 dB"})
    again = load(tmp_path / "codec.safetensors")
    assert again.architecture == SMALL
    noise_BHWC = torch.randint(0, 256, (3, 16, 16, 3), dtype=torch.uint8)
    assert torch.equal(again.encode(noise_BHWC), model.encode(noise_BHWC))
    codec = tokens.Config(weights=str(tmp_path / "codec.safetensors")).codec()
    assert (codec.num_ids, codec.num_positions(SPEC)) == (25, 16)
    (tmp_path / "no.safetensors").write_bytes(b"no")
    for wrong in ("no.safetensors", "gone.safetensors"):
        with pytest.raises(ValueError, match="no codec of pictures can be read from"):
            tokens.Config(weights=str(tmp_path / wrong)).codec()


def test_an_agent_without_numbers_has_a_codec_with_its_own(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save(PictureAutoencoder(SMALL), tmp_path / "codec.safetensors", {})
    config = tokens.Config(weights=str(tmp_path / "codec.safetensors"))
    with shapes_alone():
        table = config.build(8)
    assert table.table.weight.is_meta
    picture = plain((9, 200, 30), 16, 16)
    ids = table.codec.encode(picture[None], SPEC, "action")[0]
    assert ids.tolist() == PictureTokens(config.weights).encode(picture[None], SPEC, "action")[0].tolist()


def test_margins_are_white_and_sizes_any() -> None:
    """A wide red picture is a red band between white ones, whatever it came as; nothing takes no ids."""
    codec = tokens.Config().codec()
    wide = plain((255, 0, 0), 40, 120)
    ids, counts = codec.encode(objects([png(wide), b"", wide]), SPEC, "action")
    assert counts.tolist() == [64, 0, 64]
    assert (ids[:64] == ids[64:]).all()
    assert (codec.decode(ids[:64], SPEC)[:12] > 200).all(), "the top is white"
    with pytest.raises(ValueError, match="expected the 64 of one picture"):
        codec.decode(ids[:63], SPEC)


def test_what_is_shipped_beats_shrinking_on_held_out_pictures() -> None:
    """The margin that its file states, on pictures that it was not trained on."""
    model = tokens._load(tokens.SHIPPED)
    pictures = held_out_pictures("caption/openclipart")[:24]
    codec = tokens.Config().codec()
    pixels_BHWC = torch.from_numpy(np.stack([codec.square(picture.png) for picture in pictures]))
    back = psnr(model.decode(model.encode(pixels_BHWC)), pixels_BHWC).mean()
    assert back > psnr(train_codec.shrunk(pixels_BHWC, 8), pixels_BHWC).mean() + 1.5
    assert_close(model.decode(model.encode(pixels_BHWC[:1])), model.decode(model.encode(pixels_BHWC))[:1])
