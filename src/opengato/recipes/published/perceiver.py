"""Perceiver IO as published: the language model, three image classifiers, optical flow, multimodal autoencoding.

[Jaegle et al. 2021, arXiv:2107.14795]. Defaults are those of the released weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from opengato.backbones.perceiver import inputs, outputs
from opengato.backbones.perceiver.inputs import Grid, Ids, Vector
from opengato.backbones.perceiver.io import IO, Decoder, PerceiverIO
from opengato.backbones.perceiver.latents import Latents
from opengato.backbones.perceiver.outputs import FromInput, Output, Places
from opengato.nn.fourier import Fourier
from opengato.nn.stems import Convolution, Linear, Patches
from opengato.recipes.published.weights import Names, Reader, activation, classes, pair

BYTES = 262  # 256 and six marks
LANGUAGE = Latents(number=256, width=1280, depth=26, heads=8, cross_heads=8, qk_width=256, value_width=1280)
IMAGE = Latents(number=512, width=1024, depth=6, blocks=8, heads=8)
FLOW = Latents(number=2048, width=512, depth=24, heads=16)
MULTIMODAL = Latents(number=784, width=512, depth=8, heads=8)


def language(latents: Latents = LANGUAGE, width: int = 768, length: int = 2048, num_ids: int = BYTES) -> IO:
    """Bytes with gaps in, scores of all bytes out, by the table of the input."""
    return IO(
        inputs={"text": Ids(num_ids=num_ids, length=length, width=width)},
        latents=latents,
        outputs={"text": Output(queries=outputs.Learned(number=length, width=width), width=num_ids, tied="text")},
        decoder=Decoder(heads=8, qk_width=256, value_width=width),
    )


def classifier(source: str, config: Any, latents: Latents, num_classes: int, query_residual: bool = True) -> IO:
    """One input, one learned query as wide as the latents, scores of classes."""
    query = outputs.Learned(number=1, width=latents.width)
    return IO(
        inputs={source: config},
        latents=latents,
        outputs={"class": Output(queries=query, width=num_classes)},
        decoder=Decoder(query_residual=query_residual),
    )


def text_classifier(
    num_classes: int, latents: Latents = LANGUAGE, width: int = 768, length: int = 2048, num_ids: int = BYTES
) -> IO:
    """Bytes in, a class out."""
    return classifier("text", Ids(num_ids=num_ids, length=length, width=width), latents, num_classes)


def image_learned(latents: Latents = IMAGE, side: int = 224, num_classes: int = 1000, residual: bool = False) -> IO:
    """Each pixel through a linear layer, beside a learned place: nothing says that pixels have neighbours."""
    place = inputs.Learned(places=side * side, width=256)
    return classifier("image", Grid(channels=3, stem=Linear(width=256), place=place), latents, num_classes, residual)


def image_fourier(latents: Latents = IMAGE, num_classes: int = 1000) -> IO:
    """Pixels as they are, beside Fourier codes of their places."""
    place = Fourier(resolution=(224, 224), bands=64)
    return classifier("image", Grid(channels=3, place=place), latents, num_classes)


def image_convolution(latents: Latents = IMAGE, num_classes: int = 1000, same: bool = True) -> IO:
    """A convolution first, then Fourier codes."""
    config = Grid(channels=3, stem=Convolution(width=64, same=same), place=Fourier(resolution=(56, 56), bands=64))
    return classifier("image", config, latents, num_classes)


def flow(latents: Latents = FLOW, size: tuple[int, int] = (368, 496)) -> IO:
    """The surroundings of each pixel in both frames in; how far each moves out, in units of 20 pixels.

    54 numbers a pixel: 3 x 3 pixels of 3 colours of the first frame, then of the second (`nn.stems.surroundings`).
    """
    config = Grid(channels=54, stem=Linear(width=64), place=Fourier(resolution=size, bands=64))
    return IO(
        inputs={"frames": config},
        latents=latents,
        outputs={"flow": Output(queries=FromInput(width=config.width), width=2, scale=0.01, zero=True)},
        decoder=Decoder(),
    )


def multimodal(
    latents: Latents = MULTIMODAL,
    frames: tuple[int, int, int] = (16, 224, 224),
    coded: tuple[int, int, int] | None = None,
    samples: int = 30720,
    samples_per_patch: int = 16,
    num_classes: int = 700,
    answer_width: int = 512,
) -> IO:
    """A film, its sound and its label in and out.

    `coded` is the grid of patches whose frequencies places have, in and out (default: of patches of 1 x 4 x 4 pixels).
    """
    films = Fourier(resolution=coded or (frames[0], frames[1] // 4, frames[2] // 4), bands=32)
    sounds = Fourier(resolution=(samples,), bands=192)
    return IO(
        inputs={
            "audio": Grid(channels=1, stem=Patches(size=(samples_per_patch,)), place=sounds),
            "image": Grid(channels=3, stem=Patches(size=(1, 4, 4)), place=films),
            "label": Vector(width=num_classes),
        },
        latents=latents,
        outputs={
            "audio": Output(
                queries=Places(shape=(samples // samples_per_patch,), fourier=sounds), width=samples_per_patch
            ),
            "image": Output(queries=Places(shape=frames, fourier=films), width=3),
            "label": Output(queries=outputs.Learned(number=1, width=1024), width=num_classes),
        },
        decoder=Decoder(answer_width=answer_width),
        hidden=("audio", "image", "label"),
    )


def _latents(settings: Mapping[str, Any], original: bool) -> Latents:
    """What a config of transformers says of latents; its defaults are those of the language model."""
    shape = settings.get("cross_attention_shape_for_attention", "kv")
    if shape not in ("kv", "q"):
        raise ValueError(f"`cross_attention_shape_for_attention` is {shape!r}, expected 'kv' or 'q'")
    return Latents(
        number=settings.get("num_latents", 256),
        width=settings.get("d_latents", 1280),
        depth=settings.get("num_self_attends_per_block", 26),
        blocks=settings.get("num_blocks", 1),
        heads=settings.get("num_self_attention_heads", 8),
        cross_heads=settings.get("num_cross_attention_heads", 8),
        qk_width=settings.get("qk_channels"),
        value_width=settings.get("v_channels"),
        cross_width="input" if shape == "kv" else "latent",
        widening=settings.get("self_attention_widening_factor", 1),
        cross_widening=settings.get("cross_attention_widening_factor", 1),
        query_residual=bool(settings.get("use_query_residual", True)),
        activation="gelu_tanh" if original else activation(settings),
    )


def _text(settings: Mapping[str, Any]) -> dict[str, int]:
    return {
        "width": settings.get("d_model", 768),
        "length": settings.get("max_position_embeddings", 2048),
        "num_ids": settings.get("vocab_size", BYTES),
    }


def _multimodal(settings: Mapping[str, Any], original: bool) -> IO:
    side, frames = settings.get("image_size", 56), settings.get("num_frames", 16)
    samples = frames * settings.get("audio_samples_per_frame", 1920)
    _, *shape = settings.get("output_shape", (1, 16, 224, 224))
    return multimodal(
        _latents(settings, original),
        frames=tuple(shape),
        coded=(frames, side, side),
        samples=samples,
        samples_per_patch=settings.get("samples_per_patch", 16),
        num_classes=classes(settings),
        answer_width=settings.get("output_num_channels", 512),
    )


LAYERS: Names = (
    (r"^perceiver\.", ""),
    (r"^embeddings\.latents$", "encoder.latents"),
    (r"^encoder\.cross_attention\.", "encoder.read."),
    (r"^encoder\.self_attends\.", "encoder.layers."),
    (r"^decoder\.decoder\.(decoding|output|final)", r"decoder.\1"),
    (r"\.attention\.self\.layernorm1\.", ".norm_query."),
    (r"\.attention\.self\.layernorm2\.", ".norm_input."),
    (r"\.attention\.self\.(query|key|value)\.", r".attention.\1."),
    (r"\.attention\.output\.dense\.", ".attention.out."),
    (r"\.layernorm\.", ".norm_hidden."),
    (r"\.mlp\.dense1\.", ".feed_forward.inner."),
    (r"\.mlp\.dense2\.", ".feed_forward.out."),
    (r"^decoder\.decoding_cross_attention\.", "decoder."),
)
TEXT: Names = (
    (r"^input_preprocessor\.embeddings\.", "inputs.text.table."),
    (r"^input_preprocessor\.position_embeddings\.", "inputs.text.place."),
)
CLASS: Names = (
    (r"^decoder\.output_position_encodings\.position_embeddings$", "queries.class.table"),
    (r"^decoder\.final_layer\.", "heads.class.linear."),
)
PICTURE: Names = (
    (r"^input_preprocessor\.convnet_1x1\.", "inputs.image.stem."),
    (r"^input_preprocessor\.position_embeddings\.position_embeddings$", "inputs.image.place.table"),
    (r"^input_preprocessor\.positions_projection\.", "inputs.image.place.mix."),
    (r"^input_preprocessor\.convnet\.conv\.", "inputs.image.stem.convolution."),
    (r"^input_preprocessor\.convnet\.batchnorm\.", "inputs.image.stem.norm."),
)


def _language(settings: Mapping[str, Any], original: bool) -> IO:
    return language(_latents(settings, original), **_text(settings))


def _text_classifier(settings: Mapping[str, Any], original: bool) -> IO:
    return text_classifier(classes(settings), _latents(settings, original), **_text(settings))


def _image_learned(settings: Mapping[str, Any], original: bool) -> IO:
    side = settings.get("image_size", 56)
    return image_learned(_latents(settings, original), side, classes(settings), residual=not original)


def _image_fourier(settings: Mapping[str, Any], original: bool) -> IO:
    return image_fourier(_latents(settings, original), classes(settings))


def _image_convolution(settings: Mapping[str, Any], original: bool) -> IO:
    return image_convolution(_latents(settings, original), classes(settings), same=original)


def _flow(settings: Mapping[str, Any], original: bool) -> IO:
    return flow(_latents(settings, original), pair(settings.get("train_size", (368, 496))))


def _reader(read: Callable[[Mapping[str, Any], bool], IO], *names: tuple[str, str]) -> Reader:
    """As transformers computes, and as the authors' program does."""

    def build(settings: Mapping[str, Any], original: bool) -> PerceiverIO:
        config = read(settings, original)
        # transformers gives the decoder of all but the language model the same choice as the encoder.
        if settings.get("cross_attention_shape_for_attention") == "q" and config.decoder.qk_width is None:
            config = replace(config, decoder=replace(config.decoder, qk_width=config.query_width))
        return config.build()

    return Reader(
        network=partial(build, original=False), original=partial(build, original=True), names=(*LAYERS, *names)
    )


READERS = {
    "PerceiverForMaskedLM": _reader(
        _language,
        *TEXT,
        (r"^decoder\.output_position_encodings\.position_embeddings$", "queries.text.table"),
        (r"^embedding_decoder\.bias$", "heads.text.bias"),
    ),
    "PerceiverForSequenceClassification": _reader(_text_classifier, *TEXT, *CLASS),
    "PerceiverForImageClassificationLearned": _reader(_image_learned, *PICTURE, *CLASS),
    "PerceiverForImageClassificationFourier": _reader(_image_fourier, *CLASS),
    "PerceiverForImageClassificationConvProcessing": _reader(_image_convolution, *PICTURE, *CLASS),
    "PerceiverForOpticalFlow": _reader(
        _flow,
        (r"^input_preprocessor\.conv_after_patches\.", "inputs.frames.stem."),
        (r"^decoder\.final_layer\.", "heads.flow.linear."),
    ),
    "PerceiverForMultimodalAutoencoding": _reader(
        _multimodal,
        (r"^input_preprocessor\.padding\.", "fill."),
        (r"^input_preprocessor\.mask\.", "hidden."),
        (r"^decoder\.padding\.", "query_fill."),
        (r"^decoder\.modalities\.label\.decoder\.output_position_encodings\..*", "queries.label.table"),
        (r"^decoder\.final_layer\.", "answer."),
        (r"^output_postprocessor\.modalities\.(\w+)\.classifier\.", r"heads.\1.linear."),
    ),
}
