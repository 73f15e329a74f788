"""Names of the modules that ViT and data2vec share, as transformers writes them."""

from __future__ import annotations

from opengato.recipes.published.weights import Names

LAYERS: Names = (
    (r"^encoder\.layers?\.", "encoder.layers."),
    (r"^layers\.", "encoder.layers."),
    (r"\.attention\.(?:attention|self)\.(query|key|value)\.", r".attention.\1."),
    (r"\.attention\.q_proj\.", ".attention.query."),
    (r"\.attention\.k_proj\.", ".attention.key."),
    (r"\.attention\.v_proj\.", ".attention.value."),
    (r"\.attention\.(?:output\.dense|o_proj|out_proj)\.", ".attention.out."),
    (r"\.(?:intermediate\.dense|mlp\.fc1|feed_forward\.intermediate_dense)\.", ".feed_forward.inner."),
    (r"\.(?:mlp\.fc2|feed_forward\.output_dense)\.", ".feed_forward.out."),
    (r"\.attention\.output\.LayerNorm\.", ".norm_attention."),
    (r"\.output\.LayerNorm\.", ".norm_hidden."),
    (r"(layers\.\d+)\.output\.dense\.", r"\1.feed_forward.out."),
    (r"\.layernorm_before\.", ".norm_attention."),
    (r"\.layernorm_after\.", ".norm_hidden."),
)
PICTURE: Names = (
    (r"^embeddings\.cls_token$", "encoder.token"),
    (r"^embeddings\.patch_embeddings\.projection\.", "encoder.patch."),
    (r"^embeddings\.position_embeddings$", "encoder.place"),
    (r"^layernorm\.", "encoder.norm."),
    (r"^classifier\.", "head.linear."),
)
