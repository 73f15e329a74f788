"""TimeSformer as published [Bertasius et al. 2021, arXiv:2102.05095]; defaults are those of its base size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opengato.core.config import choose
from opengato.nn.encoders import Films
from opengato.nn.space_time import Attention
from opengato.recipes.published.heads import Encoded, FirstHead
from opengato.recipes.published.layers import PICTURE
from opengato.recipes.published.weights import Names, Reader, classes, pair

ATTENTIONS: dict[str, Attention] = {"divided_space_time": "divided", "joint_space_time": "joint", "space_only": "space"}
NAMES: Names = (
    (r"^timesformer\.", ""),
    *PICTURE,
    (r"^embeddings\.time_embeddings$", "encoder.time"),
    (r"^encoder\.layer\.", "encoder.blocks."),
    (r"\.temporal_attention\.attention\.qkv\.", ".time.qkv."),
    (r"\.temporal_attention\.output\.dense\.", ".time.out."),
    (r"\.temporal_layernorm\.", ".norm_time."),
    (r"\.temporal_dense\.", ".out_time."),
    (r"\.attention\.attention\.qkv\.", ".space.qkv."),
    (r"\.attention\.output\.dense\.", ".space.out."),
    (r"\.intermediate\.dense\.", ".feed_forward.0."),
    (r"\.output\.dense\.", ".feed_forward.2."),
    (r"\.layernorm_before\.", ".norm_attention."),
    (r"\.layernorm_after\.", ".norm_hidden."),
)
FIXED = {"hidden_act": "gelu", "layer_norm_eps": 1e-6, "qkv_bias": True}


def films(settings: Mapping[str, Any]) -> Films:
    """The encoder of a config; ValueError for settings that no published one has."""
    for key, value in FIXED.items():
        if settings.get(key, value) != value:
            raise ValueError(f"`{key}` is {settings[key]!r}; of TimeSformer only {value!r} can be read")
    kind = settings.get("attention_type", "divided_space_time")
    return Films(
        size=pair(settings.get("image_size", 224)),
        patch=pair(settings.get("patch_size", 16)),
        frames=settings.get("num_frames", 8),
        width=settings.get("hidden_size", 768),
        depth=settings.get("num_hidden_layers", 12),
        heads=settings.get("num_attention_heads", 12),
        hidden=settings.get("intermediate_size", 3072),
        attention=ATTENTIONS[choose(kind, ATTENTIONS, what="`attention_type`")],
        channels=settings.get("num_channels", 3),
    )


def _classifier(settings: Mapping[str, Any]) -> Encoded:
    config = films(settings)
    return Encoded(config.build(), FirstHead(config.width, classes(settings)))


READERS = {
    "TimesformerModel": Reader(network=lambda s: Encoded(films(s).build()), names=NAMES),
    "TimesformerForVideoClassification": Reader(network=_classifier, names=NAMES),
}
