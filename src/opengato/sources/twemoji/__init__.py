"""Emoji as Twitter drew them: the concepts of `emoji` in another hand."""

from __future__ import annotations

from opengato import sources
from opengato.sources.emoji_sets import NAMES, EmojiSource
from opengato.sources.fetch import Package


class Source(EmojiSource):
    """`caption/twemoji`, `caption/twemoji-zh`, `label/twemoji`: Twemoji's drawings.

    A concept is in the same split as in `emoji`.
    """

    vendor = "twitter"
    card = sources.SourceCard(
        name="twemoji",
        title="Twemoji with names",
        what="drawings of emoji, 64x64 on white, with their English and Chinese names and nine categories; "
        "near-duplicate drawings left out",
        tasks=("caption/twemoji", "caption/twemoji-zh", "label/twemoji"),
        licence="drawings CC-BY-4.0 (Twemoji, Twitter and other contributors); names MIT (emojibase)",
        split="by concept (`pictures.concept`), about 8 % test",
        packages=(
            Package(
                registry="npm",
                name="emoji-datasource-twitter",
                version="16.0.0",
                sha256="f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
                licence="MIT; drawings CC-BY-4.0",
            ),
            NAMES,
        ),
    )
