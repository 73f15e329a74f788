"""Emoji as Google draws them, with their English names."""

from __future__ import annotations

from opengato import sources
from opengato.sources.emoji_sets import GOOGLE, NAMES, EmojiSource


class Source(EmojiSource):
    """`caption/emoji`, `caption/emoji-zh`, `label/emoji`: Noto's drawings."""

    vendor = "google"
    card = sources.SourceCard(
        name="emoji",
        title="Noto emoji with names",
        what="drawings of emoji, 64x64 on white, with their English and Chinese names and nine categories; "
        "near-duplicate drawings left out",
        tasks=("caption/emoji", "caption/emoji-zh", "label/emoji"),
        licence="drawings Apache-2.0 (Noto, Google); names MIT (emojibase)",
        split="by concept (`pictures.concept`), about 8 % test",
        packages=(
            GOOGLE,
            NAMES,
        ),
    )
