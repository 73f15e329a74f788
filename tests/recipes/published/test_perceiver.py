"""Perceivers read from folders of transformers compute what it computes, and are as large as published."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from einops import rearrange
from torch import nn

from opengato.backbones.perceiver.io import IO
from opengato.nn.shapes import shapes_alone
from opengato.recipes.published import perceiver
from tests.close import assert_close
from tests.recipes.published.conftest import Parity

SMALL: dict[str, Any] = {
    "num_latents": 7,
    "d_latents": 24,
    "num_self_attends_per_block": 2,
    "num_blocks": 1,
    "num_self_attention_heads": 4,
    "num_cross_attention_heads": 1,
    "num_labels": 5,
}
OPTIONS = {
    "plain": {},
    "several heads and blocks": {"num_blocks": 3, "num_cross_attention_heads": 2},
    "wide, JAX's GELU": {
        "self_attention_widening_factor": 2,
        "cross_attention_widening_factor": 3,
        "hidden_act": "gelu_pytorch_tanh",
    },
    "widths of scores": {"qk_channels": 8, "v_channels": 24},
    "as wide as queries": {"cross_attention_shape_for_attention": "q"},
    "no residual": {"use_query_residual": False},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("length", [12, 5])
@torch.inference_mode()
def test_language(parity: Parity, options: dict[str, Any], length: int) -> None:
    theirs, ours = parity(
        "Perceiver", "PerceiverForMaskedLM", **SMALL | options, d_model=16, max_position_embeddings=12
    )
    ids = torch.randint(6, 262, (3, length))
    mask = torch.ones(3, length, dtype=torch.bool)
    mask[1, length // 2 :], mask[2, 1:] = False, False
    for seen in (None, mask):
        expected = theirs(inputs=ids, attention_mask=None if seen is None else seen.long()).logits
        received = ours({"text": ids}, seen)["text"]
        assert_close(received, expected, atol=1e-5)
        assert expected.shape == (3, 12, 262), "it answers for all places, whatever the length of the text"
        some = ours.ask(ours.read({"text": ids}, seen), "text", torch.arange(length), chunk=4)
        assert_close(some, expected[:, :length], atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@torch.inference_mode()
def test_text_classifier(parity: Parity, options: dict[str, Any]) -> None:
    theirs, ours = parity(
        "Perceiver", "PerceiverForSequenceClassification", **SMALL | options, d_model=16, max_position_embeddings=12
    )
    ids, mask = torch.randint(6, 262, (2, 9)), torch.arange(9) < torch.tensor([[9], [4]])
    expected = theirs(inputs=ids, attention_mask=mask.long()).logits
    assert_close(ours({"text": ids}, mask)["class"][:, 0], expected, atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize(("kind", "width"), [("Learned", 512), ("Fourier", 261), ("ConvProcessing", 322)])
@torch.inference_mode()
def test_image_classifiers(parity: Parity, kind: str, width: int, options: dict[str, Any]) -> None:
    more = {"image_size": 8} if kind == "Learned" else {}
    if kind == "Fourier" and "num_cross_attention_heads" in options:
        options = options | {"num_cross_attention_heads": 3}  # 261 numbers are no multiple of 2
    architecture = f"PerceiverForImageClassification{kind}"
    theirs, ours = parity("Perceiver", architecture, **SMALL | options | more, d_model=width)
    pixels = torch.randn(2, 3, *{"Learned": (8, 8), "Fourier": (6, 9), "ConvProcessing": (20, 25)}[kind])
    received = ours({"image": rearrange(pixels, "b c h w -> b h w c")})["class"][:, 0]
    assert_close(received, theirs(inputs=pixels).logits, atol=2e-5)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@torch.inference_mode()
def test_optical_flow(parity: Parity, options: dict[str, Any]) -> None:
    theirs, ours = parity("Perceiver", "PerceiverForOpticalFlow", **SMALL | options, d_model=322, train_size=[6, 8])
    patches = torch.randn(2, 2, 27, 6, 8)
    given = {"frames": rearrange(patches, "b t c h w -> b h w (t c)")}
    expected = theirs(inputs=patches).logits
    received = rearrange(ours(given)["flow"], "b (h w) c -> b h w c", h=6)
    assert_close(received, expected, atol=1e-5)
    assert_close(ours(given, chunk=7)["flow"], ours(given)["flow"], atol=1e-6)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@torch.inference_mode()
def test_multimodal_autoencoding(parity: Parity, options: dict[str, Any]) -> None:
    settings = {
        "d_model": 405, "image_size": 2, "num_frames": 2, "audio_samples_per_frame": 32, "samples_per_patch": 16,
        "output_shape": [1, 2, 8, 8], "output_num_channels": 8,
    }  # fmt: skip
    if "num_cross_attention_heads" in options:
        options = options | {"num_cross_attention_heads": 3}  # 405 numbers are no multiple of 2
    theirs, ours = parity("Perceiver", "PerceiverForMultimodalAutoencoding", **SMALL | settings | options)
    film, sound, label = torch.rand(2, 2, 3, 8, 8), torch.randn(2, 64, 1), torch.eye(5)[[1, 3]]
    some = {"image": torch.tensor([127, 3, 64]), "audio": torch.tensor([3, 0])}
    points = {**some, "label": None}
    expected = theirs(inputs={"image": film, "audio": sound, "label": label}, subsampled_output_points=points).logits
    read = ours.read(
        {"image": rearrange(film, "b t c h w -> b t h w c"), "audio": sound, "label": label},
        hide={"label": torch.ones(2, 1, dtype=torch.bool)},
    )
    # Codes of 192 bands reach frequencies at which a rounding of the place is seen: so in both programs.
    assert_close(ours.ask(read, "image", some["image"]), expected["image"], atol=1e-4)
    assert_close(ours.ask(read, "audio", some["audio"]).flatten(1), expected["audio"], atol=1e-4)
    assert_close(ours.ask(read, "label")[:, 0], expected["label"], atol=1e-5)


@pytest.mark.parametrize("kind", ["Learned", "ConvProcessing"])
@torch.inference_mode()
def test_original_is_what_the_authors_computed(parity: Parity, kind: str) -> None:
    """transformers with its three differences undone, as measured against DeepMind's program (4.4e-6 and 9e-6)."""
    architecture = f"PerceiverForImageClassification{kind}"
    theirs, ours = parity("Perceiver", architecture, original=True, **SMALL, image_size=8, d_model=512)
    for layer in theirs.modules():
        if hasattr(layer, "intermediate_act_fn"):
            layer.intermediate_act_fn = nn.GELU(approximate="tanh")
    pixels = torch.randn(2, 3, 8, 8)
    if kind == "Learned":
        theirs.perceiver.decoder.decoder.decoding_cross_attention.attention.use_query_residual = False
    else:
        pixels = torch.randn(2, 3, 20, 24)
        stem = theirs.perceiver.input_preprocessor.convnet
        stem.conv.zero_pad_2d = nn.ZeroPad2d((2, 3, 2, 3))
        stem.max_pool = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), stem.max_pool)
    received = ours({"image": rearrange(pixels, "b c h w -> b h w c")})["class"][:, 0]
    assert_close(received, theirs(inputs=pixels).logits, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (perceiver.language(), 201_108_230),
        (perceiver.image_learned(), 62_255_848),
        (perceiver.image_fourier(), 48_440_627),
        (perceiver.image_convolution(), 48_646_522),
        (perceiver.flow(), 41_057_134),
        (perceiver.multimodal(), 19_858_855),
    ],
    ids=["language", "learned", "fourier", "convolution", "flow", "multimodal"],
)
def test_parameters_are_those_of_the_published_weights(config: IO, parameters: int) -> None:
    with shapes_alone():
        assert sum(parameter.numel() for parameter in config.build().parameters()) == parameters


def test_the_published_arrays() -> None:
    """Inputs and queries as in the paper's tables 5 and 6."""
    assert perceiver.flow().input_width == 322
    assert perceiver.image_learned().input_width == 512
    assert perceiver.image_fourier().input_width == 261
    assert perceiver.image_convolution().input_width == 322
    assert perceiver.multimodal().input_width == 704
    assert perceiver.multimodal().query_width == 1026
