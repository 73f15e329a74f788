"""ViT, data2vec and TimeSformer read from folders of transformers compute what it computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from einops import rearrange
from torch import Tensor

from opengato.nn.shapes import shapes_alone
from opengato.recipes.published import data2vec, timesformer, vit
from tests.close import assert_close
from tests.recipes.published.conftest import Parity

SMALL: dict[str, Any] = {
    "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 20, "num_labels": 5,
}  # fmt: skip


def pictures(*shape: int) -> tuple[Tensor, Tensor]:
    """Pixels as they want them, and as we do."""
    pixels = torch.randn(*shape)
    return pixels, rearrange(pixels, "... c h w -> ... h w c")


@pytest.mark.parametrize(
    "options",
    [
        {"image_size": 12, "patch_size": 4},
        {"image_size": [8, 12], "patch_size": [4, 6], "layer_norm_eps": 1e-6, "hidden_act": "gelu_pytorch_tanh"},
        {"image_size": 8, "patch_size": 4, "num_channels": 1, "qkv_bias": False},
    ],
)
@torch.inference_mode()
def test_vit(parity: Parity, options: dict[str, Any]) -> None:
    size = options["image_size"] if isinstance(options["image_size"], list) else [options["image_size"]] * 2
    pixels, mine = pictures(2, options.get("num_channels", 3), *size)
    theirs, ours = parity("ViT", "ViTModel", **SMALL | options)
    assert_close(ours(mine), theirs(pixels).last_hidden_state, atol=1e-5)
    theirs, ours = parity("ViT", "ViTForImageClassification", **SMALL | options)
    assert_close(ours(mine), theirs(pixels).logits, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"use_relative_position_bias": True},
        {"use_shared_relative_position_bias": True, "use_mean_pooling": False},
        {"use_absolute_position_embeddings": True, "layer_scale_init_value": 0.0, "use_mask_token": True},
    ],
)
@torch.inference_mode()
def test_data2vec_of_pictures(parity: Parity, options: dict[str, Any]) -> None:
    """Grids with as many rows as columns: for others transformers mixes the two up in its table."""
    settings = SMALL | {"image_size": 12, "patch_size": 4, "layer_norm_eps": 1e-5} | options
    pixels, mine = pictures(2, 3, 12, 12)
    theirs, ours = parity("Data2VecVision", "Data2VecVisionModel", **settings)
    assert_close(ours(mine), theirs(pixels).last_hidden_state, atol=1e-5)
    theirs, ours = parity("Data2VecVision", "Data2VecVisionForImageClassification", **settings)
    assert_close(ours(mine), theirs(pixels).logits, atol=1e-5)


@pytest.mark.parametrize("length", [10, 4])
@pytest.mark.parametrize("options", [{}, {"hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "type_vocab_size": 1}])
@torch.inference_mode()
def test_data2vec_of_texts(parity: Parity, length: int, options: dict[str, Any]) -> None:
    settings = SMALL | {"vocab_size": 30, "max_position_embeddings": 14} | options
    ids = torch.randint(3, 30, (3, length))
    ids[1, 2:], ids[2, 3:] = 1, 1
    mask = ids != 1
    for seen in (None, mask):
        theirs, ours = parity("Data2VecText", "Data2VecTextModel", **settings)
        expected = theirs(ids, attention_mask=None if seen is None else seen.long()).last_hidden_state
        assert_close(ours(ids, seen)[mask], expected[mask], atol=1e-5)
    theirs, ours = parity("Data2VecText", "Data2VecTextForMaskedLM", **settings)
    assert_close(ours(ids, mask)[mask], theirs(ids, attention_mask=mask.long()).logits[mask], atol=1e-5)
    theirs, ours = parity("Data2VecText", "Data2VecTextForSequenceClassification", **settings)
    assert_close(ours(ids, mask), theirs(ids, attention_mask=mask.long()).logits, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"conv_bias": True, "conv_pos_kernel_size": 4, "num_conv_pos_embeddings": 2, "mask_time_prob": 0.0},
    ],
)
@torch.inference_mode()
def test_data2vec_of_sounds(parity: Parity, options: dict[str, Any]) -> None:
    settings = SMALL | {
        "conv_dim": [8, 8, 16], "conv_kernel": [10, 3, 2], "conv_stride": [5, 2, 2], "vocab_size": 12,
        "num_conv_pos_embedding_groups": 4,
    } | options  # fmt: skip
    samples, lengths = torch.randn(3, 400), torch.tensor([400, 177, 60])
    mask = torch.arange(400) < lengths[:, None]
    theirs, ours = parity("Data2VecAudio", "Data2VecAudioModel", **settings)
    assert_close(ours(samples), theirs(samples).last_hidden_state, atol=1e-5)
    expected = theirs(samples, attention_mask=mask.long()).last_hidden_state
    received = ours(samples, lengths)
    slots = ours.encoder.config.slots(lengths)
    assert slots.tolist() == theirs._get_feat_extract_output_lengths(lengths).tolist()
    for row, count in enumerate(slots.tolist()):
        assert_close(received[row, :count], expected[row, :count], atol=1e-5)
    if not options:
        hide = torch.zeros(expected.shape[:2], dtype=torch.bool)
        hide[:, 2:5] = True
        assert_close(ours(samples, hide_BT=hide), theirs(samples, mask_time_indices=hide).last_hidden_state, atol=1e-5)
    theirs, ours = parity("Data2VecAudio", "Data2VecAudioForCTC", **settings)
    assert_close(ours(samples), theirs(samples).logits, atol=1e-5)


@pytest.mark.parametrize("kind", timesformer.ATTENTIONS)
@torch.inference_mode()
def test_timesformer(parity: Parity, kind: str) -> None:
    settings = SMALL | {"image_size": 12, "patch_size": 4, "num_frames": 3, "attention_type": kind}
    pixels, mine = pictures(2, 3, 3, 12, 12)
    theirs, ours = parity("Timesformer", "TimesformerModel", **settings)
    expected = theirs(pixels).last_hidden_state
    received = ours(mine)
    assert_close(received[:, 0], expected[:, 0], atol=1e-5)
    if kind != "space_only":  # theirs are place by place, ours frame by frame
        expected = torch.cat([expected[:, :1], rearrange(expected[:, 1:], "b (n f) d -> b (f n) d", f=3)], 1)
    assert_close(received, expected, atol=1e-5)
    theirs, ours = parity("Timesformer", "TimesformerForVideoClassification", **settings)
    assert_close(ours(mine), theirs(pixels).logits, atol=1e-5)


def test_parameters_of_the_base_sizes() -> None:
    """ViT-B/16 with its 1000 classes as printed in every library, TimeSformer as derived from the paper's code."""
    with shapes_alone():
        sizes = {
            "vit": vit.READERS["ViTForImageClassification"].network({"num_labels": 1000}),
            "joint": timesformer.READERS["TimesformerModel"].network({"attention_type": "joint_space_time"}),
            "divided": timesformer.READERS["TimesformerModel"].network({}),
        }
    count = {name: sum(p.numel() for p in network.parameters()) for name, network in sizes.items()}
    assert count["vit"] == 86_567_656
    assert count["joint"] / 1e6 == pytest.approx(85.80, abs=0.01)
    assert count["divided"] / 1e6 == pytest.approx(121.26, abs=0.01)


def test_settings_that_cannot_be_read_say_so() -> None:
    with pytest.raises(ValueError, match=r"`layer_norm_eps` is 1e-12; of TimeSformer only 1e-06"):
        timesformer.films({"layer_norm_eps": 1e-12})
    with pytest.raises(ValueError, match="with an adapter cannot be read"):
        data2vec.sounds({"add_adapter": True})
    with pytest.raises(ValueError, match="unknown `hidden_act` 'mish'"):
        vit.pictures({"hidden_act": "mish"})
