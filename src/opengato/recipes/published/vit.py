"""ViT as published [Dosovitskiy et al. 2020, arXiv:2010.11929]; defaults are ViT-B/16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opengato.nn.encoder import Layer
from opengato.nn.encoders import Pictures
from opengato.recipes.published.heads import Encoded, FirstHead
from opengato.recipes.published.layers import LAYERS, PICTURE
from opengato.recipes.published.weights import Names, Reader, activation, classes, pair

NAMES: Names = ((r"^vit\.", ""), *PICTURE, *LAYERS)
LEFT_OUT = r"pooler\..*|embeddings\.mask_token"


def pictures(settings: Mapping[str, Any]) -> Pictures:
    """The encoder of a config."""
    layer = Layer(
        width=settings.get("hidden_size", 768),
        heads=settings.get("num_attention_heads", 12),
        hidden=settings.get("intermediate_size", 3072),
        activation=activation(settings),
        epsilon=settings.get("layer_norm_eps", 1e-12),
        bias=settings.get("qkv_bias", True),
        key_bias=settings.get("qkv_bias", True),
    )
    return Pictures(
        size=pair(settings.get("image_size", 224)),
        patch=pair(settings.get("patch_size", 16)),
        depth=settings.get("num_hidden_layers", 12),
        channels=settings.get("num_channels", 3),
        layer=layer,
    )


def _classifier(settings: Mapping[str, Any]) -> Encoded:
    config = pictures(settings)
    return Encoded(config.build(), FirstHead(config.layer.width, classes(settings)))


READERS = {
    "ViTModel": Reader(network=lambda s: Encoded(pictures(s).build()), names=NAMES, left_out=LEFT_OUT),
    "ViTForImageClassification": Reader(network=_classifier, names=NAMES, left_out=LEFT_OUT),
}
