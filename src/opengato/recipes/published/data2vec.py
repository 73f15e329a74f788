"""data2vec as published, of pictures, texts and sounds [Baevski et al. 2022, arXiv:2202.03555]; defaults: base size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opengato.nn.encoder import Layer
from opengato.nn.encoders import Pictures, Sounds, Texts
from opengato.recipes.published.heads import DenseHead, Encoded, FirstHead, MaskedText, MeanHead, SlotHead
from opengato.recipes.published.layers import LAYERS
from opengato.recipes.published.layers import PICTURE as PICTURE_NAMES
from opengato.recipes.published.weights import Names, Reader, activation, classes, pair

PICTURE: Names = (
    (r"^data2vec_vision\.", ""),
    (r"^encoder\.relative_position_bias\.relative_position_bias_table$", "encoder.relative.0.table"),
    (
        r"^encoder\.layer\.(\d+)\.attention\.attention\.relative_position_bias\.relative_position_bias_table$",
        r"encoder.relative.\1.table",
    ),
    (r"\.lambda_1$", ".scale_attention"),
    (r"\.lambda_2$", ".scale_hidden"),
    (r"^pooler\.layernorm\.", "head.norm."),
    *PICTURE_NAMES,
    *LAYERS,
)
TEXT: Names = (
    (r"^data2vec_text\.", ""),
    (r"^embeddings\.word_embeddings\.", "encoder.table."),
    (r"^embeddings\.position_embeddings\.", "encoder.place."),
    (r"^embeddings\.LayerNorm\.", "encoder.norm."),
    (r"^lm_head\.layer_norm\.", "norm."),
    (r"^lm_head\.(dense\.|bias$)", r"\1"),
    (r"^classifier\.dense\.", "head.dense."),
    (r"^classifier\.out_proj\.", "head.linear."),
    *LAYERS,
)
SOUND: Names = (
    (r"^data2vec_audio\.", ""),
    (r"^masked_spec_embed$", "encoder.hidden"),
    (r"^feature_extractor\.conv_layers\.(\d+)\.conv\.", r"encoder.convolutions.\1."),
    (r"^feature_extractor\.conv_layers\.(\d+)\.layer_norm\.", r"encoder.norms.\1."),
    (r"^feature_projection\.layer_norm\.", "encoder.norm_in."),
    (r"^feature_projection\.projection\.", "encoder.linear."),
    (r"^encoder\.pos_conv_embed\.layers\.(\d+)\.conv\.", r"encoder.places.\1."),
    (r"^encoder\.layer_norm\.", "encoder.norm."),
    (r"(layers\.\d+)\.layer_norm\.", r"\1.norm_attention."),
    (r"(layers\.\d+)\.final_layer_norm\.", r"\1.norm_hidden."),
    (r"^lm_head\.", "head.linear."),
    *LAYERS,
)
MASK = r"embeddings\.mask_token"
POOLER = r"pooler\..*"
"""A folder of the bare encoder holds one, which no output that is read here needs."""


def layer(settings: Mapping[str, Any], key_bias: bool = True, scale: float | None = None) -> Layer:
    """The module of a config."""
    return Layer(
        width=settings.get("hidden_size", 768),
        heads=settings.get("num_attention_heads", 12),
        hidden=settings.get("intermediate_size", 3072),
        activation=activation(settings),
        epsilon=settings.get("layer_norm_eps", 1e-12),
        key_bias=key_bias,
        scale=scale,
    )


def pictures(settings: Mapping[str, Any]) -> Pictures:
    """The encoder of pictures: keys without bias, scaled sub-layers, relative places."""
    scale = settings.get("layer_scale_init_value", 0.1)
    own, shared = (settings.get(f"use_{s}relative_position_bias", False) for s in ("", "shared_"))
    if own and shared:
        raise ValueError("relative places of each module and of all at once: no published data2vec has both")
    return Pictures(
        size=pair(settings.get("image_size", 224)),
        patch=pair(settings.get("patch_size", 16)),
        depth=settings.get("num_hidden_layers", 12),
        channels=settings.get("num_channels", 3),
        layer=layer(settings, key_bias=False, scale=scale if scale > 0 else None),
        places=settings.get("use_absolute_position_embeddings", False),
        relative="each" if own else "one" if shared else "none",
        last_norm=not settings.get("use_mean_pooling", True),
    )


def texts(settings: Mapping[str, Any]) -> Texts:
    """The encoder of texts."""
    return Texts(
        num_ids=settings.get("vocab_size", 30522),
        length=settings.get("max_position_embeddings", 512),
        depth=settings.get("num_hidden_layers", 12),
        layer=layer(settings),
        padding_id=settings.get("pad_token_id", 1),
    )


def sounds(settings: Mapping[str, Any]) -> Sounds:
    """The encoder of sounds."""
    channels = settings.get("conv_dim", (512,) * 7)
    kernels = settings.get("conv_kernel", (10, 3, 3, 3, 3, 2, 2))
    strides = settings.get("conv_stride", (5, 2, 2, 2, 2, 2, 2))
    if settings.get("add_adapter", False):
        raise ValueError("`add_adapter` is true; a data2vec with an adapter cannot be read")
    return Sounds(
        convolutions=tuple(zip(channels, kernels, strides, strict=True)),
        depth=settings.get("num_hidden_layers", 12),
        layer=layer({"layer_norm_eps": 1e-5, **settings}),
        place_depth=settings.get("num_conv_pos_embeddings", 5),
        place_kernel=settings.get("conv_pos_kernel_size", 19),
        place_groups=settings.get("num_conv_pos_embedding_groups", 16),
        bias=settings.get("conv_bias", False),
        hidden=settings.get("mask_time_prob", 0.05) > 0 or settings.get("mask_feature_prob", 0.0) > 0,
        activation=activation(settings, "feat_extract_activation"),
    )


def with_types(tensors: dict[str, Any]) -> dict[str, Any]:
    """Texts of one kind: what every id gets for its kind goes into its place."""
    (kinds,) = [name for name in tensors if name.endswith("token_type_embeddings.weight")]
    (places,) = [name for name in tensors if name.endswith("position_embeddings.weight")]
    others = {name: tensor for name, tensor in tensors.items() if name != kinds}
    return others | {places: tensors[places] + tensors[kinds][0]}


def _picture_classifier(settings: Mapping[str, Any]) -> Encoded:
    config = pictures(settings)
    width, labels = config.layer.width, classes(settings)
    head = FirstHead(width, labels) if config.last_norm else MeanHead(width, labels, config.layer.epsilon)
    return Encoded(config.build(), head)


def _text_classifier(settings: Mapping[str, Any]) -> Encoded:
    config = texts(settings)
    return Encoded(config.build(), DenseHead(config.layer.width, classes(settings)))


def _letters(settings: Mapping[str, Any]) -> Encoded:
    config = sounds(settings)
    return Encoded(config.build(), SlotHead(config.layer.width, settings.get("vocab_size", 32)))


READERS = {
    "Data2VecVisionModel": Reader(
        network=lambda s: Encoded(pictures(s).build()), names=PICTURE, left_out=rf"{MASK}|head\.norm\..*"
    ),
    "Data2VecVisionForImageClassification": Reader(network=_picture_classifier, names=PICTURE, left_out=MASK),
    "Data2VecTextModel": Reader(
        network=lambda s: Encoded(texts(s).build()), names=TEXT, left_out=POOLER, prepare=with_types
    ),
    "Data2VecTextForMaskedLM": Reader(
        network=lambda s: MaskedText(texts(s).build()),
        names=TEXT,
        left_out=r"lm_head\.decoder\..*",  # the table and the bias again
        prepare=with_types,
    ),
    "Data2VecTextForSequenceClassification": Reader(network=_text_classifier, names=TEXT, prepare=with_types),
    "Data2VecAudioModel": Reader(network=lambda s: Encoded(sounds(s).build()), names=SOUND),
    "Data2VecAudioForCTC": Reader(network=_letters, names=SOUND),
}
